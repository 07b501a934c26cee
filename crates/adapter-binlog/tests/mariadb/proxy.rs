//! A line to a server that can be cut, and stays cut until it is mended.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Proxy {
    pub address: SocketAddr,
    is_cut: Arc<watch::Sender<bool>>,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "a line of its own, for as long as the test's runtime lives")]
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_cut = Arc::new(watch::Sender::new(false));
        let cut = Arc::clone(&is_cut);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = cut.subscribe();
                if *cut.borrow_and_update() {
                    continue;
                }
                let server = server.clone();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        biased;
                        _ = cut.wait_for(|is_cut| *is_cut) => {}
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        Self { address, is_cut }
    }

    /// Once this returns nothing gets through: each connection watches the line, and has ended.
    pub async fn cut(&self) {
        self.is_cut.send_replace(true);
        self.is_cut.closed().await;
    }

    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}
