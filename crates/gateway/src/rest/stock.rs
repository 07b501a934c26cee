//! Stock: levels for everybody, deliveries, losses and the ledger for the back office.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::{Response, StatusCode};
use doos_app::actions::Asked;
use doos_app::stock::{Adjusted, Adjustment};
use std::sync::Arc;

use super::products::product_id;
use crate::json::{self, Faults};
use crate::payload::{Parameters, Payload, Segment};
use crate::problem::{Problem, Result};
use crate::state::{Caller, State, Traceparent};
use crate::view::product::{MovementListView, MovementView, StockView, render_stock};
use crate::{paging, rest, view};

const MOVES: &[&str] = &["receive", "write-off"];
const QUANTITY_MAX: i64 = 1_000_000_000;
const REFERENCE_CHARS_MAX: usize = 100;

pub async fn read(
    FromState(state): FromState<Arc<State>>,
    Caller(_): Caller,
    Segment(id): Segment,
) -> Result<Response<Body>> {
    rest::refuse_to_read_a_move(&id, MOVES)?;
    let id = product_id(&id)?;
    let level = state.app.stock_level(id).await?;
    Ok(rest::json(StatusCode::OK, view::to_json(&StockView::of(id, &level))))
}

pub async fn movements(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Segment(id): Segment,
    parameters: Parameters,
) -> Result<Response<Body>> {
    let size = paging::size(parameters.get("page_size")?, &state.options)?;
    let filter = paging::fingerprint(&["movements", &id]);
    let before = paging::after::<u64>(parameters.get("page_token")?.unwrap_or_default(), filter)?;
    let page = state.app.stock_movements(&principal, product_id(&id)?, before, size).await?;
    let list = MovementListView {
        movements: page.movements.iter().map(MovementView::of).collect(),
        next_page_token: page.next.map_or_else(String::new, |next| paging::token(&next.to_string(), filter)),
    };
    Ok(rest::json(StatusCode::OK, view::to_json(&list)))
}

pub async fn adjust(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Traceparent(trace): Traceparent,
    Segment(target): Segment,
    payload: Payload,
) -> Result<Response<Body>> {
    let (id, verb) = rest::split_verb(&target).ok_or_else(|| rest::allowed_is(rest::READABLE))?;
    let id = product_id(id)?;
    let adjust: fn(u32) -> Adjustment = match verb {
        "receive" => |quantity| Adjustment::Receive { quantity },
        "write-off" => |quantity| Adjustment::WriteOff { quantity },
        _ => return Err(Problem::new("not_found", "stock knows the moves receive and write-off")),
    };
    principal.check_back_office()?;
    let (quantity, reference) = read_body(&payload.body)?;
    let key = payload.key(principal.scope())?;
    let app = Arc::clone(&state.app);
    let asked = Asked { by: principal, trace: Some(trace) };
    let booking = async move { app.adjust_stock(&asked, id, adjust(quantity), reference, key, render_stock).await };
    match state.finish(booking).await? {
        Adjusted::Before(answer) => Ok(rest::replayed(answer)),
        Adjusted::Now(level) => Ok(rest::json(StatusCode::OK, render_stock(id, &level))),
    }
}

fn read_body(body: &[u8]) -> Result<(u32, Option<String>)> {
    let mut faults = Faults::default();
    let mut object = json::parse(body, &mut faults)?;
    let quantity = object.require("quantity", &mut faults).and_then(|value| value.whole(1, QUANTITY_MAX, &mut faults));
    let reference = object.take("reference").and_then(|value| {
        let text = value.string(&mut faults)?;
        let fits = (1..=REFERENCE_CHARS_MAX).contains(&text.chars().count());
        if !fits || text.chars().any(char::is_control) {
            faults.add(&value.pointer, format!("expected 1 to {REFERENCE_CHARS_MAX} visible characters"));
        }
        Some(text)
    });
    object.finish(&mut faults);
    faults.check()?;
    let quantity = quantity.and_then(|quantity| u32::try_from(quantity).ok());
    let quantity = quantity.ok_or_else(|| Problem::invalid_at("#/quantity", "is missing"))?;
    Ok((quantity, reference))
}
