//! Cancelling at every state that allows it: stock comes back exactly once, money is refunded, and the books say so.

use serde_json::Value;

use crate::support::client::Client;
use crate::support::server::{Server, Setup};
use crate::support::shop::{self, ask, await_status, await_stock};
use crate::support::wait::until;

/// Every role but some, so that an order stays where it is.
fn roles_without(left_out: &[&str]) -> String {
    let all = ["gateway", "order", "inventory", "payment", "shipping", "relay", "timeouts", "deliveries", "id-keeper"];
    let kept: Vec<_> = all.into_iter().filter(|role| !left_out.contains(role)).collect();
    format!("--roles={}", kept.join(","))
}

/// A server without these roles, and a product of which ten are there.
async fn shop_without(left_out: &[&str]) -> (Server, Client, String) {
    let server = Setup::new().argument(&roles_without(left_out)).start().await;
    let product = shop::new_product(&server.operator().await, 1_000, 10).await;
    let client = server.client();
    (server, client, product)
}

async fn cancel(client: &Client, order: &str, reason: &str) -> Value {
    let cancelled = ask(client, order, "cancel").await.expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["cancel_reason"], reason);
    cancelled
}

async fn await_refund(client: &Client, order: &str, refunded_minor: i64) {
    until("the money is back", async || {
        let payment = shop::read(client, order).await["payment"].clone();
        if payment["refunded_minor"] == refunded_minor { Ok(()) } else { Err(payment) }
    })
    .await;
}

/// All roles at work, the stock is whole again, and stays so when the cancel is repeated and the process restarted.
async fn expect_whole_stock(mut server: Server, order: &str, product: &str) {
    server.clear_arguments();
    server.restart().await;
    await_stock(&server.client(), product, (10, 0, 0)).await;
    ask(&server.client(), order, "cancel").await.expect(200);
    server.restart().await;
    await_stock(&server.client(), product, (10, 0, 0)).await;
    let movements = server.operator().await.get(format!("/v1/stock/{product}/movements")).send().await.expect(200);
    let of_order = movements["movements"].as_array().unwrap().iter().filter(|entry| entry["reference"] == order);
    let back = of_order.filter(|entry| matches!(entry["kind"].as_str(), Some("release" | "return"))).count();
    assert!(back <= 1, "{movements}");
    server.run(&["audit"]).await.expect(0);
}

#[tokio::test]
async fn a_pending_order_is_cancelled_and_its_hold_ends() {
    let (server, client, product) = shop_without(&["inventory"]).await;
    let order = shop::place(&client, "42", &product, 4).await;
    assert_eq!(shop::read(&client, &order).await["status"], "pending");
    await_stock(&client, &product, (6, 4, 0)).await;
    cancel(&client, &order, "user").await;
    expect_whole_stock(server, &order, &product).await;
}

#[tokio::test]
async fn a_confirmed_order_is_cancelled_and_its_stock_is_free_again() {
    let (server, client, product) = shop_without(&[]).await;
    let order = shop::place(&client, "42", &product, 4).await;
    await_status(&client, &order, "confirmed").await;
    await_stock(&client, &product, (6, 0, 4)).await;
    cancel(&client, &order, "user").await;
    await_stock(&client, &product, (10, 0, 0)).await;
    expect_whole_stock(server, &order, &product).await;
}

#[tokio::test]
async fn a_paid_order_is_cancelled_and_refunded() {
    let (server, client, product) = shop_without(&["shipping"]).await;
    let order = shop::place(&client, "42", &product, 4).await;
    await_status(&client, &order, "confirmed").await;
    ask(&client, &order, "pay").await;
    await_status(&client, &order, "paid").await;
    cancel(&client, &order, "user").await;
    await_refund(&client, &order, 4_000).await;
    await_stock(&client, &product, (10, 0, 0)).await;
    expect_whole_stock(server, &order, &product).await;
}

#[tokio::test]
async fn an_order_whose_shipping_failed_is_cancelled_and_refunded() {
    let setup = Setup::new().setting("SHIPPING__CARRIER__OUTAGE", true);
    let server = setup.start().await;
    let client = server.client();
    let product = shop::new_product(&server.operator().await, 1_000, 10).await;
    let order = shop::place(&client, "42", &product, 4).await;
    ask(&client, &order, "pay").await;
    await_status(&client, &order, "ship_failed").await;
    cancel(&client, &order, "user").await;
    await_refund(&client, &order, 4_000).await;
    expect_whole_stock(server, &order, &product).await;
}

#[tokio::test]
async fn a_shipped_order_is_recalled_by_an_operator_alone_and_its_stock_waits_for_the_goods() {
    let (server, client, product) = shop_without(&[]).await;
    let operator = server.operator().await;
    let order = shop::place(&client, "42", &product, 4).await;
    ask(&client, &order, "pay").await;
    await_status(&client, &order, "shipped").await;
    ask(&client, &order, "cancel").await.expect_problem(403, "forbidden");
    cancel(&operator, &order, "operator").await;
    await_refund(&client, &order, 4_000).await;
    await_stock(&client, &product, (6, 0, 4)).await;
    ask(&client, &order, "return").await.expect_problem(403, "forbidden");
    ask(&operator, &order, "return").await.expect(200);
    await_stock(&client, &product, (10, 0, 0)).await;
    expect_whole_stock(server, &order, &product).await;
}

#[tokio::test]
async fn payment_and_cancel_at_once_leave_no_money_behind() {
    let (server, client, product) = shop_without(&[]).await;
    let mut orders = Vec::new();
    for round in 0..10 {
        let order = shop::place(&client, &format!("{}", 100 + round), &product, 1).await;
        let (paid, cancelled) = tokio::join!(ask(&client, &order, "pay"), ask(&client, &order, "cancel"));
        assert!(paid.status < 500 && cancelled.status < 500, "{} {}", paid.text, cancelled.text);
        orders.push((order, cancelled.status));
    }
    for (order, status) in orders {
        let settled = until("the order and its money agree", async || {
            let found = shop::read(&client, &order).await;
            let captured = found["payment"]["captured_minor"] == found["payment"]["refunded_minor"];
            let ended = found["status"] == "cancelled" && captured;
            if ended || found["status"] == "shipped" { Ok(found) } else { Err(found) }
        });
        let settled = settled.await;
        assert_eq!(settled["status"] == "cancelled", status == 200, "{settled}");
    }
    server.run(&["audit"]).await.expect(0);
}
