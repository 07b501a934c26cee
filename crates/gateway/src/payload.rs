//! What comes in with a request: a bounded body, an idempotency key, a query.
//!
//! What holds: no more of a body is kept than allowed, and nobody waits longer for it than allowed. A body is JSON or it
//! is refused; one without a content type is taken for JSON.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use bytes::{Bytes, BytesMut};
use doos_app::keys::Key;
use http_body_util::BodyExt as _;
use std::sync::Arc;
use std::time::Duration;

use crate::listen::Overdue;
use crate::paging;
use crate::problem::{Problem, Result};
use crate::state::State;

pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Read and thrown away of a body that is too large, so that its sender reads the refusal instead of a broken pipe.
const DRAIN_BYTES_MAX: usize = 1 << 20;

/// A JSON body as it was sent, with what the idempotency key is made of.
pub struct Payload {
    pub body: Bytes,
    method: String,
    path: String,
    key: Option<HeaderValue>,
}

impl Payload {
    /// The call's key in this scope, if it has one.
    pub fn key(&self, scope: String) -> Result<Option<Key>> {
        let Some(sent) = &self.key else { return Ok(None) };
        let text = sent.to_str().map_err(|_| Problem::from(doos_app::Error::KeyInvalid))?;
        let parts = [self.method.as_bytes(), self.path.as_bytes(), &self.body];
        Ok(Some(Key::try_new(scope, text, paging::fingerprint_bytes(parts))?))
    }
}

impl FromRequest<Arc<State>> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let body = read(&parts.headers, body, state).await?;
        check_content_type(&parts.headers, &body)?;
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let key = keys.next().cloned();
        if keys.next().is_some() {
            return Err(doos_app::Error::KeyInvalid.into());
        }
        let (method, path) = (parts.method.as_str().to_owned(), parts.uri.path().to_owned());
        Ok(Self { body, method, path, key })
    }
}

fn check_content_type(headers: &HeaderMap, body: &Bytes) -> Result<()> {
    let Some(sent) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    if body.is_empty() {
        return Ok(());
    }
    let kind = sent.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new("unsupported_media_type", "send the body as application/json"))
}

async fn read(headers: &HeaderMap, body: Body, state: &State) -> Result<Bytes> {
    let most = state.options.body_bytes_max;
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if said.is_some_and(|length: usize| length > DRAIN_BYTES_MAX.max(most)) {
        return Err(too_large(most));
    }
    let deadline = Duration::from_millis(state.options.body_timeout_ms);
    match tokio::time::timeout(deadline, collect(body, most)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(last_on_its_connection(Problem::new("request_timeout", "the body did not arrive in time"))),
    }
}

/// The rest of the body may still come, and nobody is to take it for the next request.
fn last_on_its_connection(problem: Problem) -> Problem {
    problem.header(axum::http::header::CONNECTION, HeaderValue::from_static("close"))
}

fn cut_short(error: axum::Error) -> Problem {
    let error = error.into_inner();
    if error.is::<Overdue>() {
        return last_on_its_connection(Problem::new("not_ready", error.to_string()).retry_after(1));
    }
    Problem::new("invalid_request", "the body was cut short").because(error.to_string())
}

async fn collect(mut body: Body, most: usize) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.map_err(cut_short)?.into_data() else { continue };
        length += bytes.len();
        if length > DRAIN_BYTES_MAX.max(most) {
            break;
        }
        if length <= most {
            whole.extend_from_slice(&bytes);
        }
    }
    if length > most { Err(too_large(most)) } else { Ok(whole.freeze()) }
}

fn too_large(most: usize) -> Problem {
    Problem::new("body_too_large", format!("a body has at most {most} bytes"))
}

/// The variable part of a path, decoded. What cannot be decoded names nothing.
pub struct Segment(pub String);

impl FromRequestParts<Arc<State>> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self> {
        let decoded = Path::<String>::from_request_parts(parts, state).await;
        decoded.map(|Path(text)| Self(text)).map_err(|_| Problem::not_found("path"))
    }
}

/// The query as it was sent.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The value of a parameter that takes one; an empty one is none. Which of two was meant, nobody can tell.
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        let count = self.0.iter().filter(|(given, _)| given == name).count();
        if count > 1 {
            let detail = format!("the query parameter `{name}` is given {count} times and takes one value");
            return Err(Problem::new("invalid_request", detail));
        }
        Ok(self.all(name).next())
    }

    /// Every value of a parameter that may repeat, empty ones not counted.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(given, value)| given == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }
}

impl FromRequestParts<Arc<State>> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<State>) -> Result<Self> {
        let read = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        read.map(|Query(pairs)| Self(pairs))
            .map_err(|_| Problem::new("invalid_request", "the query string cannot be read"))
    }
}
