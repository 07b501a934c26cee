//! An order as clients see it: the same shape when it is placed, read, listed, moved and streamed.

use axum::http::HeaderValue;
use doos_domain::order::{Move, Order};
use doos_domain::payment::AttemptState;
use doos_domain::pricing::Line;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Amount, rfc3339, to_json};

/// An order with its whole history.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderView {
    #[schema(example = "24017338028589056")]
    pub order_id: String,
    #[schema(example = "42")]
    pub user_id: String,
    #[schema(example = "pending")]
    pub status: &'static str,
    /// Grows by one with each change.
    pub version: u32,
    pub total: Amount,
    /// The total as a decimal.
    #[schema(example = "199.98")]
    pub total_amount: String,
    pub items: Vec<ItemView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Oldest first.
    pub history: Vec<MoveView>,
    /// Why it was cancelled: `user`, `timeout`, `out_of_stock` or `operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<&'static str>,
    /// The carrier's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    pub payment: PaymentView,
}

/// One line of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderItem)]
pub struct ItemView {
    #[schema(example = "101")]
    pub product_id: String,
    #[schema(example = 2)]
    pub quantity: u32,
    pub unit_price: Amount,
}

/// One move of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderMove)]
pub struct MoveView {
    /// Absent for the entry that made the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'static str>,
    pub to: &'static str,
    #[schema(format = DateTime)]
    pub at: String,
    /// `customer:42`, `operator:amy`, `service:pos` or `system:timeouts`.
    pub actor: String,
    pub reason: String,
    pub version: u32,
}

/// The money of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderPayment)]
pub struct PaymentView {
    /// The last attempt to pay: `waiting`, `capturing`, `closing`, `captured` or `closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<String>,
    pub captured_minor: i64,
    /// What is back with its owner.
    pub refunded_minor: i64,
}

/// A page of orders, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderList)]
pub struct OrderListView {
    pub orders: Vec<OrderView>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// The moves of one order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderHistory)]
pub struct HistoryView {
    pub order_id: String,
    pub history: Vec<MoveView>,
}

impl OrderView {
    pub fn of(order: &Order) -> Self {
        Self {
            order_id: order.id.to_string(),
            user_id: order.user_id.to_string(),
            status: order.status.name(),
            version: order.version,
            total: order.total.into(),
            total_amount: order.total.to_string(),
            items: order.lines.iter().map(ItemView::of).collect(),
            address: order.address.clone(),
            created_at: rfc3339(order.created_at),
            updated_at: rfc3339(order.updated_at),
            history: order.history.iter().map(MoveView::of).collect(),
            cancel_reason: order.cancel_reason.map(|reason| reason.name()),
            tracking: order.tracking.clone(),
            payment: PaymentView::of(order),
        }
    }
}

impl ItemView {
    fn of(line: &Line) -> Self {
        Self { product_id: line.product_id.to_string(), quantity: line.quantity, unit_price: line.unit_price.into() }
    }
}

impl MoveView {
    fn of(entry: &Move) -> Self {
        Self {
            from: entry.from.map(|from| from.name()),
            to: entry.to.name(),
            at: rfc3339(entry.at),
            actor: entry.actor.to_string(),
            reason: entry.reason.clone(),
            version: entry.version,
        }
    }
}

impl PaymentView {
    fn of(order: &Order) -> Self {
        let attempt = order.money.attempt.as_ref();
        Self {
            state: attempt.map(|attempt| state_name(attempt.state)),
            attempt_id: attempt.map(|attempt| attempt.id.to_string()),
            captured_minor: order.money.captured_minor,
            refunded_minor: order.money.refund_settled_minor(),
        }
    }
}

impl HistoryView {
    pub fn of(order: &Order) -> Self {
        Self { order_id: order.id.to_string(), history: order.history.iter().map(MoveView::of).collect() }
    }
}

const fn state_name(state: AttemptState) -> &'static str {
    match state {
        AttemptState::Waiting => "waiting",
        AttemptState::Capturing => "capturing",
        AttemptState::Closing => "closing",
        AttemptState::Captured => "captured",
        AttemptState::Closed => "closed",
    }
}

/// The body of every answer that is about one order; also what is stored under an idempotency key.
pub fn render(order: &Order) -> String {
    to_json(&OrderView::of(order))
}

/// Strong: one version has one form.
pub fn etag(order: &Order) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", order.version)).expect("digits in quotes are visible ASCII")
}
