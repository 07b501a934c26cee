//! For the operators' console: finding orders, what an order has moved in the stock ledger, how the node is doing.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::{Response, StatusCode};
use doos_app::actions::Asked;
use doos_app::identity::UnknownNames;
use doos_domain::ids::{OrderId, ProductId};
use doos_ports::search::SearchQuery;
use std::sync::Arc;

use super::statistics::time;
use crate::payload::{Parameters, Segment};
use crate::problem::{Problem, Result};
use crate::state::{Caller, State, Traceparent};
use crate::view::comparison::ComparisonListView;
use crate::view::order::{OrderListView, OrderView};
use crate::view::product::{MovementListView, MovementView};
use crate::view::system::SystemView;
use crate::{paging, rest, view};

pub async fn search(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    parameters: Parameters,
) -> Result<Response<Body>> {
    principal.check_operator_or_demo()?;
    let user_id = match parameters.get("user_id")? {
        // Looking for somebody must not create them.
        Some(text) => Some(state.app.resolve_user(text, UnknownNames::Refuse).await?),
        None => None,
    };
    let product_id = match parameters.get("product_id")? {
        Some(text) => {
            Some(text.parse::<ProductId>().map_err(|error| Problem::new("invalid_request", error.to_string()))?)
        }
        None => None,
    };
    let names = ["q", "user_id", "product_id", "from", "to"];
    let mut asked: Vec<&str> = vec!["search"];
    for name in names {
        asked.push(parameters.get(name)?.unwrap_or_default());
    }
    let statuses = super::orders::statuses(&parameters)?;
    asked.extend(statuses.iter().map(|status| status.name()));
    let filter = paging::fingerprint(&asked);
    let typed = parameters.get("q")?.map(str::trim).filter(|text| !text.is_empty());
    let query = SearchQuery {
        text: None,
        user_id,
        product_id,
        statuses,
        from: time(&parameters, "from")?,
        to: time(&parameters, "to")?,
        before: paging::after::<OrderId>(parameters.get("page_token")?.unwrap_or_default(), filter)?,
        limit: paging::size(parameters.get("page_size")?, &state.options)?,
    };
    let page = state.app.search_orders(&principal, typed, query).await?;
    let list = OrderListView {
        orders: page.orders.iter().map(|order| OrderView::of(order)).collect(),
        next_page_token: page.next.map_or_else(String::new, |next| paging::token(&next.to_string(), filter)),
    };
    Ok(rest::json(StatusCode::OK, view::to_json(&list)))
}

pub async fn ledger(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Segment(id): Segment,
) -> Result<Response<Body>> {
    let id: OrderId = id.parse().map_err(|_| Problem::not_found("order"))?;
    let movements = state.app.order_movements(&principal, id).await?;
    let list = MovementListView {
        movements: movements.iter().map(MovementView::of).collect(),
        next_page_token: String::new(),
    };
    Ok(rest::json(StatusCode::OK, view::to_json(&list)))
}

pub async fn system(FromState(state): FromState<Arc<State>>, Caller(principal): Caller) -> Result<Response<Body>> {
    let system = state.app.system_state(&principal).await?;
    let readings = (state.extra.gauges)().await;
    let shown = SystemView::of(&system, readings, &state, principal.is_operator());
    Ok(rest::json(StatusCode::OK, view::to_json(&shown)))
}

/// Begins statistics and search anew. Doing it twice only costs the work again, so there is nothing for a key to guard.
pub async fn rebuild(
    FromState(state): FromState<Arc<State>>,
    Caller(by): Caller,
    Traceparent(trace): Traceparent,
) -> Result<Response<Body>> {
    by.check_operator()?;
    let (app, asked) = (Arc::clone(&state.app), Asked { by, trace: Some(trace) });
    state.finish(async move { app.rebuild_projections(&asked).await }).await?;
    Ok(rest::json(StatusCode::ACCEPTED, "{\"rebuilding\":true}".to_owned()))
}

/// It only reads, but all there is: in a task of its own, so that it ends and gives its place free in any case.
pub async fn compare(FromState(state): FromState<Arc<State>>, Caller(by): Caller) -> Result<Response<Body>> {
    by.check_operator()?;
    let app = Arc::clone(&state.app);
    let compared = state.finish(async move { app.compare_projections(&by).await }).await?;
    Ok(rest::json(StatusCode::OK, view::to_json(&ComparisonListView::of(&compared))))
}
