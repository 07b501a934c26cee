//! The gRPC interface: the same use cases as REST, under the contract of `api/proto/v1`, also for gRPC-Web.
//!
//! What holds: callers are admitted here exactly as in REST, before a message is decoded. Every stream ends when the
//! node stops, also those of the health and reflection services.
//!
//! What must never happen: a message larger than a REST body may be, or a rule that REST does not have.

mod bulk;
mod convert;
mod refusal;
mod service;
mod stopping;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as FromState};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use std::sync::Arc;
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;

use crate::options::Profile;
use crate::problem::{Problem, Result};
use crate::proto::order_v1::order_service_server::OrderServiceServer;
use crate::rest::Route;
use crate::state::{Caller, Scope, State};
use service::Orders;

pub use tonic_health::server::HealthReporter;

/// The service's name in health checks.
pub const SERVICE: &str = "order.v1.OrderService";

/// The calls that change something, which are shed under load.
const MUTATING: &[&str] = &["CreateOrder", "CancelOrder", "CreateOrders", "UpdateOrderStatus"];

const METHODS: &[Route] = &[
    Route("/order.v1.OrderService/CreateOrder"),
    Route("/order.v1.OrderService/GetOrderDetail"),
    Route("/order.v1.OrderService/GetOrders"),
    Route("/order.v1.OrderService/CancelOrder"),
    Route("/order.v1.OrderService/WatchOrders"),
    Route("/order.v1.OrderService/CreateOrders"),
    Route("/order.v1.OrderService/UpdateOrderStatus"),
    INFRASTRUCTURE,
];

/// Health and reflection.
const INFRASTRUCTURE: Route = Route("/grpc");

/// Every route under which calls are counted, with its method.
pub fn routes() -> impl Iterator<Item = (Route, &'static str)> {
    METHODS.iter().map(|route| (*route, "POST"))
}

/// The router, and what tells health watchers that the node is stopping.
pub fn router(state: &Arc<State>) -> (Router, HealthReporter) {
    let largest = state.options.body_bytes_max;
    let orders = OrderServiceServer::new(Orders::new(Arc::clone(state))).max_decoding_message_size(largest);
    let (reporter, health) = tonic_health::server::health_reporter();
    let mut routes = Routes::new(orders).add_service(health);
    if state.options.profile == Profile::Dev {
        let descriptors = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(crate::proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let v1 = descriptors().build_v1().expect("the descriptors were generated with this code");
        let v1alpha = descriptors().build_v1alpha().expect("the descriptors were generated with this code");
        routes = routes.add_service(v1).add_service(v1alpha);
    }
    let router = routes.into_axum_router();
    let admitted = router.layer(from_fn_with_state(Arc::clone(state), admit));
    (admitted.layer(GrpcWebLayer::new()), reporter)
}

/// Lets a call in, and names it for the numbers.
async fn admit(FromState(state): FromState<Arc<State>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path();
    let route = METHODS.iter().copied().find(|Route(known)| *known == path).unwrap_or(INFRASTRUCTURE);
    let is_ours = path.starts_with("/order.v1.OrderService/");
    if is_ours {
        let mutating = path.rsplit('/').next().is_some_and(|method| MUTATING.contains(&method));
        match identify(&state, &parts, mutating).await {
            Ok(caller) => parts.extensions.insert(caller),
            Err(problem) => return tagged(refusal::status(&problem).into_http(), route),
        };
    }
    let response = tagged(next.run(Request::from_parts(parts, body)).await, route);
    if is_ours {
        return response;
    }
    // Our own streams watch for the end themselves.
    response.map(|body| Body::new(stopping::Stopping::new(body, state.stop.clone())))
}

async fn identify(state: &State, parts: &Parts, mutating: bool) -> Result<Caller> {
    let scope = parts.extensions.get::<Arc<Scope>>();
    let scope = scope.ok_or_else(|| Problem::new("internal", "the request lost its scope"))?;
    state.admit(&parts.headers, &parts.uri, scope, mutating).await.map(Caller)
}

fn tagged(mut response: Response, route: Route) -> Response {
    response.extensions_mut().insert(route);
    response
}
