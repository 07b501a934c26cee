//! Orders over REST: place, read, list, move.

mod place;
mod read;
mod steer;

pub use place::{place, place_for, reads};
pub use read::{history, list, list_for, read, read_for, statuses};
pub use steer::steer;

use axum::body::Body;
use axum::http::header::ETAG;
use axum::http::{Response, StatusCode};
use doos_domain::ids::OrderId;
use doos_domain::order::Order;

use crate::problem::{Problem, Result};
use crate::{rest, view};

/// Where orders are placed and listed, and the route of one of them.
pub const ALL: &str = "/v1/orders";
pub const ONE: &str = "/v1/orders/{order_id}";

/// An id that cannot be one is that of an order that does not exist.
fn order_id(text: &str) -> Result<OrderId> {
    text.parse().map_err(|_| Problem::not_found("order"))
}

/// One order as the answer.
fn answer(status: StatusCode, order: &Order) -> Response<Body> {
    answer_of(status, order, view::order::render(order))
}

/// The same with the order's body at hand.
fn answer_of(status: StatusCode, order: &Order, body: String) -> Response<Body> {
    let mut response = rest::json(status, body);
    response.headers_mut().insert(ETAG, view::order::etag(order));
    response
}
