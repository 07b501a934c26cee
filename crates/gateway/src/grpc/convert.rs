//! Between the messages of the contract and the domain. What cannot be said in a message is refused like in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use doos_app::App;
use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::money::Money;
use doos_domain::order::{Move, Order, Status};
use doos_domain::pricing::WantedLine;
use prost::Message as _;

use crate::problem::{FieldError, Problem, Result};
use crate::proto::order_v1 as pb;

/// The order without its history.
pub fn order(order: &Order) -> pb::Order {
    let line = |line: &doos_domain::pricing::Line| pb::OrderLine {
        product_id: signed(line.product_id.get()),
        count: i32::try_from(line.quantity).unwrap_or(i32::MAX),
        unit_price_minor: line.unit_price.amount_minor,
    };
    pb::Order {
        id: signed(order.id.get()),
        user_id: signed(order.user_id.get()),
        status: order.status.name().to_owned(),
        version: i64::from(order.version),
        total_minor: order.total.amount_minor,
        currency: order.total.currency.code().to_owned(),
        lines: order.lines.iter().map(line).collect(),
        address: order.address.clone().unwrap_or_default(),
        created_at_ms: order.created_at.as_millis(),
        updated_at_ms: order.updated_at.as_millis(),
        history: Vec::new(),
        cancel_reason: order.cancel_reason.map(|reason| reason.name().to_owned()).unwrap_or_default(),
    }
}

pub fn order_with_history(it: &Order) -> pb::Order {
    let entry = |entry: &Move| pb::HistoryEntry {
        version: i64::from(entry.version),
        from_status: entry.from.map(|from| from.name().to_owned()).unwrap_or_default(),
        to_status: entry.to.name().to_owned(),
        at_ms: entry.at.as_millis(),
        actor: entry.actor.to_string(),
        reason: entry.reason.clone(),
    };
    pb::Order { history: it.history.iter().map(entry).collect(), ..order(it) }
}

/// What is stored under an idempotency key: the message itself, so that a repeat gets the same bytes.
pub fn stored(it: &Order) -> String {
    STANDARD_NO_PAD.encode(order(it).encode_to_vec())
}

pub fn from_stored(body: &str) -> Result<pb::Order> {
    let unreadable = |cause: String| Problem::new("internal", "the stored answer cannot be read").because(cause);
    let bytes = STANDARD_NO_PAD.decode(body).map_err(|error| unreadable(error.to_string()))?;
    pb::Order::decode(bytes.as_slice()).map_err(|error| unreadable(error.to_string()))
}

pub fn created(order: pb::Order) -> pb::CreateOrderResponse {
    pb::CreateOrderResponse { order_id: order.id, status: order.status.clone(), order: Some(order) }
}

/// The lines of a new order. Their prices are compared in the catalogue's currency.
pub fn lines(items: &[pb::OrderItem], app: &App) -> Result<Vec<WantedLine>> {
    let most = app.options.order_lines_max;
    if items.is_empty() || items.len() > most {
        return Err(Problem::invalid_at("#/items", format!("an order has 1 to {most} lines")));
    }
    let mut faults = Vec::new();
    let mut lines = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let mut fault = |field: &str, detail: String| {
            faults.push(FieldError { pointer: format!("#/items/{index}/{field}"), detail });
        };
        let product_id = u64::try_from(item.product_id).ok().and_then(ProductId::new);
        let most = app.options.line_quantity_max;
        let quantity = u32::try_from(item.count).ok().filter(|count| (1..=most).contains(count));
        match (product_id, quantity) {
            (None, _) => fault("product_id", "expected a number from 1 to 9223372036854775807".to_owned()),
            (_, None) => fault("count", format!("expected a number from 1 to {most}")),
            (Some(product_id), Some(quantity)) => {
                let seen_price = item.unit_price_minor.map(|minor| decimal(app, product_id, minor));
                lines.push(WantedLine { product_id, quantity, seen_price });
            }
        }
    }
    if faults.is_empty() { Ok(lines) } else { Err(Problem::invalid(faults)) }
}

/// A product nobody knows is refused as such, whatever its price.
fn decimal(app: &App, product_id: ProductId, minor: i64) -> String {
    let product = app.catalog.find(product_id);
    product.map_or_else(|| minor.to_string(), |product| Money::new(minor, product.price.currency).to_string())
}

/// Zero is the absence of a user.
pub fn user(number: i64) -> Result<Option<UserId>> {
    if number == 0 {
        return Ok(None);
    }
    let user = u64::try_from(number).ok().and_then(UserId::new);
    user.map(Some).ok_or_else(|| {
        let detail = "a user_id is a whole number from 1 to 9223372036854775807";
        doos_app::Error::InvalidUser(detail.to_owned()).into()
    })
}

pub fn order_id(number: i64) -> Result<OrderId> {
    u64::try_from(number).ok().and_then(OrderId::new).ok_or_else(|| Problem::not_found("order"))
}

pub fn status(name: &str) -> Result<Status> {
    Status::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Status::ALL.iter().map(|status| status.name()).collect();
        Problem::invalid_at("#/status", format!("a status is one of {}", names.join(", ")))
    })
}

pub fn text(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

/// Ids fit a signed 64-bit number by construction.
fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
