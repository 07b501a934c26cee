//! `/livez`, `/readyz`, `/metrics`: for whoever runs the node. No token is asked for.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};
use std::sync::Arc;

use crate::problem::{Problem, Result};
use crate::state::State;
use crate::view::operations::HealthView;
use crate::{metrics as numbers, rest, view};

/// The process answers; whether it can work is another question.
pub async fn livez(FromState(state): FromState<Arc<State>>) -> Response<Body> {
    health(&state, "alive")
}

pub async fn readyz(FromState(state): FromState<Arc<State>>) -> Result<Response<Body>> {
    if state.stop.is_cancelled() {
        return Err(Problem::new("not_ready", "the node is stopping").retry_after(1));
    }
    (state.extra.readiness)().await.map_err(|cause| {
        Problem::new("not_ready", "the node cannot take work right now").because(cause).retry_after(1)
    })?;
    Ok(health(&state, "ready"))
}

pub async fn metrics(FromState(state): FromState<Arc<State>>) -> Result<Response<Body>> {
    let extra = (state.extra.gauges)().await;
    let text = state.metrics.text(extra);
    let text =
        text.map_err(|error| Problem::new("internal", "the numbers could not be written").because(error.to_string()))?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(numbers::CONTENT));
    Ok(response)
}

fn health(state: &State, status: &'static str) -> Response<Body> {
    let build = &state.extra.build;
    let view = HealthView { status, version: build.version.clone(), commit: build.commit.clone() };
    let mut response = rest::json(StatusCode::OK, view::to_json(&view));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
