//! The wire between a registry and etcd, which a test can cut or hold.

use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Whole,
    /// Connections stay, nothing gets through, nobody is told.
    Silent,
    /// Connections end, and new ones are ended at once.
    Cut,
}

pub struct Proxy {
    pub endpoint: String,
    wire: Arc<watch::Sender<Wire>>,
    /// Ends with the test.
    _listening: JoinSet<()>,
}

impl Proxy {
    pub async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let wire = Arc::new(watch::Sender::new(Wire::Whole));
        let (target, seen) = (address.trim_start_matches("http://").to_owned(), Arc::clone(&wire));
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if *seen.borrow() == Wire::Cut {
                    continue;
                }
                if let Ok(server) = TcpStream::connect(&target).await {
                    connections.spawn(carry(client, server, seen.subscribe()));
                }
            }
        });
        Self { endpoint, wire, _listening: listening }
    }

    pub fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }
}

async fn carry(client: TcpStream, server: TcpStream, mut wire: watch::Receiver<Wire>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = copy(from_client, to_server, wire.clone());
    let back = copy(from_server, to_client, wire.clone());
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = wire.wait_for(|wire| *wire == Wire::Cut) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut wire: watch::Receiver<Wire>) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut chunk).await {
        let whole = wire.wait_for(|wire| *wire == Wire::Whole).await.is_ok();
        if read == 0 || !whole || to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}
