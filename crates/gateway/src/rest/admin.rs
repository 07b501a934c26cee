//! For operators: an order's messages, the audit of the books and their repair, the log of actions.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::{Response, StatusCode};
use doos_app::actions::{Asked, Plan};
use doos_domain::action::Deed;
use doos_domain::ids::{ActionId, OrderId};
use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use crate::extra::RepairCall;
use crate::json::{self, Faults};
use crate::payload::{Parameters, Payload, Segment};
use crate::problem::{Problem, Result};
use crate::state::{Caller, State, Traceparent};
use crate::view::actions::{ActionListView, ActionView};
use crate::view::operations::{MessageListView, MessageView};
use crate::{paging, rest, view};

pub async fn messages(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Segment(id): Segment,
) -> Result<Response<Body>> {
    let id: OrderId = id.parse().map_err(|_| Problem::not_found("order"))?;
    let messages = state.app.order_messages(&principal, id).await?;
    let shown = messages.iter().map(|(message, state)| MessageView::of(message, Some(*state))).collect();
    Ok(rest::json(StatusCode::OK, view::to_json(&MessageListView { messages: shown })))
}

struct Before(ActionId);

impl FromStr for Before {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(ActionId::from_text(text)))
    }
}

pub async fn actions(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    parameters: Parameters,
) -> Result<Response<Body>> {
    let size = paging::size(parameters.get("page_size")?, &state.options)?;
    let filter = paging::fingerprint(&["actions"]);
    let before = paging::after::<Before>(parameters.get("page_token")?.unwrap_or_default(), filter)?;
    // One more than shown tells whether there is a next page.
    let mut actions = state.app.actions(&principal, before.as_ref().map(|Before(id)| id), size + 1).await?;
    let has_more = actions.len() > size;
    actions.truncate(size);
    let last = actions.last().filter(|_| has_more);
    let list = ActionListView {
        next_page_token: last.map_or_else(String::new, |last| paging::token(last.id.as_str(), filter)),
        actions: actions.into_iter().map(ActionView::of).collect(),
    };
    Ok(rest::json(StatusCode::OK, view::to_json(&list)))
}

pub async fn audit(FromState(state): FromState<Arc<State>>, Caller(principal): Caller) -> Result<Response<Body>> {
    principal.check_operator()?;
    let report = (state.extra.audit)().await;
    let report = report.map_err(|cause| Problem::from(doos_app::Error::Unavailable { cause }))?;
    Ok(rest::json(StatusCode::OK, view::to_json(&report)))
}

/// A dry run unless `confirm` is true. A repair that is done twice finds nothing the second time, so there is nothing
/// for an idempotency key to guard.
pub async fn repair(
    FromState(state): FromState<Arc<State>>,
    Caller(by): Caller,
    Traceparent(trace): Traceparent,
    payload: Payload,
) -> Result<Response<Body>> {
    by.check_operator()?;
    let confirm = read_confirm(&payload.body)?;
    let call = RepairCall { actor: by.scope(), confirm };
    let (app, asked, hook) =
        (Arc::clone(&state.app), Asked { by, trace: Some(trace) }, Arc::clone(&state.extra.repair));
    let work = async move {
        let repairing = async { hook(call).await.map_err(|cause| doos_app::Error::Unavailable { cause }) };
        if confirm { app.recorded(&asked, Plan::new(Deed::RepairBooks, ""), repairing).await } else { repairing.await }
    };
    let repaired = state.finish(work).await?;
    Ok(rest::json(StatusCode::OK, view::to_json(&repaired)))
}

fn read_confirm(body: &[u8]) -> Result<bool> {
    if body.is_empty() {
        return Ok(false);
    }
    let mut faults = Faults::default();
    let mut object = json::parse(body, &mut faults)?;
    let confirm = object.take("confirm").and_then(|value| value.boolean(&mut faults));
    object.finish(&mut faults);
    faults.check()?;
    Ok(confirm.unwrap_or(false))
}
