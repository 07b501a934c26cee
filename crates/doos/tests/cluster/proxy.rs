//! A connection that can be cut: between a process and a database.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

pub struct Proxy {
    pub listen: SocketAddr,
    cut: Arc<Notify>,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let cut = Arc::new(Notify::new());
        let cuts = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let cuts = Arc::clone(&cuts);
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    let _ = near.set_nodelay(true);
                    let _ = far.set_nodelay(true);
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = cuts.notified() => {}
                    }
                });
            }
        });
        Self { listen, cut }
    }

    /// The target itself: there is nothing to cut.
    pub fn aside(target: SocketAddr) -> Self {
        Self { listen: target, cut: Arc::default() }
    }

    /// Every connection that is open now is closed, half-sent statements and unread answers with it.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }
}
