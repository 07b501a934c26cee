//! Single calls to a server, one after the other: preparing the shop, looking at queues, checking the books.
//!
//! What must never happen: a call without a deadline.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::http::{self, Head};

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// An audit of a million orders takes a while.
const ANSWER_DEADLINE: Duration = Duration::from_secs(300);

pub struct Api {
    address: SocketAddr,
    /// Host and authorization, with their line ends.
    headers: String,
    stream: Option<TcpStream>,
}

pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Api {
    pub fn new(address: SocketAddr, token: Option<&str>) -> Self {
        Self { address, headers: headers(address, token), stream: None }
    }

    pub fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply> {
        let body = body.map_or_else(String::new, Value::to_string);
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.headers,
            body.len()
        );
        let outcome = self.exchange(request.as_bytes());
        outcome.with_context(|| format!("{method} http://{}{path}", self.address))
    }

    /// The answer's JSON, if it is a success.
    pub fn get(&mut self, path: &str) -> Result<Value> {
        let reply = self.call("GET", path, None)?;
        reply.json().with_context(|| format!("GET {path}"))
    }

    pub fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let reply = self.call("POST", path, Some(body))?;
        reply.json().with_context(|| format!("POST {path}"))
    }

    /// The connection of the last call, if the server has left it open.
    pub fn into_stream(self) -> Option<TcpStream> {
        self.stream
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Reply> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        let mut stream = stream;
        stream.write_all(request)?;
        let mut received = Vec::new();
        let mut piece = vec![0; 64 << 10];
        let mut head: Option<Head> = None;
        loop {
            let got = stream.read(&mut piece)?;
            ensure!(got > 0, "the server closed the connection");
            received.extend_from_slice(&piece[..got]);
            if head.is_none() {
                head = http::parse(&received)?;
            }
            if let Some(head) = head
                && received.len() >= head.head_bytes + head.body_bytes
            {
                ensure!(received.len() == head.head_bytes + head.body_bytes, "more bytes than its length says");
                received.drain(..head.head_bytes);
                self.stream = (!head.closes).then_some(stream);
                return Ok(Reply { status: head.status, body: received });
            }
        }
    }
}

impl Reply {
    pub fn json(&self) -> Result<Value> {
        let text = String::from_utf8_lossy(&self.body);
        if !(200..300).contains(&self.status) {
            bail!("answered {}: {text}", self.status);
        }
        serde_json::from_slice(&self.body).with_context(|| format!("answered with no JSON: {text}"))
    }
}

/// The headers of every call to this server.
pub fn headers(address: SocketAddr, token: Option<&str>) -> String {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("Host: {address}\r\n{authorization}")
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_DEADLINE).context("no connection")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
    stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
    Ok(stream)
}
