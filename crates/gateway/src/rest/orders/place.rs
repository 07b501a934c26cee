//! `POST /v1/orders`, `POST /orders`, `POST /v1/order/create`: one handler, also for the bodies of the source documents.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Response, StatusCode};
use doos_app::order::{PlaceOrder, Placed};
use doos_app::{Options as Limits, Principal};
use doos_domain::ids::ProductId;
use doos_domain::pricing::WantedLine;
use std::sync::Arc;

use crate::json::{self, Faults, Object, Value};
use crate::payload::Payload;
use crate::problem::Result;
use crate::state::{Caller, State, Traceparent};
use crate::{rest, view};

/// The body, read but not yet believed.
struct Wanted {
    /// A number or a log-in name.
    user: Option<String>,
    lines: Vec<WantedLine>,
    address: Option<String>,
    coupon: Option<String>,
}

pub async fn place(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Traceparent(trace): Traceparent,
    payload: Payload,
) -> Result<Response<Body>> {
    place_for(&state, &principal, trace, &payload).await
}

pub async fn place_for(
    state: &State,
    principal: &Principal,
    trace: String,
    payload: &Payload,
) -> Result<Response<Body>> {
    let wanted = read(&payload.body, &state.app.options)?;
    let call = prepare(state, principal, wanted, payload, trace).await?;
    let app = Arc::clone(&state.app);
    match state.finish(async move { app.place(call).await }).await? {
        Placed::Before(answer) => Ok(rest::replayed(answer)),
        Placed::Now(order, body) => {
            let body = body.unwrap_or_else(|| view::order::render(&order));
            let mut response = super::answer_of(StatusCode::CREATED, &order, body);
            let location = HeaderValue::try_from(format!("/v1/orders/{}", order.id));
            response.headers_mut().insert(LOCATION, location.expect("an order id is digits"));
            Ok(response)
        }
    }
}

async fn prepare(
    state: &State,
    principal: &Principal,
    wanted: Wanted,
    payload: &Payload,
    trace: String,
) -> Result<PlaceOrder> {
    let named = match &wanted.user {
        Some(text) => Some(state.app.resolve_user(text, state.unknown_names()).await?),
        None => None,
    };
    let user_id = principal.acting_for(named)?;
    Ok(PlaceOrder {
        user_id,
        actor: principal.actor(user_id),
        lines: wanted.lines,
        address: wanted.address,
        coupon: wanted.coupon,
        key: payload.key(user_id.to_string())?,
        trace: Some(trace),
        render: view::order::render,
    })
}

/// Whether a body is an order's; for counting what reading it costs.
pub fn reads(body: &[u8]) -> bool {
    read(body, &Limits::default()).is_ok()
}

fn read(body: &[u8], limits: &Limits) -> Result<Wanted> {
    let mut faults = Faults::default();
    let mut object = json::parse(body, &mut faults)?;
    let user = object.take("user_id").and_then(|value| user(&value, &mut faults));
    let lines =
        object.require("items", &mut faults).map(|items| lines(&items, limits, &mut faults)).unwrap_or_default();
    let address = object.take("address").and_then(|value| value.string(&mut faults)).filter(|text| !text.is_empty());
    let coupon = object.take("coupon").and_then(|value| value.string(&mut faults)).filter(|text| !text.is_empty());
    object.finish(&mut faults);
    faults.check()?;
    Ok(Wanted { user, lines, address, coupon })
}

/// The number as it was written, or the name. What it means is decided where users are known.
fn user(value: &Value<'_>, faults: &mut Faults) -> Option<String> {
    if value.is_number() { Some(value.text().to_owned()) } else { value.string(faults) }
}

fn lines(items: &Value<'_>, limits: &Limits, faults: &mut Faults) -> Vec<WantedLine> {
    let Some(items) = items.array(limits.order_lines_max, faults) else { return Vec::new() };
    if items.is_empty() {
        faults.add("#/items", "an order needs at least one line");
    }
    items.iter().filter_map(|item| line(item.object(faults)?, limits, faults)).collect()
}

fn line(mut item: Object<'_>, limits: &Limits, faults: &mut Faults) -> Option<WantedLine> {
    let product_id = item.require("product_id", faults).and_then(|value| value.id::<ProductId>(faults));
    let quantity = quantity(&mut item, limits.line_quantity_max, faults);
    let price = item.take("price").map(|value| value.decimal(faults));
    item.finish(faults);
    let seen_price = match price {
        Some(read) => Some(read?),
        None => None,
    };
    Some(WantedLine { product_id: product_id?, quantity: quantity?, seen_price })
}

/// `count` is the source documents' word for it; both may be given if they agree.
fn quantity(item: &mut Object<'_>, most: u32, faults: &mut Faults) -> Option<u32> {
    let whole = |value: &Value<'_>, faults: &mut Faults| {
        let number = value.whole(1, i64::from(most), faults)?;
        u32::try_from(number).ok()
    };
    let other = item.take("count");
    let Some(quantity) = item.take("quantity") else {
        let Some(count) = other else {
            faults.add(item.pointer_to("quantity"), "is missing");
            return None;
        };
        return whole(&count, faults);
    };
    let read = whole(&quantity, faults)?;
    match other {
        Some(count) if whole(&count, faults)? != read => {
            faults.add(&count.pointer, "differs from `quantity`; give one of them");
            None
        }
        _ => Some(read),
    }
}
