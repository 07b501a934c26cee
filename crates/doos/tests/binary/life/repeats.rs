//! Same key, same answer: over repeats, twins, moves and restarts.

use serde_json::json;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

use crate::support::server::Setup;
use crate::support::shop::{self, ask, await_status};

#[tokio::test]
async fn a_repeat_gets_the_stored_answer_also_after_kill_and_restart() {
    let mut server = Setup::new().start().await;
    let body = shop::order_of("42", "101", 2);
    let first = server.client().post("/v1/orders", &body).key("k-1").send().await;
    assert_eq!(first.status, 201, "{}", first.text);
    let repeated = server.client().post("/v1/orders", &body).key("k-1").send().await;
    assert_eq!((repeated.status, &repeated.text), (201, &first.text));
    assert_eq!(repeated.headers["location"], first.headers["location"]);
    // The order moves on; its key's answer does not.
    await_status(&server.client(), first.json["order_id"].as_str().unwrap(), "confirmed").await;
    server.kill().await;
    server.start().await;
    let after = server.client().post("/v1/orders", &body).key("k-1").send().await;
    assert_eq!((after.status, &after.text), (201, &first.text));
    assert_eq!(shop::list(&server.client(), Some("42")).await.len(), 1);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let server = Setup::new().start().await;
    let client = server.client();
    client.post("/v1/orders", &shop::order_of("42", "101", 2)).key("k-1").send().await.expect(201);
    let other = client.post("/v1/orders", &shop::order_of("42", "101", 3)).key("k-1").send().await;
    other.expect_problem(422, "idempotency_key_reused");
    // Keys belong to the user acted for.
    client.post("/v1/orders", &shop::order_of("43", "101", 3)).key("k-1").send().await.expect(201);
    assert_eq!(shop::list(&client, None).await.len(), 2);
}

#[tokio::test]
async fn twins_in_flight_make_one_order() {
    let server = Setup::new().start().await;
    let mut twins = JoinSet::new();
    for _ in 0..32 {
        let client = server.client();
        twins.spawn(async move {
            let answer = client.post("/v1/orders", &shop::order_of("42", "101", 1)).key("twin").send().await;
            match answer.status {
                201 => Some(answer.json["order_id"].as_str().unwrap().to_owned()),
                409 => {
                    assert_eq!(answer.code(), "in_progress");
                    None
                }
                _ => panic!("{}", answer.text),
            }
        });
    }
    let orders: BTreeSet<_> = twins.join_all().await.into_iter().flatten().collect();
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert_eq!(shop::list(&server.client(), Some("42")).await.len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_stored_and_the_key_may_succeed_later() {
    let server = Setup::new().start().await;
    let (client, operator) = (server.client(), server.operator().await);
    let product = shop::new_product(&operator, 1_000, 1).await;
    let body = shop::order_of("42", &product, 2);
    let short = client.post("/v1/orders", &body).key("k-1").send().await.expect_problem(409, "out_of_stock");
    assert!(short.to_string().contains(&product), "it names the lines: {short}");
    shop::receive(&operator, &product, 1).await;
    client.post("/v1/orders", &body).key("k-1").send().await.expect(201);
}

#[tokio::test]
async fn a_repeated_move_gets_its_first_answer_and_moves_once() {
    let server = Setup::new().start().await;
    let client = server.client();
    let order = shop::place(&client, "42", "101", 1).await;
    let path = format!("/v1/orders/{order}:cancel");
    let first = client.post(path.clone(), &json!({})).key("c-1").send().await;
    let again = client.post(path, &json!({})).key("c-1").send().await;
    assert_eq!((first.status, &first.text), (200, &again.text));
    ask(&client, &order, "cancel").await.expect(200);
    let moves = shop::path_of(&shop::read(&client, &order).await);
    assert_eq!(moves.iter().filter(|to| *to == "cancelled").count(), 1, "{moves:?}");
}

#[tokio::test]
async fn a_payment_repeated_under_its_key_is_no_second_one_also_after_a_kill() {
    let mut server = Setup::new().start().await;
    let order = shop::place(&server.client(), "42", "101", 1).await;
    let path = format!("/v1/orders/{order}:pay");
    let first = server.client().post(path.clone(), &json!({})).key("p-1").send().await;
    assert!(matches!(first.status, 200 | 202), "{}", first.text);
    await_status(&server.client(), &order, "shipped").await;
    server.kill().await;
    server.start().await;
    server.client().post(path, &json!({})).key("p-1").send().await.expect(200);
    ask(&server.client(), &order, "pay").await.expect_problem(409, "already_paid");
    assert_eq!(shop::read(&server.client(), &order).await["payment"]["captured_minor"], 9_999);
    server.run(&["audit"]).await.expect(0);
}

#[tokio::test]
async fn a_received_delivery_is_booked_once_under_its_key() {
    let server = Setup::new().start().await;
    let operator = server.operator().await;
    let product = shop::new_product(&operator, 1_000, 0).await;
    let path = format!("/v1/stock/{product}:receive");
    for _ in 0..3 {
        operator.post(path.clone(), &json!({"quantity": 7})).key("delivery-1").send().await.expect(200);
    }
    assert_eq!(shop::stock(&operator, &product).await.received, 7);
}
