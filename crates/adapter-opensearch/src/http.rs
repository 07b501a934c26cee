//! Requests to the engine's nodes: one after the other until one answers, each with a deadline.
//!
//! What holds: a node that could not be reached is left alone for a moment, so that its callers are refused fast; what
//! is under way is counted, and what comes beyond is refused at once. Nothing is repeated that may have been done: every
//! request here may be repeated by its caller, who knows better.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use doos_ports::clock::Clock;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::options::Options;

pub(crate) const ENGINE: &str = "the search index";
const IDLE_PER_NODE_MAX: usize = 16;
/// Of what an engine says about a refusal.
const REASON_CHARS_MAX: usize = 300;

/// Why an index cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no node of the search engine is named")]
    NoNodes,
    #[error("{address:?} is no address of a search engine: {cause}; expected http://HOST:PORT")]
    Address { address: String, cause: &'static str },
    #[error("{0:?} cannot begin the name of an index: small letters, digits, `-` and `_`, a letter first")]
    Prefix(String),
    #[error("the user of the search engine cannot be sent in a header")]
    User,
}

/// Why a request brought nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("too much is under way")]
    Busy,
    /// It may have been done if it was sent; everything asked here may be asked again.
    #[error("{0}")]
    Away(String),
    /// The engine has understood it and does not do it.
    #[error("{kind}: {reason}")]
    Refused { status: u16, kind: String, reason: String },
    /// What came is no answer to what was asked.
    #[error("{0}")]
    Broken(String),
}

impl Fault {
    pub fn is_status(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == wanted)
    }
}

impl From<Fault> for doos_ports::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Busy => Self::Busy { engine: ENGINE },
            Fault::Refused { status: 400, .. } | Fault::Broken(_) => {
                Self::Broken { engine: ENGINE, cause: fault.to_string() }
            }
            fault => Self::Unavailable { engine: ENGINE, cause: fault.to_string() },
        }
    }
}

struct Node {
    authority: String,
    /// Monotonic time until which it counts as away.
    away_until_ms: AtomicU64,
}

pub(crate) struct Client {
    nodes: Vec<Node>,
    next: AtomicUsize,
    pool: Pool<HttpConnector, Full<Bytes>>,
    authorization: Option<HeaderValue>,
    room: Semaphore,
    request_timeout: Duration,
    away_pause_ms: u64,
    reply_bytes_max: usize,
    clock: Arc<dyn Clock>,
}

impl Client {
    pub fn new(options: &Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        if options.nodes.is_empty() {
            return Err(Error::NoNodes);
        }
        let nodes = options
            .nodes
            .iter()
            .map(|address| Ok(Node { authority: authority(address)?.to_owned(), away_until_ms: AtomicU64::new(0) }));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(options.connect_timeout()));
        Ok(Self {
            nodes: nodes.collect::<Result<_, Error>>()?,
            next: AtomicUsize::new(0),
            pool: Pool::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_PER_NODE_MAX).build(connector),
            authorization: authorization(options)?,
            room: Semaphore::new(options.requests_max.max(1)),
            request_timeout: options.request_timeout(),
            away_pause_ms: options.away_pause_ms,
            reply_bytes_max: options.reply_bytes_max,
            clock,
        })
    }

    pub async fn get(&self, path: &str) -> Result<Value, Fault> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, Fault> {
        self.send(Method::DELETE, path, Bytes::new()).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.send(Method::PUT, path, body.to_string().into()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.send(Method::POST, path, body.to_string().into()).await
    }

    /// A request of many lines, each a document of its own.
    pub async fn post_lines(&self, path: &str, lines: Bytes) -> Result<Value, Fault> {
        self.send(Method::POST, path, lines).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Value, Fault> {
        let _room = self.room.try_acquire().map_err(|_| Fault::Busy)?;
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut failed = Fault::Away("no node could be reached a moment ago".to_owned());
        for place in 0..self.nodes.len() {
            let node = &self.nodes[(first.wrapping_add(place)) % self.nodes.len()];
            if self.now_ms() < node.away_until_ms.load(Ordering::Relaxed) {
                continue;
            }
            match self.ask(node, &method, path, body.clone()).await {
                Ok(value) => return Ok(value),
                Err(Asked::NotReached(cause)) => failed = Fault::Away(cause),
                Err(Asked::Failed(fault)) => return Err(fault),
            }
        }
        Err(failed)
    }

    async fn ask(&self, node: &Node, method: &Method, path: &str, body: Bytes) -> Result<Value, Asked> {
        let uri = format!("http://{}{path}", node.authority);
        let mut request = Request::builder().method(method).uri(uri);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| Asked::Failed(Fault::Broken(format!("no request: {error}"))))?;
        let answered = async {
            let reply = self.pool.request(request).await.map_err(|error| {
                let cause = format!("{} cannot be asked: {}", node.authority, in_full(&error));
                self.pass_over(node);
                if error.is_connect() { Asked::NotReached(cause) } else { Asked::Failed(Fault::Away(cause)) }
            })?;
            let status = reply.status().as_u16();
            let body = Limited::new(reply.into_body(), self.reply_bytes_max).collect().await;
            let body = body.map_err(|error| {
                Asked::Failed(Fault::Away(format!("{} broke off its reply: {error}", node.authority)))
            })?;
            read(status, &body.to_bytes()).map_err(Asked::Failed)
        };
        match timeout(self.request_timeout, answered).await {
            Ok(answered) => answered,
            Err(_) => {
                self.pass_over(node);
                Err(Asked::Failed(Fault::Away(format!("{} does not answer", node.authority))))
            }
        }
    }

    fn pass_over(&self, node: &Node) {
        node.away_until_ms.store(self.now_ms().saturating_add(self.away_pause_ms), Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }
}

enum Asked {
    /// Nothing was sent; another node may be asked.
    NotReached(String),
    Failed(Fault),
}

fn read(status: u16, body: &[u8]) -> Result<Value, Fault> {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(_) if body.is_empty() => Value::Null,
        Err(error) if status < 300 => return Err(Fault::Broken(format!("a reply cannot be read: {error}"))),
        Err(_) => Value::Null,
    };
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().chars().take(REASON_CHARS_MAX).collect::<String>();
    let error = &value["error"];
    let kind = match text(&error["type"]) {
        kind if kind.is_empty() => format!("status {status}"),
        kind => kind,
    };
    Err(Fault::Refused { status, kind, reason: text(&error["reason"]) })
}

/// An error and what is behind it.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn authority(address: &str) -> Result<&str, Error> {
    let refused = |cause| Error::Address { address: address.to_owned(), cause };
    let rest = match address.split_once("://") {
        Some(("http", rest)) => rest,
        Some(("https", _)) => return Err(refused("TLS is not spoken here; put a proxy on this machine before it")),
        _ => return Err(refused("it does not begin with http://")),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let uri: Uri = authority.parse().map_err(|_| refused("it cannot be read"))?;
    match uri.authority() {
        _ if authority.contains('@') => Err(refused("user and password are options of their own")),
        Some(named) if named.as_str() == authority && named.port_u16().is_some() => Ok(authority),
        _ => Err(refused("it names no host and port, or more than that")),
    }
}

fn authorization(options: &Options) -> Result<Option<HeaderValue>, Error> {
    if options.user.is_empty() {
        return Ok(None);
    }
    let credentials = format!("{}:{}", options.user, options.password.expose_secret());
    let mut value =
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(credentials))).map_err(|_| Error::User)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_host_and_a_port_and_nothing_else() {
        for good in ["http://search:9200", "http://127.0.0.1:9200/", "http://[::1]:9200"] {
            assert!(authority(good).is_ok(), "{good}");
        }
        for bad in ["search:9200", "https://search:9200", "http://search", "http://a:b@search:9200", "http://s:9200/x"]
        {
            assert!(authority(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_says_what_the_engine_said() {
        let body = br#"{"error":{"type":"index_not_found_exception","reason":"no such index [x]"},"status":404}"#;
        let fault = read(404, body).unwrap_err();
        assert!(fault.is_status(404));
        assert_eq!(fault.to_string(), "index_not_found_exception: no such index [x]");
        assert_eq!(read(502, b"<html>").unwrap_err().to_string(), "status 502: ");
        assert!(matches!(read(200, b"<html>"), Err(Fault::Broken(_))));
    }

    #[test]
    fn a_user_is_sent_as_the_engine_wants_it() {
        let options = Options { user: "amy".to_owned(), password: "p:w".into(), ..Options::default() };
        let header = authorization(&options).unwrap().unwrap();
        assert_eq!(header, "Basic YW15OnA6dw==");
        assert!(authorization(&Options::default()).unwrap().is_none());
    }
}
