//! A plain HTTP client, and what its answers are checked for.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::net::SocketAddr;

use crate::shop::soon;

#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Body>,
    address: SocketAddr,
    token: Option<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        Self { pool: Pool::builder(TokioExecutor::new()).build_http(), address, token: None }
    }

    /// The same client with a token.
    pub fn with(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    pub fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        soon(async {
            let response = self.pool.request(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            Answer { status: parts.status, headers: parts.headers, text }
        })
        .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub async fn get_with(&self, path: &str, name: &str, value: &str) -> Answer {
        self.send(self.request("GET", path).header(name, value).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: impl Into<String>) -> Answer {
        self.call("POST", path, body, None).await
    }

    pub async fn post_under(&self, key: &str, path: &str, body: impl Into<String>) -> Answer {
        self.call("POST", path, body, Some(key)).await
    }

    pub async fn call(&self, method: &str, path: &str, body: impl Into<String>, key: Option<&str>) -> Answer {
        let mut request = self.request(method, path).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(Body::from(body.into())).unwrap()).await
    }

    /// Places an order for a user and returns its id.
    pub async fn order(&self, user: u64, product: u64, quantity: u32) -> String {
        let body = format!(r#"{{"user_id":"{user}","items":[{{"product_id":"{product}","quantity":{quantity}}}]}}"#);
        let placed = self.post("/v1/orders", body).await;
        assert_eq!(placed.status, 201, "{}", placed.text);
        placed.json()["order_id"].as_str().unwrap().to_owned()
    }

    /// Reads an order until it is in this state.
    pub async fn until(&self, id: &str, status: &str) -> Value {
        soon(async {
            loop {
                let order = self.get(&format!("/v1/orders/{id}")).await.json();
                if order["status"] == status {
                    return order;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A refusal must be a problem in every respect; returns it.
    #[track_caller]
    pub fn problem(&self, code: &str) -> Value {
        let (status, title) = doos_app::error_codes::find(code).unwrap();
        assert_eq!(
            (self.status.as_u16(), self.header("content-type")),
            (status, "application/problem+json"),
            "{}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["code"], code);
        assert_eq!((&problem["status"], &problem["title"]), (&status.into(), &title.into()));
        assert_eq!(problem["type"], format!("/docs/errors/{code}"));
        assert_eq!(problem["trace_id"], self.header("trace-id"));
        assert_eq!(self.header("trace-id").len(), 32);
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        assert!(problem["instance"].as_str().is_some_and(|path| path.starts_with('/')));
        problem
    }
}
