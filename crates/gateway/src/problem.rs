//! Every refusal, as RFC 9457 problem details with a stable code.
//!
//! What holds: there is one mapping from errors to replies, and it is here; status and title come from the table of
//! codes in `app`. A handler returns a [`Problem`]; the exchange writes it out with the trace id and the path, and logs
//! its cause once.
//!
//! What must never happen: an inner cause, an engine's words or a person's details in a body.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use doos_app::{Error, error_codes};
use doos_ports::stock_gate::ShortLine;
use serde::Serialize;

pub const CONTENT: &str = "application/problem+json";
const RETRY_SECONDS: u64 = 1;

pub type Result<T, E = Problem> = std::result::Result<T, E>;

#[derive(Clone, Debug)]
pub struct Problem {
    pub code: &'static str,
    pub detail: String,
    /// What exactly is wrong with the request.
    pub errors: Vec<FieldError>,
    pub retry_after_s: Option<u64>,
    more: Option<Box<More>>,
}

/// One place of the request body and what is wrong there; `#/items/0/quantity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub pointer: String,
    pub detail: String,
}

#[derive(Clone, Debug, Default)]
struct More {
    lines: Vec<ShortLine>,
    /// For the log.
    cause: Option<String>,
    /// Further headers of the reply.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// `code` must stand in the table of codes.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after_s: None, more: None }
    }

    pub fn not_found(what: &'static str) -> Self {
        Error::NotFound(what).into()
    }

    pub fn invalid_at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// What the body should have said; `errors` must not be empty.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map_or_else(String::new, |first| format!("{}: {}", first.pointer, first.detail));
        Self { errors, ..Self::new("invalid_request", detail) }
    }

    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.more().cause = Some(cause.into());
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.more().headers.push((name, value));
        self
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    pub fn status(&self) -> StatusCode {
        let (status, _) = error_codes::find(self.code).unwrap_or((500, ""));
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub fn is_retryable(&self) -> bool {
        self.retry_after_s.is_some() || self.status().is_server_error()
    }

    pub fn cause(&self) -> Option<&str> {
        self.more.as_ref().and_then(|more| more.cause.as_deref())
    }

    /// Logs what the caller is not told; called once, where the reply is written.
    pub fn log(&self) {
        let cause = self.cause().unwrap_or_default();
        let code = self.code;
        match self.status().as_u16() {
            500 => tracing::error!(code, cause, "request failed: {}", self.detail),
            501..=599 => tracing::warn!(code, cause, "request refused: {}", self.detail),
            _ => tracing::debug!(code, "request refused"),
        }
    }

    /// The body as it goes out.
    pub fn to_json(&self, instance: &str, trace_id: &str) -> Vec<u8> {
        let (status, title) = error_codes::find(self.code).unwrap_or((500, "Something went wrong inside"));
        let lines = self.more.as_ref().map_or(&[][..], |more| &more.lines);
        let body = Body {
            kind: format!("/docs/errors/{}", self.code),
            title,
            status,
            code: self.code,
            detail: &self.detail,
            instance,
            trace_id,
            errors: &self.errors,
            lines: lines.iter().map(Short::of).collect(),
        };
        serde_json::to_vec(&body).expect("strings and numbers always serialise")
    }

    /// The reply as it goes out.
    pub fn render(self, instance: &str, trace_id: &str) -> Response {
        let json = self.to_json(instance, trace_id);
        let mut response = Response::new(axum::body::Body::from(Bytes::from(json)));
        *response.status_mut() = self.status();
        let more = self.more.map(|more| *more).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.extend(more.headers);
        response
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    instance: &'a str,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Short>,
}

#[derive(Serialize)]
struct Short {
    product_id: String,
    wanted: i64,
    free: i64,
}

impl Short {
    fn of(line: &ShortLine) -> Self {
        Self { product_id: line.product_id.to_string(), wanted: line.wanted, free: line.free }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let mut problem = Self::new(error.code(), error.to_string());
        if error.is_worth_a_retry() {
            problem.retry_after_s = Some(RETRY_SECONDS);
        }
        if let Some(cause) = error.cause() {
            problem.more().cause = Some(cause.to_owned());
        }
        match error {
            Error::OutOfStock(lines) => problem.more().lines = lines,
            Error::OutcomeUnknown { order_id: Some(id) } => problem.more().cause = Some(format!("order {id}")),
            _ => {}
        }
        problem
    }
}

/// A handler's refusal on its way out: empty, with the problem beside it. The exchange writes it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    async fn body_of(problem: Problem) -> serde_json::Value {
        let response = problem.render("/v1/orders", "abc");
        assert_eq!(response.headers()[CONTENT_TYPE], CONTENT);
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_cause_stays_inside() {
        let error = Error::Unavailable { cause: "mysql at 10.0.0.7 said no".to_owned() };
        let problem = Problem::from(error);
        assert_eq!(problem.cause(), Some("mysql at 10.0.0.7 said no"));
        assert_eq!(problem.retry_after_s, Some(1));
        let body = body_of(problem).await;
        assert!(!body.to_string().contains("10.0.0.7"));
        assert_eq!(body["status"], 503);
        assert_eq!(body["type"], "/docs/errors/unavailable");
        assert_eq!((&body["instance"], &body["trace_id"]), (&"/v1/orders".into(), &"abc".into()));
    }

    #[tokio::test]
    async fn short_lines_are_named() {
        let product_id = doos_domain::ids::ProductId::new(7).unwrap();
        let body = body_of(Error::OutOfStock(vec![ShortLine { product_id, wanted: 3, free: 2 }]).into()).await;
        assert_eq!(body["lines"], serde_json::json!([{"product_id": "7", "wanted": 3, "free": 2}]));
    }
}
