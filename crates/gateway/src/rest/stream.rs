//! `GET /v1/stream`: orders as they change, over Server-Sent Events or a WebSocket.
//!
//! What holds: an event carries the whole order and, as its id, the token to resume after, at any node (`Last-Event-ID` or
//! `?after=`). Delivery is at least once, in version order per order. A stream that cannot keep up is closed and told
//! where to resume; one of a node that stops likewise. Streams over everything also carry the counters.
//!
//! What must never happen: a stream that outlives the drain, or one more than allowed.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, Response};
use bytes::Bytes;
use doos_app::Principal;
use doos_app::counters::Counters;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

use crate::live::{Audience, Listener};
use crate::metrics::Opened;
use crate::payload::Parameters;
use crate::problem::{Problem, Result};
use crate::state::{Caller, State};
use crate::view;

const LAST_EVENT_ID: &str = "last-event-id";
/// Clients have nothing to say here.
const HEARD_BYTES_MAX: usize = 4 << 10;
/// No more fits into the frame that closes a WebSocket.
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// What a stream sends.
enum Event {
    Order {
        token: String,
        json: String,
    },
    Counters(String),
    Ping,
    /// The last one: why, and after what to resume.
    Closed {
        reason: &'static str,
        after: Option<String>,
    },
}

/// One open stream.
struct Feed {
    state: Arc<State>,
    listener: Listener,
    counters: Option<tokio::time::Interval>,
    ping: tokio::time::Interval,
    _open: Opened,
}

impl Feed {
    /// The next thing to send; nothing comes after `Closed`. Dropping the future loses nothing.
    async fn next(&mut self) -> Event {
        let counters = async {
            match &mut self.counters {
                Some(interval) => interval.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.state.stop.cancelled() => self.closed("stopping"),
            changed = self.listener.next() => match changed {
                Ok(Some(changed)) => Event::Order {
                    token: self.state.hub.token(changed.position),
                    json: view::order::render(&changed.order),
                },
                Ok(None) => self.closed("overrun"),
                Err(error) => {
                    tracing::warn!(%error, "a live stream could not read the change feed");
                    self.closed("unavailable")
                }
            },
            _ = counters => Event::Counters(counters_json(&self.state.app.counters)),
            _ = self.ping.tick() => Event::Ping,
        }
    }

    fn closed(&self, reason: &'static str) -> Event {
        Event::Closed { reason, after: self.listener.resume_after().map(|after| self.state.hub.token(after)) }
    }
}

pub async fn stream(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    parameters: Parameters,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response<Body>> {
    let audience = audience(&state, &principal, parameters.get("user_id")?).await?;
    let sent = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let asked = parameters.get("after")?;
    let after = match sent.or(asked).filter(|text| !text.is_empty()) {
        Some(token) => Some(state.hub.resume(token).await?),
        None => None,
    };
    let feed = open(&state, audience, after).await?;
    if !headers.contains_key(UPGRADE) {
        return Ok(server_sent(feed));
    }
    let upgrade = upgrade.map_err(|refused| {
        Problem::new("invalid_request", "this is no WebSocket handshake").because(refused.to_string())
    })?;
    let upgrade = upgrade.max_message_size(HEARD_BYTES_MAX).max_frame_size(HEARD_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        // The upgraded connection has a task of its own; the drain waits for it too.
        let _running = feed.state.tasks.token();
        talk(socket, feed).await;
    }))
}

async fn audience(state: &State, principal: &Principal, named: Option<&str>) -> Result<Audience> {
    let named = match named {
        Some(text) => Some(state.app.resolve_user(text, state.unknown_names()).await?),
        None => None,
    };
    match (principal, named) {
        (Principal::Customer(_), named) => Ok(Audience::User(principal.acting_for(named)?)),
        (_, Some(user)) => Ok(Audience::User(user)),
        (_, None) => Ok(Audience::Everybody),
    }
}

/// One stream more, whatever protocol it speaks.
pub fn enter(state: &State) -> Result<Opened> {
    let open = state.metrics.streams.try_enter(state.options.streams_max);
    open.ok_or_else(|| {
        Problem::new("stream_limit", "too many live streams are open; come back in a moment").retry_after(5)
    })
}

async fn open(state: &Arc<State>, audience: Audience, after: Option<doos_ports::bus::Position>) -> Result<Feed> {
    let options = &state.options;
    let open = enter(state)?;
    let listener = state.hub.listen(audience, after).await?;
    let every = |every_ms: u64| {
        let mut interval = tokio::time::interval(Duration::from_millis(every_ms));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        interval
    };
    let counters = (audience == Audience::Everybody).then(|| every(options.stream_counters_every_ms));
    Ok(Feed { state: Arc::clone(state), listener, counters, ping: every(options.stream_ping_every_ms), _open: open })
}

// --- Server-Sent Events

fn server_sent(feed: Feed) -> Response<Body> {
    let frames = futures::stream::unfold(Some(feed), |feed| async {
        let mut feed = feed?;
        let event = feed.next().await;
        let goes_on = !matches!(event, Event::Closed { .. });
        Some((Ok::<Bytes, std::convert::Infallible>(frame(&event)), goes_on.then_some(feed)))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that buffer would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn frame(event: &Event) -> Bytes {
    let text = match event {
        Event::Order { token, json } => format!("id: {token}\nevent: order\ndata: {json}\n\n"),
        Event::Counters(json) => format!("event: counters\ndata: {json}\n\n"),
        Event::Ping => ": ping\n\n".to_owned(),
        Event::Closed { reason, after } => {
            // The id makes browsers resume there by themselves.
            let id = after.as_ref().map_or_else(String::new, |after| format!("id: {after}\n"));
            format!("{id}event: closed\ndata: {}\n\n", closed_json(reason, after.as_deref()))
        }
    };
    Bytes::from(text)
}

fn closed_json(reason: &str, after: Option<&str>) -> serde_json::Value {
    json!({ "reason": reason, "after": after })
}

fn counters_json(counters: &Counters) -> String {
    json!({
        "orders_placed": counters.orders_placed.get(),
        "orders_refused": counters.orders_refused.get(),
        "orders_cancelled": counters.orders_cancelled.get(),
        "stock_held": counters.stock_held.get(),
        "shipped": counters.shipped_at_once.get() + counters.shipped_on_retry.get(),
    })
    .to_string()
}

// --- WebSocket

/// Sends until the stream or the client ends. What the client says is not listened to, but for its close.
async fn talk(mut socket: WebSocket, mut feed: Feed) {
    loop {
        let event = tokio::select! {
            event = feed.next() => event,
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let last = matches!(event, Event::Closed { .. });
        let patience = Duration::from_millis(feed.state.options.write_timeout_ms);
        let sent = tokio::time::timeout(patience, socket.send(message(event))).await;
        if last || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

fn message(event: Event) -> Message {
    match event {
        Event::Order { token, json } => {
            Message::from(format!("{{\"event\":\"order\",\"id\":\"{token}\",\"data\":{json}}}"))
        }
        Event::Counters(json) => Message::from(format!("{{\"event\":\"counters\",\"data\":{json}}}")),
        Event::Ping => Message::Ping(Bytes::new()),
        Event::Closed { reason, after } => Message::Close(Some(CloseFrame {
            code: if reason == "stopping" { close_code::RESTART } else { close_code::AGAIN },
            reason: close_reason(reason, after.as_deref()).into(),
        })),
    }
}

/// A token over many shards has no room here; the id of the last event has to do then.
fn close_reason(reason: &str, after: Option<&str>) -> String {
    let whole = closed_json(reason, after).to_string();
    if whole.len() <= CLOSE_REASON_BYTES_MAX { whole } else { closed_json(reason, None).to_string() }
}
