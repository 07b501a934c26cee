//! The live stream over Server-Sent Events and WebSockets: whose orders, resuming, limits, the end.

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::shop::{Setup, Shop, customer, open, open_with, soon};
use doos_gateway::Options;

/// Reads events as they come.
pub struct Events {
    body: Incoming,
    read: String,
}

#[derive(Debug)]
pub struct Event {
    pub name: String,
    pub id: Option<u64>,
    pub data: Value,
}

impl Events {
    pub async fn open(client: &Client, path: &str, after: Option<u64>) -> Self {
        let mut request = client.request("GET", path).header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        let pool: Pool<_, Body> = Pool::builder(TokioExecutor::new()).build_http();
        let response = soon(pool.request(request.body(Body::empty()).unwrap())).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), read: String::new() }
    }

    /// The next event that is not a ping; `None` at the end.
    pub async fn next(&mut self) -> Option<Event> {
        soon(self.read()).await
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.read.split_once("\n\n") {
                let block = block.to_owned();
                self.read = rest.to_owned();
                let field = |name: &str| {
                    let found = block.lines().find_map(|line| line.strip_prefix(name));
                    found.map(|value| value.trim_start_matches(": ").to_owned())
                };
                if let Some(name) = field("event") {
                    let id = field("id").map(|id| id.parse().unwrap());
                    return Some(Event { name, id, data: serde_json::from_str(&field("data").unwrap()).unwrap() });
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.read.push_str(std::str::from_utf8(frame.data_ref()?).unwrap());
        }
    }

    /// Pings and counters in between do not prolong the wait.
    pub async fn next_order(&mut self) -> Event {
        soon(async {
            loop {
                let event = self.read().await.expect("the stream goes on");
                if event.name == "order" {
                    return event;
                }
            }
        })
        .await
    }
}

#[tokio::test]
async fn an_order_is_seen_as_it_changes() {
    let shop = open().await;
    let mut events = Events::open(&shop.client, "/v1/stream?user_id=42", None).await;
    // The stream begins at the moment it is entered; an order placed until it shows up is enough to know it has.
    let first = first_seen(&shop, &mut events).await;
    let id = first.data["order_id"].as_str().unwrap().to_owned();
    let mut statuses = vec![first.data["status"].as_str().unwrap().to_owned()];
    while statuses.last().unwrap() != "confirmed" {
        let event = events.next_order().await;
        if event.data["order_id"] == id.as_str() {
            statuses.push(event.data["status"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(statuses, ["pending", "confirmed"]);
}

/// Places orders until the stream shows one.
async fn first_seen(shop: &Shop, events: &mut Events) -> Event {
    let mut seen = std::pin::pin!(events.next_order());
    loop {
        shop.client.order(42, 1, 1).await;
        let pause = tokio::time::sleep(std::time::Duration::from_millis(20));
        tokio::select! {
            event = seen.as_mut() => return event,
            () = pause => {}
        }
    }
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_and_misses_nothing() {
    let shop = open().await;
    let placed = shop.client.order(42, 1, 1).await;
    shop.client.until(&placed, "confirmed").await;
    let mut all = Events::open(&shop.client, "/v1/stream", Some(0)).await;
    let first = all.next_order().await;
    let second = all.next_order().await;
    assert_eq!((&first.data["status"], &second.data["status"]), (&"pending".into(), &"confirmed".into()));
    assert!(first.id < second.id);
    drop(all);
    // 600 changes while nobody listens are more than one read of the feed.
    for _ in 0..300 {
        shop.client.order(43, 101, 1).await;
    }
    let last = shop.client.order(42, 1, 1).await;
    let mut resumed = Events::open(&shop.client, "/v1/stream?user_id=42", second.id).await;
    let next = resumed.next_order().await;
    assert_eq!((&next.data["order_id"], &next.data["status"]), (&last.clone().into(), &"pending".into()));
    let by_parameter = format!("/v1/stream?user_id=42&after={}", first.id.unwrap());
    let mut resumed = Events::open(&shop.client, &by_parameter, None).await;
    assert_eq!(resumed.next_order().await.id, second.id);
    shop.client.get("/v1/stream?after=x").await.problem("position_unknown");
}

/// Such as the last event before an older backup was restored.
#[tokio::test]
async fn a_position_that_was_never_reached_is_refused() {
    let shop = open().await;
    let id = shop.client.order(42, 1, 1).await;
    shop.client.until(&id, "confirmed").await;
    let mut all = Events::open(&shop.client, "/v1/stream", Some(0)).await;
    all.next_order().await;
    let last = all.next_order().await.id.unwrap();
    for sent in [last + 1, last + 1_000, u64::MAX] {
        shop.client.get_with("/v1/stream", "last-event-id", &sent.to_string()).await.problem("position_unknown");
        shop.client.get(&format!("/v1/stream?user_id=42&after={sent}")).await.problem("position_unknown");
    }
    // The last one that was reached is as good as any.
    let mut resumed = Events::open(&shop.client, "/v1/stream", Some(last)).await;
    let next = shop.client.order(42, 1, 1).await;
    assert_eq!(resumed.next_order().await.data["order_id"], next);
}

/// One client stays, one leaves after every seventh event and resumes, while orders are placed and decided. Both must
/// have been told the same, in the same order.
#[tokio::test]
async fn whoever_resumes_is_told_the_same_as_whoever_stays() {
    const ORDERS: usize = 60;
    let shop = open().await;
    let mut steady = Events::open(&shop.client, "/v1/stream", Some(0)).await;
    let mut restless = Events::open(&shop.client, "/v1/stream", Some(0)).await;
    let buyers: Vec<_> = (0..4)
        .map(|buyer| {
            let client = shop.client.clone();
            tokio::spawn(async move {
                for _ in 0..ORDERS / 4 {
                    client.order(40 + buyer, 101, 1).await;
                }
            })
        })
        .collect();
    let (mut stayed, mut resumed) = (Vec::new(), Vec::new());
    while stayed.len() < ORDERS * 2 {
        stayed.push(change(&steady.next_order().await));
    }
    while resumed.len() < ORDERS * 2 {
        let event = restless.next_order().await;
        resumed.push(change(&event));
        if resumed.len().is_multiple_of(7) {
            restless = Events::open(&shop.client, "/v1/stream", event.id).await;
        }
    }
    for buyer in buyers {
        buyer.await.unwrap();
    }
    assert_eq!(stayed, resumed);
    let each = stayed.iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(each.len(), ORDERS * 2, "every order was placed and confirmed, and told once");
}

fn change(event: &Event) -> (String, u64) {
    (event.data["order_id"].as_str().unwrap().to_owned(), event.data["version"].as_u64().unwrap())
}

#[tokio::test]
async fn a_customer_hears_only_of_its_own_orders() {
    let shop = open().await;
    let own = shop.client.with(shop.token(&customer(42)));
    let mut events = Events::open(&own, "/v1/stream", Some(0)).await;
    for _ in 0..5 {
        shop.client.order(43, 1, 1).await;
    }
    let mine = own.order(42, 1, 1).await;
    assert_eq!(events.next_order().await.data["order_id"], mine);
    own.get("/v1/stream?user_id=43").await.problem("forbidden");
}

#[tokio::test]
async fn a_stream_over_everything_carries_the_counters() {
    let options = Options { stream_counters_every_ms: 5, ..Options::default() };
    let shop = open_with(Setup { options, ..Setup::default() }).await;
    let mut events = Events::open(&shop.client, "/v1/stream", None).await;
    shop.client.order(42, 1, 1).await;
    loop {
        let event = events.next().await.unwrap();
        if event.name == "counters" && event.data["orders_placed"] == 1 {
            assert_eq!(event.id, None, "counters are nothing to resume after");
            break;
        }
    }
}

#[tokio::test]
async fn one_stream_more_than_allowed_is_refused_and_a_closed_one_makes_room() {
    let options = Options { streams_max: 2, stream_ping_every_ms: 5, ..Options::default() };
    let shop = open_with(Setup { options, ..Setup::default() }).await;
    let _first = Events::open(&shop.client, "/v1/stream", None).await;
    let second = Events::open(&shop.client, "/v1/stream", None).await;
    let refused = shop.client.get("/v1/stream").await;
    refused.problem("stream_limit");
    assert_eq!(refused.header("retry-after"), "5");
    drop(second);
    soon(async {
        while !shop.client.get("/metrics").await.text.contains("doos_streams_open 1\n") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    Events::open(&shop.client, "/v1/stream", None).await;
}

/// A client with a small window that reads nothing: the server's buffers fill up, then the places in the stream.
#[tokio::test]
async fn a_stream_that_does_not_keep_up_is_closed_and_told_where_to_resume() {
    let options = Options { stream_events_max: 2, ..Options::default() };
    let shop = open_with(Setup { options, roles: false, ..Setup::default() }).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    let mut lazy = socket.connect(shop.address).await.unwrap();
    lazy.write_all(b"GET /v1/stream?user_id=42 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let body =
        format!(r#"{{"user_id":"42","items":[{{"product_id":"1","quantity":1}}],"address":"{}"}}"#, "数".repeat(1_000));
    let mut overrun = false;
    for _ in 0..200 {
        if overrun {
            break;
        }
        for _ in 0..5 {
            assert_eq!(shop.client.post("/v1/orders", body.clone()).await.status, 201);
        }
        overrun = shop.client.get("/metrics").await.text.contains("doos_streams_overrun_total 1\n");
    }
    assert!(overrun, "the stream swallowed a thousand orders");
    let mut read = String::new();
    while !read.ends_with("\n\n\r\n0\r\n\r\n") {
        let mut bytes = vec![0; 4_096];
        let count = soon(lazy.read(&mut bytes)).await.unwrap();
        assert!(count > 0, "the stream ends whole: {}", &read[read.len().saturating_sub(300)..]);
        read.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    let (orders, closed) = read.split_once("event: closed").expect("a stream says that it is closed");
    assert!(closed.contains(r#""reason":"overrun""#), "{closed}");
    let last = orders.rsplit("id: ").next().unwrap().lines().next().unwrap();
    assert!(closed.contains(&format!(r#""after":"{last}""#)), "{last}: {closed}");
    let mut resumed = Events::open(&shop.client, "/v1/stream?user_id=42", last.parse().ok()).await;
    assert!(resumed.next_order().await.id.unwrap() > last.parse().unwrap());
}

// --- WebSocket

pub struct Socket(TcpStream);

impl Socket {
    pub async fn open(shop: &Shop, path: &str) -> Self {
        let mut stream = TcpStream::connect(shop.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the handshake's answer is missing: {head}");
        Self(stream)
    }

    /// The next frame: its kind and what is in it.
    pub async fn frame(&mut self) -> (u8, Vec<u8>) {
        soon(async {
            let kind = self.0.read_u8().await.unwrap() & 0x0f;
            let length = match self.0.read_u8().await.unwrap() {
                126 => usize::from(self.0.read_u16().await.unwrap()),
                127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.unwrap();
            (kind, payload)
        })
        .await
    }

    async fn next_order(&mut self) -> Value {
        soon(async {
            loop {
                let (kind, payload) = self.frame().await;
                assert!(matches!(kind, 1 | 9), "frame {kind}");
                if kind == 1 {
                    let message: Value = serde_json::from_slice(&payload).unwrap();
                    if message["event"] == "order" {
                        return message;
                    }
                }
            }
        })
        .await
    }
}

#[tokio::test]
async fn a_web_socket_carries_the_same_events_and_resumes() {
    let shop = open().await;
    let id = shop.client.order(42, 1, 1).await;
    shop.client.until(&id, "confirmed").await;
    let mut socket = Socket::open(&shop, "/v1/stream?after=0").await;
    let first = socket.next_order().await;
    assert_eq!((&first["data"]["order_id"], &first["data"]["status"]), (&id.clone().into(), &"pending".into()));
    let mut resumed = Socket::open(&shop, &format!("/v1/stream?after={}", first["id"].as_str().unwrap())).await;
    assert_eq!(resumed.next_order().await["data"]["status"], "confirmed");
}

#[tokio::test]
async fn a_web_socket_is_told_where_to_resume_when_the_node_stops() {
    let shop = open().await;
    let id = shop.client.order(42, 1, 1).await;
    shop.client.until(&id, "confirmed").await;
    let mut socket = Socket::open(&shop, "/v1/stream?after=0").await;
    socket.next_order().await;
    let last = socket.next_order().await["id"].as_str().unwrap().to_owned();
    shop.begin_to_stop();
    let (code, reason) = loop {
        let (kind, payload) = socket.frame().await;
        if kind == 8 {
            break (u16::from_be_bytes([payload[0], payload[1]]), payload[2..].to_vec());
        }
    };
    let reason: Value = serde_json::from_slice(&reason).unwrap();
    assert_eq!((code, &reason["reason"], &reason["after"]), (1012, &"stopping".into(), &last.into()));
    drop(socket);
    assert_eq!(shop.stop().await.cut, 0);
}

#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let shop = open().await;
    let answer = shop.client.get_with("/v1/stream", "upgrade", "websocket").await;
    answer.problem("invalid_request");
}
