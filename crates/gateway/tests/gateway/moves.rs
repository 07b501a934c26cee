//! The life of an order as callers move it.

use serde_json::Value;

use crate::shop::{Setup, customer, open, open_with, operator};

fn steps(order: &Value) -> Vec<&str> {
    order["history"].as_array().unwrap().iter().map(|entry| entry["to"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_order_lives_from_placing_to_its_return() {
    let shop = open().await;
    let amy = shop.client.with(shop.token(&operator()));
    let id = shop.client.order(42, 1, 2).await;
    let stock = shop.client.get("/v1/stock/1").await.json();
    assert_eq!(stock["free"], 998);
    shop.client.until(&id, "confirmed").await;
    let paid = shop.client.post(&format!("/v1/orders/{id}:pay"), "").await;
    assert_eq!(paid.status, 200, "{}", paid.text);
    let payment = &paid.json()["payment"];
    assert_eq!((&payment["state"], &payment["captured_minor"]), (&"captured".into(), &19_998.into()));
    let shipped = shop.client.until(&id, "shipped").await;
    assert!(!shipped["tracking"].as_str().unwrap().is_empty());
    let delivered = amy.post(&format!("/v1/orders/{id}:deliver"), "{}").await;
    assert_eq!(delivered.json()["status"], "delivered", "{}", delivered.text);
    let returned = shop.client.post(&format!("/v1/orders/{id}:return"), "").await.json();
    assert_eq!(returned["status"], "returned");
    let all = ["pending", "confirmed", "paid", "shipped", "delivered", "returned"];
    assert_eq!(steps(&returned)[..6], all);
    let history = shop.client.get(&format!("/v1/orders/{id}/history")).await.json();
    assert_eq!((&history["order_id"], steps(&history)[..6].to_vec()), (&id.clone().into(), all.to_vec()));
    for (entry, by) in history["history"].as_array().unwrap().iter().zip(["customer:42", "system:"]) {
        assert!(entry["actor"].as_str().unwrap().starts_with(by), "{entry}");
    }
}

#[tokio::test]
async fn paying_before_the_confirmation_is_accepted_and_told_when_it_is_known() {
    let app_options = doos_app::Options { pay_wait_ms: 1, ..doos_app::Options::default() };
    let shop = open_with(Setup { roles: false, app_options, ..Setup::default() }).await;
    let id = shop.client.order(42, 1, 1).await;
    let path = format!("/v1/orders/{id}:pay");
    let accepted = shop.client.post_under("p", &path, "").await;
    assert_eq!((accepted.status.as_u16(), accepted.header("retry-after")), (202, "1"));
    let order = accepted.json();
    assert_eq!((&order["status"], &order["payment"]["state"]), (&"pending".into(), &"waiting".into()));
    // The same call again starts no second attempt.
    let again = shop.client.post_under("p", &path, "").await.json();
    assert_eq!(again["payment"]["attempt_id"], order["payment"]["attempt_id"]);
}

#[tokio::test]
async fn a_cancel_gives_the_stock_back_once_and_may_be_repeated() {
    let shop = open().await;
    let id = shop.client.order(42, 1, 5).await;
    shop.client.until(&id, "confirmed").await;
    let cancelled = shop.client.post(&format!("/v1/orders/{id}:cancel"), "").await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.json()["cancel_reason"]), (200, &"user".into()));
    let again = shop.client.post(&format!("/v1/orders/{id}:cancel"), "{}").await;
    assert_eq!((again.status.as_u16(), &again.json()["version"]), (200, &cancelled.json()["version"]));
    crate::shop::soon(async {
        while shop.client.get("/v1/stock/1").await.json()["free"] != 1_000 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn illegal_moves_are_refused_and_change_nothing() {
    let shop = open().await;
    let amy = shop.client.with(shop.token(&operator()));
    let id = shop.client.order(42, 1, 1).await;
    let before = shop.client.until(&id, "confirmed").await;
    for verb in ["ship", "deliver", "return"] {
        amy.post(&format!("/v1/orders/{id}:{verb}"), "").await.problem("illegal_move");
    }
    for verb in ["explode", "Cancel", "cancel%20"] {
        amy.post(&format!("/v1/orders/{id}:{verb}"), "").await.problem("not_found");
    }
    amy.post(&format!("/v1/orders/{id}:cancel"), r#"{"why":"because"}"#).await.problem("invalid_request");
    amy.post(&format!("/v1/orders/{id}:ship"), r#"{"tracking":7}"#).await.problem("invalid_request");
    amy.post(&format!("/v1/orders/{id}:ship"), r#"{"tracking":""}"#).await.problem("invalid_request");
    amy.post(&format!("/v1/orders/{id}:cancel"), "{").await.problem("invalid_json");
    let after = shop.client.get(&format!("/v1/orders/{id}")).await.json();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_paid_order_is_not_paid_twice() {
    let shop = open().await;
    let id = shop.client.order(42, 1, 1).await;
    shop.client.until(&id, "confirmed").await;
    let path = format!("/v1/orders/{id}:pay");
    assert_eq!(shop.client.post(&path, "").await.status, 200);
    shop.client.post(&path, "").await.problem("already_paid");
}

#[tokio::test]
async fn the_callers_own_order_is_moved_in_its_own_name() {
    let shop = open().await;
    let own = shop.client.with(shop.token(&customer(42)));
    let id = own.order(42, 1, 1).await;
    let cancelled = shop.client.with(shop.token(&operator())).post(&format!("/v1/orders/{id}:cancel"), "").await.json();
    let last = cancelled["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["actor"], &cancelled["cancel_reason"]), (&"operator:amy".into(), &"operator".into()));
}
