//! Connections that are slow, many, large or still open when the node stops.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::shop::{Setup, Shop, open, open_with, soon};
use crate::streams::{Events, Socket};
use doos_gateway::Options;

const ORDER: &str = r#"{"user_id":"42","items":[{"product_id":"1","quantity":1}]}"#;

async fn connect(shop: &Shop) -> TcpStream {
    TcpStream::connect(shop.address).await.unwrap()
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A connection that is cut off may end in a reset.
    let _ = soon(stream.read_to_end(&mut read)).await;
    String::from_utf8(read).unwrap()
}

async fn with(options: Options) -> Shop {
    open_with(Setup { options, ..Setup::default() }).await
}

#[tokio::test]
async fn a_header_that_never_ends_ends_the_connection() {
    let shop = with(Options { header_timeout_ms: 50, ..Options::default() }).await;
    for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: localhost\r\nx: "] {
        let mut stream = connect(&shop).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, "", "{sent}");
    }
    // Also the second header on a connection.
    let mut stream = connect(&shop).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    soon(stream.read_exact(&mut byte)).await.unwrap();
    stream.write_all(b"GET /").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("TTP/1.1 200"));
    assert_eq!(shop.client.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_connection_that_does_nothing_is_closed_and_a_busy_one_is_not() {
    let options = Options { idle_timeout_ms: 60, stream_ping_every_ms: 5, ..Options::default() };
    let shop = with(options).await;
    let mut busy = Events::open(&shop.client, "/v1/stream?user_id=42", Some(0)).await;
    let mut stream = connect(&shop).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
    // Much longer than the idle connection lived, the stream is still open.
    let id = shop.client.order(42, 1, 1).await;
    assert_eq!(busy.next_order().await.data["order_id"], id);
}

#[tokio::test]
async fn a_body_that_never_comes_is_refused() {
    let shop = with(Options { body_timeout_ms: 50, ..Options::default() }).await;
    let mut stream = connect(&shop).await;
    let head = "POST /v1/orders HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\n{\"user_id\"";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""));
    assert_eq!(shop.footprint().await, (0, 0));
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let shop = with(Options { write_timeout_ms: 50, ..Options::default() }).await;
    let mut stream = connect(&shop).await;
    // Many large answers asked for and none read: the socket's buffers fill up.
    let ask = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(50);
    soon(async { while stream.write_all(ask.as_bytes()).await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_not_a_byte_larger() {
    let shop = open().await;
    let padded = |length: usize| format!("{ORDER}{}", " ".repeat(length - ORDER.len()));
    let most = 65_536;
    for (length, status) in [(most - 1, 201), (most, 201), (most + 1, 413), (most * 10, 413), (3 << 20, 413)] {
        let answer = shop.client.post("/v1/orders", padded(length)).await;
        assert_eq!(answer.status.as_u16(), status, "{length}");
        if status == 413 {
            answer.problem("body_too_large");
        }
    }
    // Also when the length is not said before.
    let chunks = futures::stream::iter((0..70).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1_024])));
    let request = shop.client.request("POST", "/v1/orders").body(axum::body::Body::from_stream(chunks)).unwrap();
    shop.client.send(request).await.problem("body_too_large");
    assert_eq!(shop.footprint().await.0, 2);
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let shop = open().await;
    let answer = shop.client.get_with("/livez", "x-large", &"x".repeat(40 << 10)).await;
    answer.problem("header_too_large");
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_a_problem() {
    let shop = open().await;
    let answered = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (before, bytes) in [
        ("", "nonsense\r\n\r\n"),
        ("", "GET /livez HTTP/7\r\n\r\n"),
        ("", "GET /livez HTTP/1.1\r\nno colon\r\n\r\n"),
        ("", "GET /livez HTTP/1.1\r\nhost: localhost\r\ncontent-length: many\r\n\r\n"),
        ("", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}"),
        (answered, "and then nonsense\r\n\r\n"),
    ] {
        let mut stream = connect(&shop).await;
        if !before.is_empty() {
            stream.write_all(before.as_bytes()).await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"}") {
                read.push(soon(stream.read_u8()).await.unwrap());
            }
        }
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{bytes:?}: {answer}"));
        assert!(head.starts_with("HTTP/1.1 400 "), "{bytes:?}: {head}");
        assert!(head.contains("content-type: application/problem+json"), "{bytes:?}: {head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{bytes:?}: {head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "malformed_request", "{bytes:?}");
        assert!(head.contains(problem["trace_id"].as_str().unwrap()), "{bytes:?}: {head}");
    }
}

#[tokio::test]
async fn a_connection_too_many_is_told_to_come_back() {
    let shop = with(Options { connections_max: 2, ..Options::default() }).await;
    let (mut first, mut second) = (connect(&shop).await, connect(&shop).await);
    for stream in [&mut first, &mut second] {
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut byte = [0];
        soon(stream.read_exact(&mut byte)).await.unwrap();
    }
    let refused = rest(&mut connect(&shop).await).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("\"code\":\"overloaded\""), "{refused}");
    drop((first, second));
    soon(async {
        loop {
            let mut stream = connect(&shop).await;
            let ask = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(ask).await;
            if rest(&mut stream).await.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_drain_ends_with_open_streams_and_tells_them_where_to_resume() {
    let shop = open().await;
    let mut events = Events::open(&shop.client, "/v1/stream?user_id=42", Some(0)).await;
    let id = shop.client.order(42, 1, 1).await;
    let seen = events.next_order().await;
    assert_eq!(seen.data["order_id"], id);
    let mut socket = Socket::open(&shop, "/v1/stream").await;
    shop.begin_to_stop();
    let closed = loop {
        let event = events.next().await.expect("a stream says that it is closed");
        if event.name == "closed" {
            break event;
        }
    };
    assert_eq!(closed.data["reason"], "stopping");
    assert!(closed.id >= seen.id);
    assert!(events.next().await.is_none());
    while socket.frame().await.0 != 8 {}
    drop(socket);
    assert_eq!(shop.stop().await.cut, 0);
}

#[tokio::test]
async fn a_call_in_flight_is_finished_before_the_node_stops() {
    let shop = open_with(Setup { gated: true, roles: false, ..Setup::default() }).await;
    let client = shop.client.clone();
    let call = tokio::spawn(async move { client.post("/v1/orders", ORDER).await });
    soon(shop.waiting.acquire()).await.unwrap().forget();
    shop.begin_to_stop();
    soon(async { while TcpStream::connect(shop.address).await.is_ok() {} }).await;
    shop.gate.add_permits(1);
    assert_eq!(soon(call).await.unwrap().status, 201);
    assert_eq!(shop.stop().await.cut, 0);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_requests_that_never_arrive() {
    // Every other deadline is far beyond the test's patience.
    let far = 600_000;
    let options = Options {
        drain_receive_timeout_ms: 100,
        drain_timeout_ms: far,
        body_timeout_ms: far,
        header_timeout_ms: far,
        idle_timeout_ms: far,
        ..Options::default()
    };
    let shop = with(options).await;
    let live = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // The server says that it waits for the body, so the call is in its hands when the drain begins.
    let half = "POST /v1/orders HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 50\r\n\r\n{";
    let mut answers = Vec::new();
    for (sent, expected) in [
        ("", ""),
        ("GET / HT", ""),
        ("GET / HTTP/1.1\r\nhost: local", ""),
        (live, "HTTP/1.1 200"),
        (&format!("{live}GET /li"), "HTTP/1.1 200"),
        (half, "HTTP/1.1 100"),
    ] {
        let mut stream = connect(&shop).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut first = [0];
        if !expected.is_empty() {
            soon(stream.read_exact(&mut first)).await.unwrap();
        }
        answers.push((stream, sent.to_owned(), expected));
    }
    soon(async {
        while !shop.client.get("/metrics").await.text.contains("doos_connections_open 7\n") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(shop.stop().await.cut, 0);
    for (mut stream, sent, expected) in answers {
        let answer = rest(&mut stream).await;
        match expected {
            "" => assert_eq!(answer, "", "{sent}"),
            "HTTP/1.1 200" => assert!(answer.starts_with(&expected[1..]), "{sent}: {answer}"),
            _ => {
                assert!(answer.contains("HTTP/1.1 503 "), "{sent}: {answer}");
                assert!(answer.contains("\"code\":\"not_ready\""), "{answer}");
                assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_whose_rest_comes_within_the_grace_is_still_taken() {
    let shop = open().await;
    let mut stream = connect(&shop).await;
    let (head, tail) = ORDER.split_at(10);
    let sent = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        ORDER.len()
    );
    stream.write_all(sent.as_bytes()).await.unwrap();
    // The server says that it waits for the body, so the call is in its hands.
    let mut go_on = [0; 25];
    soon(stream.read_exact(&mut go_on)).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    shop.begin_to_stop();
    soon(async { while TcpStream::connect(shop.address).await.is_ok() {} }).await;
    stream.write_all(tail.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 201"));
    assert_eq!(shop.stop().await.cut, 0);
}

#[tokio::test]
async fn a_drain_cuts_off_what_does_not_end() {
    let options = Options { drain_timeout_ms: 50, ..Options::default() };
    let shop = open_with(Setup { gated: true, roles: false, options, ..Setup::default() }).await;
    let client = shop.client.clone();
    let call = tokio::spawn(async move {
        let request = client.request("POST", "/v1/orders").body(axum::body::Body::from(ORDER)).unwrap();
        client.send(request).await.status
    });
    soon(shop.waiting.acquire()).await.unwrap().forget();
    assert!(shop.stop().await.cut >= 1);
    assert!(soon(call).await.is_err(), "its connection was cut");
}

#[tokio::test]
async fn http2_without_tls_is_spoken_on_the_same_port() {
    let shop = open().await;
    let stream = hyper_util::rt::TokioIo::new(connect(&shop).await);
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = axum::http::Request::get("http://localhost/livez").body(axum::body::Body::empty()).unwrap();
    let response = soon(send.send_request(request)).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, axum::http::Version::HTTP_2));
    driver.abort();
}
