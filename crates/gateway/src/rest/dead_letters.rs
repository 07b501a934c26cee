//! Dead letters: read them, put them back in line or give them up, one by one or many in one call.
//!
//! Doing either twice finds the letter gone, so there is nothing for an idempotency key to guard.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::{Response, StatusCode};
use doos_app::actions::Asked;
use doos_app::dead_letters::{LETTERS_MAX, Settling};
use doos_domain::ids::MessageId;
use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use crate::json::{self, Faults};
use crate::payload::{Parameters, Payload, Segment};
use crate::problem::{Problem, Result};
use crate::state::{Caller, State, Traceparent};
use crate::view::operations::{DeadLetterListView, DeadLetterView, SettledLetterListView, SettledLetterView};
use crate::{paging, rest, view};

const MOVES: &[&str] = &["replay", "discard"];

struct After(MessageId);

impl FromStr for After {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(MessageId::from_text(text)))
    }
}

pub async fn list(
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

pub async fn read(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Segment(id): Segment,
) -> Result<Response<Body>> {
    rest::refuse_to_read_a_move(&id, MOVES)?;
    let letter = state.app.dead_letter(&principal, &MessageId::from_text(id)).await?;
    Ok(rest::json(StatusCode::OK, view::to_json(&DeadLetterView::of(&letter))))
}

/// `ID:replay` and `ID:discard`.
pub async fn settle(
    FromState(state): FromState<Arc<State>>,
    Caller(by): Caller,
    Traceparent(trace): Traceparent,
    Segment(target): Segment,
) -> Result<Response<Body>> {
    by.check_operator()?;
    let (id, verb) = rest::split_verb(&target).ok_or_else(|| rest::allowed_is(rest::READABLE))?;
    let how = match verb {
        "replay" => Settling::Replay,
        "discard" => Settling::Discard,
        _ => return Err(Problem::new("not_found", "a dead letter knows the moves replay and discard")),
    };
    let (id, app, asked) = (MessageId::from_text(id), Arc::clone(&state.app), Asked { by, trace: Some(trace) });
    let letter = state.finish(async move { app.settle_dead_letter(&asked, &id, how).await }).await?;
    Ok(rest::json(StatusCode::OK, view::to_json(&DeadLetterView::of(&letter))))
}

pub async fn replay_many(
    state: FromState<Arc<State>>,
    caller: Caller,
    trace: Traceparent,
    payload: Payload,
) -> Result<Response<Body>> {
    settle_many(state, caller, trace, payload, Settling::Replay).await
}

pub async fn discard_many(
    state: FromState<Arc<State>>,
    caller: Caller,
    trace: Traceparent,
    payload: Payload,
) -> Result<Response<Body>> {
    settle_many(state, caller, trace, payload, Settling::Discard).await
}

async fn settle_many(
    FromState(state): FromState<Arc<State>>,
    Caller(by): Caller,
    Traceparent(trace): Traceparent,
    payload: Payload,
    how: Settling,
) -> Result<Response<Body>> {
    by.check_operator()?;
    let ids = read_ids(&payload.body)?;
    let (app, asked) = (Arc::clone(&state.app), Asked { by, trace: Some(trace) });
    let settled = state.finish(async move { app.settle_dead_letters(&asked, ids, how).await }).await?;
    let results = settled.into_iter().map(|(id, letter)| SettledLetterView::of(&id, letter.err().as_ref())).collect();
    Ok(rest::json(StatusCode::OK, view::to_json(&SettledLetterListView { results })))
}

fn read_ids(body: &[u8]) -> Result<Vec<MessageId>> {
    let mut faults = Faults::default();
    let mut object = json::parse(body, &mut faults)?;
    let listed = object.require("ids", &mut faults);
    let pointer = object.pointer_to("ids");
    let values = listed.and_then(|value| value.array(LETTERS_MAX, &mut faults));
    if values.as_ref().is_some_and(Vec::is_empty) {
        faults.add(&pointer, "names no dead letter");
    }
    let texts = values.into_iter().flatten().filter_map(|value| value.string(&mut faults));
    let ids = texts.map(MessageId::from_text).collect();
    object.finish(&mut faults);
    faults.check()?;
    Ok(ids)
}
