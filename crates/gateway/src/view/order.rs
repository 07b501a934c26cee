//! An order as clients see it: the same shape when it is placed, read, listed, moved and streamed.

use axum::http::HeaderValue;
use doos_domain::actor::Actor;
use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::money::Money;
use doos_domain::order::{Move, Order};
use doos_domain::payment::AttemptState;
use doos_domain::pricing::Line;
use doos_domain::time::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::time::as_time;
use super::{Amount, to_json};

/// An order with its whole history.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderView<'a> {
    #[schema(value_type = String, example = "24017338028589056")]
    pub order_id: OrderId,
    #[schema(value_type = String, example = "42")]
    pub user_id: UserId,
    #[schema(example = "pending")]
    pub status: &'static str,
    /// Grows by one with each change.
    pub version: u32,
    pub total: Amount,
    /// The total as a decimal.
    #[serde(serialize_with = "as_decimal")]
    #[schema(value_type = String, example = "199.98")]
    pub total_amount: Money,
    pub items: Vec<ItemView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<&'a str>,
    #[serde(serialize_with = "as_time")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[serde(serialize_with = "as_time")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Oldest first.
    pub history: Vec<MoveView<'a>>,
    /// Why it was cancelled: `user`, `timeout`, `out_of_stock` or `operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<&'static str>,
    /// The carrier's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<&'a str>,
    pub payment: PaymentView,
}

/// One line of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderItem)]
pub struct ItemView {
    #[schema(value_type = String, example = "101")]
    pub product_id: ProductId,
    #[schema(example = 2)]
    pub quantity: u32,
    pub unit_price: Amount,
}

/// One move of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderMove)]
pub struct MoveView<'a> {
    /// Absent for the entry that made the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'static str>,
    pub to: &'static str,
    #[serde(serialize_with = "as_time")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `customer:42`, `operator:amy`, `service:pos` or `system:timeouts`.
    #[schema(value_type = String)]
    pub actor: &'a Actor,
    pub reason: &'a str,
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
pub struct OrderListView<'a> {
    pub orders: Vec<OrderView<'a>>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// The moves of one order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderHistory)]
pub struct HistoryView<'a> {
    #[schema(value_type = String)]
    pub order_id: OrderId,
    pub history: Vec<MoveView<'a>>,
}

impl<'a> OrderView<'a> {
    pub fn of(order: &'a Order) -> Self {
        Self {
            order_id: order.id,
            user_id: order.user_id,
            status: order.status.name(),
            version: order.version,
            total: order.total.into(),
            total_amount: order.total,
            items: order.lines.iter().map(ItemView::of).collect(),
            address: order.address.as_deref(),
            created_at: order.created_at,
            updated_at: order.updated_at,
            history: order.history.iter().map(MoveView::of).collect(),
            cancel_reason: order.cancel_reason.map(|reason| reason.name()),
            tracking: order.tracking.as_deref(),
            payment: PaymentView::of(order),
        }
    }
}

impl ItemView {
    fn of(line: &Line) -> Self {
        Self { product_id: line.product_id, quantity: line.quantity, unit_price: line.unit_price.into() }
    }
}

impl<'a> MoveView<'a> {
    fn of(entry: &'a Move) -> Self {
        Self {
            from: entry.from.map(|from| from.name()),
            to: entry.to.name(),
            at: entry.at,
            actor: &entry.actor,
            reason: &entry.reason,
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

impl<'a> HistoryView<'a> {
    pub fn of(order: &'a Order) -> Self {
        Self { order_id: order.id, history: order.history.iter().map(MoveView::of).collect() }
    }
}

fn as_decimal<S: Serializer>(amount: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
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
