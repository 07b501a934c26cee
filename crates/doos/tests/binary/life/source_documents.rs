//! The requests of the two source documents, as those documents write them, without a token.

use serde_json::json;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

use crate::support::server::Setup;
use crate::support::shop;

/// The second document's example, to the letter.
const ORDER_OF_THE_DOCUMENT: &str = r#"{
  "user_id": "user_123",
  "items": [
    {
      "product_id": 1,
      "quantity": 2,
      "price": 99.99
    },
    {
      "product_id": 2,
      "quantity": 1,
      "price": 199.99
    }
  ]
}"#;

#[tokio::test]
async fn the_first_documents_client_gets_an_order_id() {
    let server = Setup::new().start().await;
    let client = server.client();
    let body = json!({"user_id": 42, "items": [{"product_id": 101, "count": 2}], "address": "Long Street 7"});
    let placed = client.post("/v1/order/create", &body).send().await.expect(201);
    let order_id = placed["order_id"].as_str().expect("ids are strings in JSON");
    assert_eq!(placed["status"], "pending");
    assert_eq!(placed["total"], json!({"amount_minor": 19998, "currency": "CNY"}));
    let read = shop::read(&client, order_id).await;
    assert_eq!(read["user_id"], "42");
    assert_eq!(read["address"], "Long Street 7");
    assert_eq!(read["items"][0]["quantity"], 2);
}

#[tokio::test]
async fn the_second_documents_order_is_placed_read_and_listed() {
    let server = Setup::new().start().await;
    let client = server.client();
    let placed = client.post("/orders", &json!(null)).body(ORDER_OF_THE_DOCUMENT).send().await;
    let location = placed.headers["location"].to_str().unwrap().to_owned();
    let placed = placed.expect(201);
    let order_id = placed["order_id"].as_str().unwrap();
    assert_eq!(placed["total"], json!({"amount_minor": 39_997, "currency": "CNY"}));
    assert_eq!(placed["total_amount"], "399.97");
    assert!(location.ends_with(order_id), "{location}");

    let read = client.get(format!("/orders/{order_id}")).send().await.expect(200);
    assert_eq!(read["order_id"], placed["order_id"]);
    assert_eq!(read["items"].as_array().unwrap().len(), 2);
    let listed = client.get("/orders").send().await.expect(200);
    assert_eq!(listed["orders"][0]["order_id"], placed["order_id"]);
    let user_id = placed["user_id"].as_str().unwrap();
    assert!(user_id.parse::<i64>().unwrap() > 0, "a log-in name stands for a number");
    let own = shop::list(&client, Some("user_123")).await;
    assert_eq!(own.len(), 1, "the name finds the orders of its number");
}

#[tokio::test]
async fn orders_have_a_page_for_browsers_at_the_same_address() {
    let server = Setup::new().start().await;
    let client = server.client();
    let html = client.get("/orders").header("accept", "text/html").send().await;
    assert_eq!(html.status, 200);
    assert!(html.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    for accept in ["application/json", "*/*"] {
        let answer = client.get("/orders").header("accept", accept).send().await;
        assert!(answer.headers["vary"].to_str().unwrap().to_lowercase().contains("accept"));
        assert!(answer.expect(200)["orders"].is_array());
    }
}

#[tokio::test]
async fn a_name_used_by_many_at_once_is_one_user() {
    let server = Setup::new().start().await;
    let mut calls = JoinSet::new();
    for _ in 0..16 {
        let client = server.client();
        calls.spawn(async move {
            let placed = client.post("/orders", &shop::order_of("user_456", "1", 1)).send().await.expect(201);
            placed["user_id"].as_str().unwrap().to_owned()
        });
    }
    let users: BTreeSet<_> = calls.join_all().await.into_iter().collect();
    assert_eq!(users.len(), 1, "{users:?}");
}

#[tokio::test]
async fn a_price_that_is_not_the_catalogues_is_refused_and_holds_nothing() {
    let server = Setup::new().start().await;
    let client = server.client();
    let before = shop::stock(&client, "1").await;
    let body = ORDER_OF_THE_DOCUMENT.replace("99.99", "89.99");
    client.post("/orders", &json!(null)).body(body).send().await.expect_problem(409, "price_changed");
    assert_eq!(shop::stock(&client, "1").await, before);
    assert!(shop::list(&client, None).await.is_empty());
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_and_change_nothing() {
    let server = Setup::new().start().await;
    let client = server.client();
    let before = shop::stock(&client, "1").await;
    let refused = [
        (400, r#"{"user_id":"1","items":["#),
        (422, r#"{"user_id":"1"}"#),
        (422, r#"{"user_id":"1","items":[]}"#),
        (422, r#"{"user_id":"1","items":[{"product_id":"1","quantity":0}]}"#),
        (422, r#"{"user_id":"1","items":[{"product_id":"1","quantity":-1}]}"#),
        (422, r#"{"user_id":"1","items":[{"product_id":"1","quantity":1.5}]}"#),
        (422, r#"{"user_id":"1","items":[{"product_id":"1","quantity":99999999999999999999}]}"#),
        (422, r#"{"user_id":"1","items":[{"product_id":"1","quantity":1,"count":2}]}"#),
        (422, r#"{"user_id":"1","items":[{"product_id":"1","quantity":1}],"surprise":1}"#),
        (422, r#"{"user_id":0,"items":[{"product_id":"1","quantity":1}]}"#),
        (422, r#"{"user_id":"9223372036854775808","items":[{"product_id":"1","quantity":1}]}"#),
        (404, r#"{"user_id":"1","items":[{"product_id":"999999","quantity":1}]}"#),
    ];
    for (status, body) in refused {
        let answer = client.post("/v1/orders", &json!(null)).body(body).send().await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{body}");
    }
    let long = format!(r#"{{"user_id":"1","address":"{}"}}"#, "x".repeat(70_000));
    client.post("/v1/orders", &json!(null)).body(long).send().await.expect_problem(413, "body_too_large");
    assert_eq!(shop::stock(&client, "1").await, before);
    assert!(shop::list(&client, None).await.is_empty());
}
