//! A small HTTP client for this machine's own server: callbacks and the commands beside a running server.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(30);
const REPLY_BYTES_MAX: usize = 64 << 20;

/// Connections are kept and shared: callbacks come by the thousand.
static CLIENT: LazyLock<Client<HttpConnector, Full<Bytes>>> =
    LazyLock::new(|| Client::builder(TokioExecutor::new()).pool_max_idle_per_host(64).build_http());

pub struct Reply {
    pub status: u16,
    pub body: Bytes,
}

pub async fn get(target: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Reply> {
    send_within("GET", target, path, headers, Vec::new(), DEADLINE).await
}

pub async fn post(target: SocketAddr, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Reply> {
    send_within("POST", target, path, headers, body, DEADLINE).await
}

/// Head and body of the reply have so long each.
pub async fn send_within(
    method: &str,
    target: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
    deadline: Duration,
) -> Result<Reply> {
    let mut request = Request::builder().method(method).uri(format!("http://{target}{path}"));
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).context("the request")?;
    let reply = tokio::time::timeout(deadline, CLIENT.request(request)).await.context("no reply in time")??;
    let status = reply.status().as_u16();
    let body = Limited::new(reply.into_body(), REPLY_BYTES_MAX).collect();
    let body = tokio::time::timeout(deadline, body).await.context("no body in time")?;
    let body = body.map_err(|error| anyhow::anyhow!("the reply broke off: {error}"))?.to_bytes();
    Ok(Reply { status, body })
}
