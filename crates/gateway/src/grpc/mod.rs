//! The gRPC interface.
use crate::rest::Route;
use crate::state::State;
use std::sync::Arc;
pub fn routes() -> impl Iterator<Item = Route> {
    [].into_iter()
}
pub fn router(_state: &Arc<State>) -> axum::Router {
    axum::Router::new()
}
