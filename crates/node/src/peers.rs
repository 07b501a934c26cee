//! What this node does for the other processes of its cluster, on a port of its own.

use anyhow::{Context, Result};
use doos_adapter_peer::{Seat, service};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;

use crate::config::Peer;

/// The token by which processes of one cluster know each other: made from the secret that all of them have.
pub(crate) fn token(secret: &SecretString) -> SecretString {
    let mut code = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("a key of any length");
    code.update(b"doos peer");
    let bytes = code.finalize().into_bytes();
    SecretString::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Listens for the others. Returns the address to tell them, and the work of serving.
pub(crate) async fn serve(
    config: &Peer,
    seat: &Seat,
    token: SecretString,
) -> Result<(String, impl Future<Output = ()> + use<>)> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {} for the cluster; choose another peer.listen", config.listen))?;
    let at: SocketAddr = listener.local_addr()?;
    let address = if config.advertise.is_empty() { at.to_string() } else { config.advertise.clone() };
    let router = tonic::transport::Server::builder().add_service(service(seat, token));
    // Said of the sockets themselves: the builder's word does not reach those that it has not opened. Without it an answer
    // of more than one frame waits some 40 ms for the other side's acknowledgement.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = async move {
        if let Err(error) = router.serve_with_incoming(incoming).await {
            tracing::error!(error = %error, "calls of other processes are served no more");
        }
    };
    Ok((address, serving))
}
