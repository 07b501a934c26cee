//! A small HTTP client: JSON in, status, headers and JSON out.
//!
//! What holds: it repeats nothing by itself. A call that got no whole answer is an error with an unknown outcome, and
//! what follows from that is the test's decision.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// A call that takes longer has an unknown outcome.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    listen: SocketAddr,
    token: Option<String>,
    timeout: Duration,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// `Null` when the body was not JSON.
    pub json: Value,
    pub text: String,
}

/// Nobody knows whether the call had its effect.
#[derive(Debug)]
pub struct Lost(#[expect(dead_code, reason = "shown when a test fails")] pub String);

pub struct Call<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    body: Option<String>,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    pub fn new(listen: SocketAddr) -> Self {
        let pool = Pool::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        Self { pool, listen, token: None, timeout: CALL_TIMEOUT }
    }

    /// For calls that wait for many others.
    pub fn waiting(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The same connections, in somebody's name.
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same connections, to where the server listens now.
    pub fn at(&self, listen: SocketAddr) -> Self {
        Self { listen, ..self.clone() }
    }

    pub fn get(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::GET, path.into())
    }

    pub fn post(&self, path: impl Into<String>, body: &Value) -> Call<'_> {
        self.call(Method::POST, path.into()).body(body.to_string())
    }

    fn call(&self, method: Method, path: String) -> Call<'_> {
        let headers = self.token.iter().map(|token| ("authorization", format!("Bearer {token}"))).collect();
        Call { client: self, method, path, body: None, headers }
    }
}

impl Call<'_> {
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The body as it stands, also when it is not JSON.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The head of the answer, its body unread: for streams.
    pub async fn open(self) -> Result<Response<Incoming>, Lost> {
        let uri = format!("http://{}{}", self.client.listen, self.path);
        let mut request = Request::builder().method(self.method).uri(uri.parse::<Uri>().unwrap());
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(self.body.unwrap_or_default())).unwrap();
        let timeout = self.client.timeout;
        let answered = tokio::time::timeout(timeout, self.client.pool.request(request)).await;
        let answered = answered.map_err(|_| Lost(format!("no answer within {timeout:?}")))?;
        answered.map_err(|error| Lost(format!("{error:?}")))
    }

    pub async fn try_send(self) -> Result<Answer, Lost> {
        let timeout = self.client.timeout;
        let whole = async {
            let (head, body) = self.open().await?.into_parts();
            let body = body.collect().await.map_err(|error| Lost(error.to_string()))?;
            let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            let json = serde_json::from_str(&text).unwrap_or_default();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, json, text })
        };
        let answered = tokio::time::timeout(timeout, whole).await;
        answered.unwrap_or_else(|_| Err(Lost(format!("no answer within {timeout:?}"))))
    }

    pub async fn send(self) -> Answer {
        let line = format!("{} {}", self.method, self.path);
        self.try_send().await.unwrap_or_else(|lost| panic!("{line}: {lost:?}"))
    }
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// Passes if this is a problem with this status and code, as RFC 9457 wants it.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        self.json
    }

    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }
}
