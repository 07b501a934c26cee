//! The requests of the source documents, letter by letter.

use crate::shop::open;

const S1: &str = r#"{
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
async fn the_order_of_the_order_service_document_is_placed_read_and_listed() {
    let shop = open().await;
    let placed = shop.client.post("/orders", S1).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    let order = placed.json();
    assert_eq!((&order["status"], &order["total_amount"]), (&"pending".into(), &"399.97".into()));
    let id = order["order_id"].as_str().unwrap();
    let read = shop.client.get(&format!("/orders/{id}")).await;
    assert_eq!(read.json()["order_id"], id);
    let listed = shop.client.get("/orders").await.json();
    assert_eq!(listed["orders"][0]["order_id"], id);
    // The same name is the same user.
    let again = shop.client.post("/orders", S1).await.json();
    assert_eq!(again["user_id"], order["user_id"]);
    assert_ne!(again["order_id"], order["order_id"]);
}

#[tokio::test]
async fn the_page_of_the_requirements_document_creates_an_order() {
    let shop = open().await;
    let body = r#"{"user_id":42,"items":[{"product_id":101,"count":1}],"address":"Nanjing Road 1"}"#;
    let placed = shop.client.post("/v1/order/create", body).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    let order = placed.json();
    assert!(order["order_id"].as_str().unwrap().parse::<u64>().is_ok());
    assert_eq!((&order["status"], &order["user_id"]), (&"pending".into(), &"42".into()));
    assert_eq!(order["items"][0]["quantity"], 1);
    assert_eq!(order["address"], "Nanjing Road 1");
}

#[tokio::test]
async fn the_order_of_the_design_document_is_answered_with_its_place() {
    let shop = open().await;
    let body = r#"{"user_id":"42","items":[{"product_id":"101","quantity":2}],"address":"…","coupon":""}"#;
    let placed = shop.client.post("/v1/orders", body).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    let order = placed.json();
    assert_eq!(order["total"], serde_json::json!({"amount_minor": 19998, "currency": "CNY"}));
    assert_eq!(placed.header("location"), format!("/v1/orders/{}", order["order_id"].as_str().unwrap()));
    assert_eq!(placed.header("content-type"), "application/json");
    assert_eq!(placed.header("etag"), "\"1\"");
    assert_eq!(order["history"][0]["to"], "pending");
    assert_eq!(order["history"][0]["actor"], "customer:42");
}
