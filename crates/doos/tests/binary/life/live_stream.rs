//! The live stream: an order's states as they come, and resumed where it was left, also over a restart.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use std::collections::VecDeque;
use tokio::time::{Instant, timeout_at};

use crate::support::client::Client;
use crate::support::server::Setup;
use crate::support::shop::{self, ask, await_status};
use crate::support::wait::PATIENCE;

/// One Server-Sent Event.
#[derive(Debug, Default)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

struct Stream {
    /// When the test gives up; comments that keep the connection open must not keep the test waiting.
    until: Instant,
    body: Incoming,
    text: String,
    events: VecDeque<Event>,
}

#[expect(clippy::disallowed_methods, reason = "a test's own deadline")]
fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

impl Stream {
    async fn open(client: &Client, path: &str, after: Option<&str>) -> Self {
        let mut call = client.get(path).header("accept", "text/event-stream");
        if let Some(after) = after {
            call = call.header("last-event-id", after);
        }
        let response = call.open().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        Self { until: deadline(), body: response.into_body(), text: String::new(), events: VecDeque::new() }
    }

    /// The next event, or `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let frame = timeout_at(self.until, self.body.frame()).await.expect("an event comes")?;
            let bytes = frame.ok()?.into_data().ok()?;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                self.events.extend(parse(&block));
            }
        }
    }

    /// The states of this order up to `last`, with the id of the last event.
    async fn states_until(&mut self, order: &str, last: &str) -> (Vec<String>, String) {
        let mut states = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("it ended after {states:?}"));
            if event.name != "order" || event.data["order_id"] != order {
                continue;
            }
            let status = event.data["status"].as_str().unwrap();
            if states.last().is_none_or(|before| before != status) {
                states.push(status.to_owned());
            }
            if status == last {
                return (states, event.id);
            }
        }
    }
}

/// A comment has no data and is no event.
fn parse(block: &str) -> Option<Event> {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => event.id = id.to_owned(),
            Some(("event", name)) => event.name = name.to_owned(),
            Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
            _ => {}
        }
    }
    (!event.data.is_null()).then_some(event)
}

#[tokio::test]
async fn a_stream_shows_every_state_of_the_users_order_and_nobody_elses() {
    let server = Setup::new().start().await;
    let client = server.client();
    let mut stream = Stream::open(&client, "/v1/stream?user_id=42", None).await;
    let strangers = shop::place(&client, "43", "101", 1).await;
    let order = shop::place(&client, "42", "101", 1).await;
    ask(&client, &order, "pay").await;
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("shipped") {
        let event = stream.next().await.unwrap();
        assert_ne!(event.data["order_id"], strangers);
        if event.data["order_id"] == order {
            seen.push(event.data["status"].as_str().unwrap().to_owned());
        }
    }
    seen.dedup();
    assert_eq!(seen, ["pending", "confirmed", "paid", "shipped"]);
}

#[tokio::test]
async fn a_stream_is_resumed_where_it_was_left_also_after_a_restart() {
    let mut server = Setup::new().start().await;
    let client = server.client();
    let mut stream = Stream::open(&client, "/v1/stream?user_id=42", None).await;
    let order = shop::place(&client, "42", "101", 1).await;
    let (states, resume_after) = stream.states_until(&order, "confirmed").await;
    assert_eq!(states, ["pending", "confirmed"]);
    drop(stream);
    // What happens while nobody listens must not be missed.
    ask(&client, &order, "pay").await;
    await_status(&client, &order, "shipped").await;
    server.restart().await;
    let mut stream = Stream::open(&server.client(), "/v1/stream?user_id=42", Some(&resume_after)).await;
    let (states, _) = stream.states_until(&order, "shipped").await;
    let moved_on: Vec<_> = states.iter().filter(|state| *state != "confirmed").collect();
    assert_eq!(moved_on, ["paid", "shipped"]);
}

#[tokio::test]
async fn a_stream_of_a_server_that_stops_ends_with_a_resume_token() {
    let mut server = Setup::new().start().await;
    let mut stream = Stream::open(&server.client(), "/v1/stream?user_id=42", None).await;
    let order = shop::place(&server.client(), "42", "101", 1).await;
    stream.states_until(&order, "confirmed").await;
    let (status, last) = tokio::join!(server.stop(), async {
        let mut last = Event::default();
        while let Some(event) = stream.next().await {
            last = event;
        }
        last
    });
    assert_eq!(status.code(), Some(0));
    assert_eq!((last.name.as_str(), &last.data["reason"]), ("closed", &Value::from("stopping")), "{last:?}");
    assert!(last.data["after"].is_string(), "{last:?}");
}

#[tokio::test]
async fn an_operators_stream_carries_everybodys_orders_and_the_counters() {
    let server = Setup::new().start().await;
    let mut stream = Stream::open(&server.operator().await, "/v1/stream", None).await;
    let order = shop::place(&server.client(), "42", "101", 1).await;
    let (mut order_seen, mut counters_seen) = (false, false);
    while !(order_seen && counters_seen) {
        let event = stream.next().await.unwrap();
        order_seen |= event.data["order_id"] == order;
        counters_seen |= event.name == "counters" && event.data["orders_placed"].is_number();
    }
}
