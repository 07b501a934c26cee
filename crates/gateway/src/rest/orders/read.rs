//! One order by its id, its history, and pages of orders.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, Response, StatusCode};
use doos_app::Principal;
use doos_domain::order::Status;
use std::sync::Arc;

use crate::payload::{Parameters, Segment};
use crate::problem::{Problem, Result};
use crate::state::{Caller, State};
use crate::view::order::{HistoryView, OrderListView, OrderView};
use crate::{negotiate, paging, rest, view};

pub async fn read(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    rest::refuse_to_read_a_move(&id, super::steer::MOVES)?;
    read_for(&state, &principal, &id, &headers).await
}

pub async fn read_for(state: &State, principal: &Principal, id: &str, headers: &HeaderMap) -> Result<Response<Body>> {
    let order = state.app.read_order(principal, super::order_id(id)?).await?;
    let etag = view::order::etag(&order);
    if !negotiate::has_already(headers, &etag) {
        return Ok(super::answer(StatusCode::OK, &order));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(ETAG, etag);
    Ok(response)
}

pub async fn history(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Segment(id): Segment,
) -> Result<Response<Body>> {
    let order = state.app.read_order(&principal, super::order_id(&id)?).await?;
    Ok(rest::json(StatusCode::OK, view::to_json(&HistoryView::of(&order))))
}

pub async fn list(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    parameters: Parameters,
) -> Result<Response<Body>> {
    list_for(&state, &principal, &parameters).await
}

pub async fn list_for(state: &State, principal: &Principal, parameters: &Parameters) -> Result<Response<Body>> {
    let statuses = statuses(parameters)?;
    let size = paging::size(parameters.get("page_size")?, &state.options)?;
    let user_id = match parameters.get("user_id")? {
        Some(text) => Some(state.app.resolve_user(text, state.unknown_names()).await?),
        None => None,
    };
    let of_user = user_id.map_or_else(String::new, |user| user.to_string());
    let of_statuses: Vec<&str> = statuses.iter().map(|status| status.name()).collect();
    let filter = paging::fingerprint(&["orders", &of_user, &of_statuses.join(",")]);
    let before = paging::after(parameters.get("page_token")?.unwrap_or_default(), filter)?;
    let page = state.app.list_orders(principal, user_id, statuses, before, size).await?;
    let list = OrderListView {
        orders: page.orders.iter().map(|order| OrderView::of(order)).collect(),
        next_page_token: page.next.map_or_else(String::new, |next| paging::token(&next.to_string(), filter)),
    };
    Ok(rest::json(StatusCode::OK, view::to_json(&list)))
}

/// States by name, repeated or separated by commas, each once and in a fixed order.
pub fn statuses(parameters: &Parameters) -> Result<Vec<Status>> {
    let mut found = Vec::new();
    for name in parameters.all("status").flat_map(|value| value.split(',')).map(str::trim) {
        let known = Status::from_name(name).ok_or_else(|| {
            let names: Vec<&str> = Status::ALL.iter().map(|status| status.name()).collect();
            Problem::new("invalid_request", format!("a status is one of {}", names.join(", ")))
        });
        found.push(known?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
