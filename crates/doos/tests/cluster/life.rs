//! Orders that are placed at one process, carried on by others, and read at a third.

use serde_json::json;

use crate::fixture::Cluster;
use crate::support::shop;
use crate::support::wait::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_lives_over_all_processes_and_means_the_same_at_each() {
    let Some(cluster) = Cluster::start().await else { return };
    let (one, two) = (cluster.gateway(1), cluster.gateway(2));
    let product = shop::new_product(&one, 1_000, 100).await;

    // Even and odd users lie on different shards.
    cluster.await_products([product.as_str()].into_iter()).await;
    let even = shop::place(&one, "42", &product, 2).await;
    let odd = shop::place(&two, "43", &product, 3).await;
    shop::await_status(&two, &even, "confirmed").await;
    shop::await_status(&one, &odd, "confirmed").await;
    shop::await_stock(&two, &product, (95, 0, 5)).await;

    // One key, two gateways, one order.
    let body = shop::order_of("42", &product, 1);
    let first = one.post("/v1/orders", &body).key("one-key").send().await.expect(201);
    let again = two.post("/v1/orders", &body).key("one-key").send().await.expect(201);
    assert_eq!(first["order_id"], again["order_id"]);
    let other = two.post("/v1/orders", &shop::order_of("42", &product, 2)).key("one-key").send().await;
    other.expect_problem(422, "idempotency_key_reused");

    // Paid at one, shipped by a third, seen at both; cancelled at the other, its stock back.
    let paid = shop::ask(&two, &even, "pay").await;
    assert!([200, 202].contains(&paid.status), "{}", paid.text);
    shop::await_status(&one, &even, "shipped").await;
    shop::ask(&one, &odd, "cancel").await.expect(200);
    shop::await_status(&two, &odd, "cancelled").await;
    shop::await_stock(&one, &product, (97, 0, 3)).await;

    let all = shop::list(&one, None).await;
    assert_eq!(all.len(), 3, "lists are merged over the shards: {all:?}");
    let ids: Vec<u64> = all.iter().map(|order| order["order_id"].as_str().unwrap().parse().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first: {ids:?}");
    let messages = one.get(format!("/v1/admin/orders/{odd}/messages")).send().await.expect(200);
    assert!(messages["messages"].as_array().is_some_and(|found| !found.is_empty()), "{messages}");

    // Search and statistics follow the binlogs of both shards.
    cluster.expect_search_to_equal_the_shards().await;
    until("the statistics have counted each once", async || {
        let found = one.get("/v1/stats/summary").send().await;
        if found.json["orders"] == 3 { Ok(()) } else { Err(found.text) }
    })
    .await;
    cluster.expect_balanced_books().await;

    // What is set for all is one of the deeds of the back office.
    cluster.run(&["config", "set", "gateway.global_burst", "9000"]).await.expect(0);
    cluster.run(&["config", "unset", "gateway.global_burst"]).await.expect(0);
    let actions = one.get("/v1/admin/actions?page_size=2").send().await.expect(200);
    let told: Vec<_> = actions["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| {
            (
                action["deed"].clone(),
                action["subject"].clone(),
                action["details"]["value"].clone(),
                action["outcome"].clone(),
            )
        })
        .collect();
    let set = |value| (json!("set_live_value"), json!("gateway.global_burst"), value, json!("done"));
    assert_eq!(told, [set(json!(null)), set(json!("9000"))], "{actions}");
    let letters = cluster.run(&["dlq", "list", "-o", "json"]).await.expect_json(0);
    assert_eq!(letters["dead_letters"], json!([]));
}
