//! The whole life of an order, from its first answer to the goods and the money being back.

use serde_json::json;

use crate::support::server::Setup;
use crate::support::shop::{self, ask, await_status, await_stock};
use crate::support::wait::until;

#[tokio::test]
async fn an_order_lives_from_pending_to_returned_with_stock_and_money_back() {
    let server = Setup::new().start().await;
    let (client, operator) = (server.client(), server.operator().await);
    let product = shop::new_product(&operator, 2_500, 10).await;

    let order = shop::place(&client, "42", &product, 3).await;
    await_status(&client, &order, "confirmed").await;
    await_stock(&client, &product, (7, 0, 3)).await;

    let paid = ask(&client, &order, "pay").await;
    assert!(matches!(paid.status, 200 | 202), "{}", paid.text);
    let shipped = await_status(&client, &order, "shipped").await;
    assert!(!shipped["tracking"].as_str().unwrap().is_empty());
    assert_eq!(shipped["payment"]["captured_minor"], 7_500);

    ask(&client, &order, "deliver").await.expect_problem(403, "forbidden");
    let delivered = ask(&operator, &order, "deliver").await.expect(200);
    assert_eq!(delivered["status"], "delivered");
    ask(&client, &order, "cancel").await.expect_problem(409, "illegal_move");

    assert_eq!(ask(&client, &order, "return").await.expect(200)["status"], "returned");
    await_stock(&client, &product, (10, 0, 0)).await;
    until("the money is refunded", async || {
        let payment = shop::read(&client, &order).await["payment"].clone();
        if payment["refunded_minor"] == 7_500 { Ok(()) } else { Err(payment) }
    })
    .await;
    let returned = shop::read(&client, &order).await;
    assert_eq!(shop::path_of(&returned), ["pending", "confirmed", "paid", "shipped", "delivered", "returned"]);
    server.run(&["audit"]).await.expect(0);
}

#[tokio::test]
async fn the_history_names_time_actor_and_reason_of_every_move() {
    let server = Setup::new().start().await;
    let operator = server.operator().await;
    let customer = server.client().with_token(crate::support::command::token(&server.data(), ["--user", "42"]).await);
    let order = shop::place(&customer, "42", "101", 1).await;
    await_status(&customer, &order, "confirmed").await;
    ask(&customer, &order, "pay").await;
    await_status(&customer, &order, "shipped").await;
    ask(&operator, &order, "deliver").await.expect(200);

    let answer = customer.get(format!("/v1/orders/{order}/history")).send().await.expect(200);
    let history = answer["history"].as_array().unwrap();
    let word = |index: usize, name: &str| history[index][name].as_str().unwrap();
    assert_eq!(word(0, "actor"), "customer:42");
    assert_eq!(word(history.len() - 1, "actor"), "operator:amy");
    for (index, entry) in history.iter().enumerate() {
        assert!(!word(index, "reason").is_empty() && word(index, "at").ends_with('Z'), "{entry}");
    }
    let times: Vec<_> = (0..history.len()).map(|index| word(index, "at")).collect();
    assert!(times.is_sorted(), "{times:?}");
    let messages = operator.get(format!("/v1/admin/orders/{order}/messages")).send().await.expect(200);
    let events: Vec<_> = messages["messages"].as_array().unwrap().iter().map(|message| &message["event"]).collect();
    assert!(events.contains(&&json!("DeductStock")), "{messages}");
}

#[tokio::test]
async fn an_order_may_be_paid_before_it_is_confirmed() {
    let server = Setup::new().start().await;
    let client = server.client();
    let order = shop::place(&client, "42", "101", 1).await;
    let paid = ask(&client, &order, "pay").await;
    assert!(matches!(paid.status, 200 | 202), "{}", paid.text);
    let shipped = await_status(&client, &order, "shipped").await;
    assert_eq!(shop::path_of(&shipped), ["pending", "confirmed", "paid", "shipped"]);
    assert_eq!(shipped["payment"]["captured_minor"], 9_999);
}

#[tokio::test]
async fn a_bare_server_waits_for_the_payment() {
    let server = Setup::new().start().await;
    let client = server.client();
    let first = shop::place(&client, "42", "101", 1).await;
    let second = shop::place(&client, "42", "101", 1).await;
    ask(&client, &second, "pay").await;
    await_status(&client, &second, "shipped").await;
    // The second overtook the first: whoever pays and delivers had its chance with both.
    assert_eq!(shop::read(&client, &first).await["status"], "confirmed");
}

#[tokio::test]
async fn with_demo_life_an_order_is_delivered_by_itself() {
    let server = Setup::new().argument("--demo-life").start().await;
    let client = server.client();
    let order = shop::place(&client, "42", "101", 1).await;
    let delivered = await_status(&client, &order, "delivered").await;
    assert_eq!(shop::path_of(&delivered), ["pending", "confirmed", "paid", "shipped", "delivered"]);
    server.run(&["audit"]).await.expect(0);
}

#[tokio::test]
async fn a_carrier_that_is_away_fails_the_shipping_until_it_is_back() {
    let mut server = Setup::new().setting("SHIPPING__CARRIER__OUTAGE", true).start().await;
    let client = server.client();
    let order = shop::place(&client, "42", "101", 1).await;
    ask(&client, &order, "pay").await;
    await_status(&client, &order, "ship_failed").await;
    server.set("SHIPPING__CARRIER__OUTAGE", false);
    server.restart().await;
    let shipped = await_status(&server.client(), &order, "shipped").await;
    assert_eq!(shop::path_of(&shipped), ["pending", "confirmed", "paid", "ship_failed", "shipped"]);
}
