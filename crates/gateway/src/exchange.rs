//! One request and its reply: trace, routing, problems written out, numbers counted.
//!
//! What holds: everything that is the same for every path is done here, once; a handler sees only its own work. Every
//! refusal leaves as a problem with the trace id, and a handler that panics is a refusal too.

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use futures::FutureExt as _;
use hyper::body::Incoming;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use tower::ServiceExt as _;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument as _, Span};

use crate::limits::RATE_LIMIT;
use crate::listen::{Activity, Arriving, Door, Reply, Serves};
use crate::problem::Problem;
use crate::rest::{Hot, Route};
use crate::state::{Scope, State};
use crate::trace::Trace;

const TRACE_ID: HeaderName = HeaderName::from_static("trace-id");
/// Paths are ASCII; nobody needs more of one to recognise it.
const INSTANCE_BYTES_MAX: usize = 256;
const TRACEPARENT: &str = "traceparent";

/// Where a request came in.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub peer: IpAddr,
    pub door: Door,
}

pub struct Exchange {
    pub state: Arc<State>,
    pub rest: Router,
    pub operations: Router,
    pub grpc: Router,
}

impl Exchange {
    pub async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        origin: Origin,
        activity: Arc<Activity>,
    ) -> Response<Reply> {
        let in_flight = activity.begin();
        let overdue = &self.state.overdue;
        let request = request.map(|body| match hyper::body::Body::is_end_stream(&body) {
            true => Body::empty(),
            false => Body::new(Arriving::new(body, overdue.clone())),
        });
        let response = self.answer(request, origin).await;
        response.map(|body| Reply::new(body, in_flight))
    }

    /// The reply to one request, whatever it came over.
    pub async fn answer(&self, mut request: Request<Body>, origin: Origin) -> Response<Body> {
        let clock = &self.state.app.ports.clock;
        let started = clock.monotonic();
        let sent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let trace = Trace::arriving(sent, &**clock);
        let trace_id = trace.trace_id();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let hook = self.state.extra.span.as_ref();
        let hot = Hot::of(&request).filter(|_| origin.door.serves == Serves::Everything && !is_grpc(request.headers()));
        let make_span = || tracing::info_span!("request", trace_id, %method, path);
        // A span costs as much as parsing the body does; nobody sees that of a call about which nothing is written.
        let is_seen = hot.is_none() || hook.is_some() || LevelFilter::current() >= LevelFilter::DEBUG;
        let span = if is_seen { make_span() } else { Span::none() };
        let traceparent = hook.and_then(|hook| hook(&span, sent)).unwrap_or_else(|| trace.to_string());
        let scope = Arc::new(Scope {
            traceparent,
            peer: origin.peer,
            is_local: origin.door.is_local,
            rate_left: OnceLock::new(),
        });
        request.extensions_mut().insert(Arc::clone(&scope));
        // In a box, since what a handler keeps is large, and is moved each time that something is wrapped around it.
        let handled = AssertUnwindSafe(Box::pin(self.dispatch(request, hot, origin.door.serves))).catch_unwind();
        async {
            let (route, mut response) = handled.await.unwrap_or_else(|_| {
                let problem = Problem::new("internal", "the request failed inside").because("a handler panicked");
                (Route::UNKNOWN, problem.into_response())
            });
            if let Some(problem) = response.extensions_mut().remove::<Problem>() {
                if is_seen {
                    problem.log()
                } else {
                    make_span().in_scope(|| problem.log())
                }
                let headers = std::mem::take(response.headers_mut());
                response = problem.render(shortened(&path), &trace_id);
                merge(response.headers_mut(), headers);
            }
            self.close(&mut response, &scope, &trace_id);
            let took = clock.monotonic().saturating_sub(started);
            self.state.metrics.requests.observe(route, &method, counted(&response), took);
            response
        }
        .instrument(span)
        .await
    }

    /// Takes a request to its handler, and says which route it came by.
    async fn dispatch(&self, request: Request<Body>, hot: Option<Hot>, serves: Serves) -> (Route, Response<Body>) {
        if let Some(hot) = hot {
            return (hot.route(), hot.answer(request, &self.state).await);
        }
        let router = match serves {
            Serves::Operations => &self.operations,
            Serves::Grpc => &self.grpc,
            Serves::Everything if is_grpc(request.headers()) => &self.grpc,
            Serves::Everything => &self.rest,
        };
        let response = match router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        (response.extensions().get::<Route>().copied().unwrap_or(Route::UNKNOWN), response)
    }

    fn close(&self, response: &mut Response<Body>, scope: &Scope, trace_id: &str) {
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::try_from(trace_id) {
            headers.insert(TRACE_ID, value);
        }
        if let Some(left) = scope.rate_left.get()
            && let Ok(value) = HeaderValue::try_from(format!("\"principal\";r={left}"))
        {
            headers.entry(RATE_LIMIT).or_insert(value);
        }
        headers.entry("x-content-type-options").or_insert(HeaderValue::from_static("nosniff"));
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// As much of a path as a problem tells back.
fn shortened(path: &str) -> &str {
    path.get(..INSTANCE_BYTES_MAX).unwrap_or(path)
}

/// The status a reply is counted under: gRPC refuses with a `200` and says so elsewhere.
fn counted(response: &Response<Body>) -> StatusCode {
    match response.headers().get("grpc-status").map(HeaderValue::as_bytes) {
        None | Some(b"0") => response.status(),
        // Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss.
        Some(b"2" | b"4" | b"12" | b"13" | b"14" | b"15") => StatusCode::INTERNAL_SERVER_ERROR,
        Some(_) => StatusCode::BAD_REQUEST,
    }
}

/// Headers that the router set beside a problem, such as `Allow`, stay; the problem's own win.
fn merge(headers: &mut HeaderMap, more: HeaderMap) {
    for (name, value) in more {
        if let Some(name) = name
            && name != axum::http::header::CONTENT_LENGTH
        {
            headers.entry(name).or_insert(value);
        }
    }
}
