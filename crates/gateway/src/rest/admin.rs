//! For operators: an order's messages, dead letters, the audit of the books.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::{Response, StatusCode};
use doos_domain::ids::{MessageId, OrderId};
use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use crate::payload::{Parameters, Segment};
use crate::problem::{Problem, Result};
use crate::state::{Caller, State};
use crate::view::operations::{DeadLetterListView, DeadLetterView, MessageListView, MessageView};
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

/// What can be done to a dead letter.
const MOVES: &[&str] = &["replay", "discard"];

struct After(MessageId);

impl FromStr for After {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(MessageId::from_text(text)))
    }
}

pub async fn dead_letters(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    parameters: Parameters,
) -> Result<Response<Body>> {
    let size = paging::size(parameters.get("page_size")?, &state.options)?;
    let filter = paging::fingerprint(&["dead-letters"]);
    let after = paging::after::<After>(parameters.get("page_token")?.unwrap_or_default(), filter)?;
    // One more than shown tells whether there is a next page.
    let mut letters = state.app.dead_letters(&principal, after.map(|After(id)| id), size + 1).await?;
    let has_more = letters.len() > size;
    letters.truncate(size);
    let last = letters.last().filter(|_| has_more);
    let list = DeadLetterListView {
        next_page_token: last.map_or_else(String::new, |last| paging::token(last.message.id.as_str(), filter)),
        dead_letters: letters.iter().map(DeadLetterView::of).collect(),
    };
    Ok(rest::json(StatusCode::OK, view::to_json(&list)))
}

pub async fn dead_letter(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Segment(id): Segment,
) -> Result<Response<Body>> {
    rest::refuse_to_read_a_move(&id, MOVES)?;
    let letter = state.app.dead_letter(&principal, &MessageId::from_text(id)).await?;
    Ok(rest::json(StatusCode::OK, view::to_json(&DeadLetterView::of(&letter))))
}

/// `:replay` and `:discard`. Doing either twice finds the letter gone, so there is nothing for a key to guard.
pub async fn settle_dead_letter(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Segment(target): Segment,
) -> Result<Response<Body>> {
    principal.check_operator()?;
    let (id, verb) = rest::split_verb(&target).ok_or_else(|| rest::allowed_is(rest::READABLE))?;
    let id = MessageId::from_text(id);
    let app = Arc::clone(&state.app);
    let letter = match verb {
        "replay" => state.finish(async move { app.replay_dead_letter(&principal, &id).await }).await?,
        "discard" => state.finish(async move { app.discard_dead_letter(&principal, &id).await }).await?,
        _ => return Err(Problem::new("not_found", "a dead letter knows the moves replay and discard")),
    };
    Ok(rest::json(StatusCode::OK, view::to_json(&DeadLetterView::of(&letter))))
}

pub async fn audit(FromState(state): FromState<Arc<State>>, Caller(principal): Caller) -> Result<Response<Body>> {
    principal.check_operator()?;
    let report = (state.extra.audit)().await;
    let report = report.map_err(|cause| Problem::from(doos_app::Error::Unavailable { cause }))?;
    Ok(rest::json(StatusCode::OK, report.to_string()))
}
