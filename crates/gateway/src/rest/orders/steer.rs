//! `POST /v1/orders/{id}:cancel`, `:pay`, `:ship`, `:deliver`, `:return`.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Response, StatusCode};
use doos_app::order::{Moved, Steer, Verb};
use std::sync::Arc;

use crate::json::{self, Faults};
use crate::payload::{Payload, Segment};
use crate::problem::{Problem, Result};
use crate::state::{Caller, State, Traceparent};
use crate::{rest, view};

/// The moves by name, as they stand behind the colon.
pub const MOVES: &[&str] = &["cancel", "pay", "ship", "deliver", "return"];
const TRACKING_CHARS_MAX: usize = 100;

pub async fn steer(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Traceparent(trace): Traceparent,
    Segment(target): Segment,
    payload: Payload,
) -> Result<Response<Body>> {
    let (id, verb) = rest::split_verb(&target).ok_or_else(|| rest::allowed_is(rest::READABLE))?;
    let order_id = super::order_id(id)?;
    let verb = read(verb, &payload.body)?;
    let key = payload.key(principal.scope())?;
    let call = Steer { principal, order_id, verb, key, trace: Some(trace), render: view::order::render };
    let app = Arc::clone(&state.app);
    match state.finish(async move { app.steer(call).await }).await? {
        Moved::Before(answer) => Ok(rest::replayed(answer)),
        Moved::Now { order, settled: true } => Ok(super::answer(StatusCode::OK, &order)),
        Moved::Now { order, settled: false } => {
            let mut response = super::answer(StatusCode::ACCEPTED, &order);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            Ok(response)
        }
    }
}

/// The verb with what its body says; only shipping by hand has something to say.
fn read(verb: &str, body: &[u8]) -> Result<Verb> {
    let mut tracking = None;
    if !body.is_empty() {
        let mut faults = Faults::default();
        let mut object = json::parse(body, &mut faults)?;
        if verb == "ship" {
            tracking = object.take("tracking").and_then(|value| {
                let text = value.string(&mut faults)?;
                let fits = (1..=TRACKING_CHARS_MAX).contains(&text.chars().count());
                if !fits || text.chars().any(char::is_control) {
                    faults.add(&value.pointer, format!("expected 1 to {TRACKING_CHARS_MAX} visible characters"));
                }
                Some(text)
            });
        }
        object.finish(&mut faults);
        faults.check()?;
    }
    match verb {
        "cancel" => Ok(Verb::Cancel),
        "pay" => Ok(Verb::Pay),
        "ship" => Ok(Verb::Ship { tracking }),
        "deliver" => Ok(Verb::Deliver),
        "return" => Ok(Verb::Return),
        _ => Err(Problem::new("not_found", "an order knows the moves cancel, pay, ship, deliver and return")),
    }
}
