//! What a restart, a kill, a backup and a stop in the middle of things leave behind.

use serde_json::json;
use std::time::Duration;

use crate::support::command;
use crate::support::server::{Setup, terminate};
use crate::support::shop::{self, ask, await_status};
use crate::support::wait::until;

#[tokio::test]
async fn a_restart_keeps_orders_products_users_and_stock() {
    let mut server = Setup::new().start().await;
    let (client, operator) = (server.client(), server.operator().await);
    let product = shop::new_product(&operator, 1_250, 10).await;
    let named = client.post("/orders", &shop::order_of("user_123", &product, 1)).send().await.expect(201);
    let order = shop::place(&client, "42", &product, 2).await;
    await_status(&client, &order, "confirmed").await;
    await_status(&client, named["order_id"].as_str().unwrap(), "confirmed").await;
    let (orders, stock) = (shop::list(&client, None).await, shop::stock(&client, &product).await);
    let products = client.get("/v1/products").send().await.expect(200);
    server.restart().await;
    let client = server.client();
    assert_eq!(shop::list(&client, None).await, orders);
    assert_eq!(shop::stock(&client, &product).await, stock);
    assert_eq!(client.get("/v1/products").send().await.expect(200), products, "nothing is seeded twice");
    let again = client.post("/orders", &shop::order_of("user_123", &product, 1)).send().await.expect(201);
    assert_eq!(again["user_id"], named["user_id"]);
}

#[tokio::test]
async fn an_order_on_its_way_is_finished_after_a_kill() {
    let mut server = Setup::new().argument("--roles=gateway,order,relay,id-keeper").start().await;
    let order = shop::place(&server.client(), "42", "101", 1).await;
    assert_eq!(shop::read(&server.client(), &order).await["status"], "pending");
    server.kill().await;
    server.clear_arguments();
    server.start().await;
    await_status(&server.client(), &order, "confirmed").await;
    ask(&server.client(), &order, "pay").await;
    server.kill().await;
    server.start().await;
    let shipped = await_status(&server.client(), &order, "shipped").await;
    assert_eq!(shipped["payment"]["captured_minor"], 9_999);
    // A start is nothing that the provider or the carrier could be blamed for.
    assert_eq!(shop::path_of(&shipped), ["pending", "confirmed", "paid", "shipped"]);
    server.run(&["audit"]).await.expect(0);
}

#[tokio::test]
async fn a_stop_ends_inside_the_drain_deadline_though_streams_are_open() {
    let mut server = Setup::new().setting("DRAIN_MS", 3_000).start().await;
    let client = server.client();
    let _idle = client.get("/v1/stream").open().await.unwrap();
    let _also_idle = client.get("/v1/stream?user_id=42").open().await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(10), server.stop()).await;
    let status = stopped.unwrap_or_else(|_| panic!("open streams kept it alive:\n{}", server.last_log()));
    assert_eq!(status.code(), Some(0), "{}", server.last_log());
}

#[tokio::test]
async fn a_server_told_to_stop_as_soon_as_it_can_be_found_stops_in_good_order() {
    let mut server = Setup::new().start().await;
    server.stop().await;
    for _ in 0..5 {
        let mut child = server.spawn();
        let pid = child.id().unwrap();
        until("server.json is there", async || {
            let text = std::fs::read_to_string(server.data().join("server.json")).map_err(|error| error.to_string())?;
            if text.contains(&format!("\"pid\":{pid}")) { Ok(()) } else { Err(text) }
        })
        .await;
        terminate(pid).await;
        assert_eq!(child.wait().await.unwrap().code(), Some(0), "{}", server.last_log());
    }
}

#[tokio::test]
async fn orders_acknowledged_while_it_stops_are_there_after_the_start() {
    let mut server = Setup::new().start().await;
    let client = server.client();
    let buying = tokio::task::JoinSet::from_iter((0..8).map(|user| {
        let (client, user) = (client.clone(), (100 + user).to_string());
        async move {
            let mut placed = Vec::new();
            while let Ok(answer) = client.post("/v1/orders", &shop::order_of(&user, "101", 1)).try_send().await {
                match answer.status {
                    201 => placed.push(answer.json["order_id"].as_str().unwrap().to_owned()),
                    503 => break,
                    _ => panic!("{}", answer.text),
                }
            }
            placed
        }
    }));
    until("a hundred orders are there", async || {
        let placed = shop::list(&client, None).await.len();
        if placed >= 100 { Ok(()) } else { Err(placed) }
    })
    .await;
    assert_eq!(server.stop().await.code(), Some(0));
    let placed: Vec<_> = buying.join_all().await.into_iter().flatten().collect();
    server.start().await;
    for order in &placed {
        shop::read(&server.client(), order).await;
    }
    server.run(&["audit"]).await.expect(0);
}

#[tokio::test]
async fn a_backup_of_a_running_system_starts_and_balances() {
    let server = Setup::new().start().await;
    let client = server.client();
    let kept = shop::place(&client, "42", "101", 1).await;
    // Buyers go on while it is copied.
    let buying = tokio::task::JoinSet::from_iter((0..4).map(|user| {
        let (client, user) = (client.clone(), (100 + user).to_string());
        async move {
            for _ in 0..100 {
                shop::place(&client, &user, "101", 1).await;
            }
        }
    }));
    let copy = Setup::new();
    let said = server.run(&["backup", copy.data().to_str().unwrap()]).await;
    said.expect(0);
    buying.join_all().await;
    let later = shop::place(&client, "42", "101", 1).await;

    let copy = copy.start().await;
    let restored = shop::read(&copy.client(), &kept).await;
    assert_eq!(restored["user_id"], "42");
    copy.client().get(format!("/v1/orders/{later}")).send().await.expect_problem(404, "not_found");
    shop::place(&copy.client(), "42", "101", 1).await;
    until("the copy has no order in between", async || {
        let pending = copy.client().get("/v1/orders?status=pending").send().await.expect(200);
        if pending["orders"] == json!([]) { Ok(()) } else { Err(pending) }
    })
    .await;
    copy.run(&["audit"]).await.expect(0);
    server.run(&["audit"]).await.expect(0);
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let server = Setup::new().start().await;
    let said = command::run(&server.data(), &["serve", "--listen", "127.0.0.1:0"]).await;
    assert_ne!(said.code, Some(0), "{}", said.stdout);
    assert!(!said.stderr.is_empty());
    shop::place(&server.client(), "42", "101", 1).await;
}
