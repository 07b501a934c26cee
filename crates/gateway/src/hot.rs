//! Doors for counting: the functions of this crate that each order pays for, called by nobody but the runner of
//! `scripts/instructions.sh`.
//!
//! What must never happen here: anything but a call of the function that really runs.

use doos_domain::order::Order;

use crate::{rest, view};

/// Whether a body is an order's, read as `POST /v1/orders` reads it.
pub fn reads_place_body(body: &[u8]) -> bool {
    rest::orders::reads(body)
}

/// The body of the answer.
pub fn render_order(order: &Order) -> String {
    view::order::render(order)
}
