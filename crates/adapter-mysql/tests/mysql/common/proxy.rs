//! A server's address that fails on demand: it forwards bytes until a COMMIT comes by, and then does what it was told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of the next COMMIT. Once it has struck, everything is forwarded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server gets it and answers; the client never hears of it.
    ReplyLost,
    /// The server never gets it, and sees the connection close.
    NeverSent,
    /// The server never gets it, and believes its client to be there still, with all its locks.
    NeverSentAndOpen,
}

pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    fate: Mutex<Option<Fate>>,
    struck: AtomicUsize,
    /// Refuse everybody once a COMMIT has met its fate.
    then_away: AtomicBool,
    away: AtomicBool,
    /// Connections to the server whose clients are gone.
    orphans: Mutex<Vec<TcpStream>>,
    cut: tokio::sync::Notify,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "a proxy lives beside its test")]
    pub async fn before(server: &str) -> Self {
        let server: String = server.rsplit_once('@').unwrap().1.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.away.load(Ordering::SeqCst) {
                    continue;
                }
                let upstream = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(forward(client, upstream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    /// The same database through this proxy.
    pub fn in_front_of(&self, database: &str) -> String {
        let (credentials, rest) = database.rsplit_once('@').unwrap();
        let (_, name) = rest.split_once('/').unwrap();
        format!("{credentials}@{}/{name}", self.address)
    }

    pub fn arm(&self, fate: Fate) {
        *self.state.fate.lock().unwrap() = Some(fate);
    }

    pub fn then_away(&self) {
        self.state.then_away.store(true, Ordering::SeqCst);
    }

    pub fn set_away(&self, away: bool) {
        self.state.away.store(away, Ordering::SeqCst);
        if away {
            self.cut_all();
        }
    }

    /// Ends every connection there is.
    pub fn cut_all(&self) {
        self.state.cut.notify_waiters();
    }

    pub fn struck(&self) -> usize {
        self.state.struck.load(Ordering::SeqCst)
    }
}

impl State {
    fn strike(&self, said: &[u8]) -> Option<Fate> {
        if !said.ends_with(b"COMMIT") {
            return None;
        }
        let fate = self.fate.lock().unwrap().take()?;
        self.struck.fetch_add(1, Ordering::SeqCst);
        if self.then_away.load(Ordering::SeqCst) {
            self.away.store(true, Ordering::SeqCst);
        }
        Some(fate)
    }
}

async fn forward(mut client: TcpStream, mut server: TcpStream, state: Arc<State>) {
    let (mut said, mut told) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let cut = state.cut.notified();
    let mut cut = std::pin::pin!(cut);
    // Cut while it was being connected.
    if state.away.load(Ordering::SeqCst) {
        return;
    }
    loop {
        tokio::select! {
            biased;
            () = &mut cut => return,
            count = client.read(&mut said) => {
                let Ok(count @ 1..) = count else { return };
                match state.strike(&said[..count]) {
                    None => if server.write_all(&said[..count]).await.is_err() { return },
                    Some(Fate::NeverSent) => return,
                    Some(Fate::NeverSentAndOpen) => {
                        state.orphans.lock().unwrap().push(server);
                        return;
                    }
                    Some(Fate::ReplyLost) => {
                        server.write_all(&said[..count]).await.unwrap();
                        // The reply proves that it was done.
                        assert!(server.read(&mut told).await.unwrap() > 0);
                        return;
                    }
                }
            }
            count = server.read(&mut told) => {
                let Ok(count @ 1..) = count else { return };
                if client.write_all(&told[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
