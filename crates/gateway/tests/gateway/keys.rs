//! Same key, same answer: repeats, another body, twins in flight, whose key it is.

use std::sync::atomic::Ordering;

use crate::shop::{Setup, customer, open, open_with, operator, soon};

const BODY: &str = r#"{"user_id":"42","items":[{"product_id":"1","quantity":1}]}"#;

#[tokio::test]
async fn a_repeat_gets_the_stored_answer_and_makes_no_second_order() {
    let shop = open().await;
    let first = shop.client.post_under("a", "/v1/orders", BODY).await;
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (201, ""));
    let id = first.json()["order_id"].as_str().unwrap().to_owned();
    shop.client.until(&id, "confirmed").await;
    for _ in 0..3 {
        let again = shop.client.post_under("a", "/v1/orders", BODY).await;
        assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (201, "true"));
        assert_eq!(again.text, first.text, "also after the order has moved on");
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("etag"), first.header("etag"));
    }
    assert_eq!(shop.footprint().await.0, 1);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let shop = open().await;
    shop.client.post_under("a", "/v1/orders", BODY).await;
    let other_body = BODY.replace("\"quantity\":1", "\"quantity\":2");
    shop.client.post_under("a", "/v1/orders", other_body).await.problem("idempotency_key_reused");
    shop.client.post_under("a", "/orders", BODY).await.problem("idempotency_key_reused");
    let spaced = BODY.replace(':', ": ");
    shop.client.post_under("a", "/v1/orders", spaced).await.problem("idempotency_key_reused");
    assert_eq!(shop.footprint().await.0, 1);
}

#[tokio::test]
async fn each_user_has_keys_of_its_own() {
    let shop = open().await;
    let first = shop.client.post_under("a", "/v1/orders", BODY).await.json();
    let other = BODY.replace("42", "43");
    let second = shop.client.post_under("a", "/v1/orders", other).await;
    assert_eq!(second.status, 201, "{}", second.text);
    assert_ne!(second.json()["order_id"], first["order_id"]);
    // The user acted for counts, not who acts: the customer's own repeat finds the order made in its name.
    let own = shop.client.with(shop.token(&customer(42))).post_under("a", "/v1/orders", BODY).await;
    assert_eq!((own.status.as_u16(), own.header("idempotent-replayed")), (201, "true"));
    assert_eq!(own.json()["order_id"], first["order_id"]);
}

#[tokio::test]
async fn a_refusal_is_not_stored_and_the_key_may_succeed_later() {
    let shop = open().await;
    let body = r#"{"user_id":"42","items":[{"product_id":"3","quantity":3}]}"#;
    shop.client.post_under("a", "/v1/orders", body).await.problem("out_of_stock");
    let amy = shop.client.with(shop.token(&operator()));
    assert_eq!(amy.post("/v1/stock/3:receive", r#"{"quantity":5}"#).await.status, 200);
    let placed = shop.client.post_under("a", "/v1/orders", body).await;
    assert_eq!((placed.status.as_u16(), placed.header("idempotent-replayed")), (201, ""));
}

#[tokio::test]
async fn twins_in_flight_make_one_order_and_get_one_answer() {
    let shop = open_with(Setup { gated: true, roles: false, ..Setup::default() }).await;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = shop.client.clone();
            tokio::spawn(async move { client.post_under("a", "/v1/orders", BODY).await })
        })
        .collect();
    soon(shop.waiting.acquire()).await.unwrap().forget();
    shop.gate.add_permits(8);
    let mut answers = Vec::new();
    for call in calls {
        answers.push(soon(call).await.unwrap());
    }
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.text == answers[0].text));
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
    assert_eq!(replayed, 7);
    assert_eq!(shop.footprint().await.0, 1);
}

#[tokio::test]
async fn keys_that_no_header_could_carry_are_refused() {
    let shop = open().await;
    for key in ["", " ", "ä", &"x".repeat(256)] {
        let answer = shop.client.post_under(key, "/v1/orders", BODY).await;
        answer.problem("idempotency_key_invalid");
    }
    let twice = shop.client.request("POST", "/v1/orders").header("idempotency-key", "a").header("idempotency-key", "b");
    let twice = twice.body(axum::body::Body::from(BODY)).unwrap();
    shop.client.send(twice).await.problem("idempotency_key_invalid");
    assert_eq!(shop.client.post_under(&"x".repeat(255), "/v1/orders", BODY).await.status, 201);
}

#[tokio::test]
async fn moves_products_and_stock_keep_their_answers_too() {
    let shop = open().await;
    let amy = shop.client.with(shop.token(&operator()));
    let id = shop.client.order(42, 1, 1).await;
    shop.client.until(&id, "confirmed").await;
    for (method, path, body) in [
        ("POST", format!("/v1/orders/{id}:pay"), String::new()),
        ("POST", "/v1/products".to_owned(), r#"{"name":"New","price":{"amount_minor":1,"currency":"CNY"}}"#.to_owned()),
        ("PATCH", "/v1/products/1".to_owned(), r#"{"description":"changed"}"#.to_owned()),
        ("POST", "/v1/stock/1:receive".to_owned(), r#"{"quantity":7}"#.to_owned()),
        ("POST", "/v1/stock/1:write-off".to_owned(), r#"{"quantity":7}"#.to_owned()),
    ] {
        let key = format!("key of {path}");
        let first = amy.call(method, &path, body.clone(), Some(&key)).await;
        assert!(first.status.is_success(), "{path}: {}", first.text);
        let again = amy.call(method, &path, body.clone(), Some(&key)).await;
        assert_eq!((again.status, &again.text), (first.status, &first.text), "{path}");
        assert_eq!(again.header("idempotent-replayed"), "true", "{path}");
        let other = amy.call(method, &path, r#"{"quantity":8}"#, Some(&key)).await;
        assert!(matches!(other.json()["code"].as_str(), Some("idempotency_key_reused" | "invalid_request")), "{path}");
    }
    assert_eq!(shop.client.get("/v1/stock/1").await.json()["received"], 1_007);
    assert_eq!(shop.client.get("/v1/products").await.json()["products"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing_half_done() {
    let shop = open_with(Setup { gated: true, roles: false, ..Setup::default() }).await;
    let client = shop.client.clone();
    let call = tokio::spawn(async move { client.post_under("a", "/v1/orders", BODY).await });
    soon(shop.waiting.acquire()).await.unwrap().forget();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    shop.gate.add_permits(8);
    // Whoever asks again under the key finds what was done.
    let again = shop.client.post_under("a", "/v1/orders", BODY).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(shop.footprint().await.0, 1);
}

/// The client is gone when the store refuses: somebody must still give the hold back.
#[tokio::test]
async fn the_hold_of_a_client_that_hung_up_is_given_back() {
    let shop = open_with(Setup { gated: true, roles: false, ..Setup::default() }).await;
    let client = shop.client.clone();
    let call = tokio::spawn(async move { client.post("/v1/orders", BODY).await });
    soon(shop.waiting.acquire()).await.unwrap().forget();
    assert_eq!(shop.footprint().await, (0, 1));
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let numbers = crate::client::Client::to(shop.operations);
    soon(async {
        // Our own connection is the last one.
        while !numbers.get("/metrics").await.text.contains("doos_connections_open 1\n") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    shop.refuses.store(true, Ordering::SeqCst);
    shop.gate.add_permits(1);
    soon(async {
        while shop.footprint().await != (0, 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
