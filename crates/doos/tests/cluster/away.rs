//! One engine after the other goes away under load and comes back: orders are taken and read meanwhile, and everything
//! catches up by itself.

use crate::crowd::Crowd;
use crate::fixture::{Cluster, engine};
use crate::support::shop;
use crate::support::wait::until;

const BUYERS: u64 = 6;
/// Orders that must be taken while something is away, at each gateway.
const ORDERS_MEANWHILE: u64 = 10;

/// Places orders at both gateways and reads each at the other one.
async fn expect_orders_to_be_taken(cluster: &Cluster, product: &str, users: impl Fn(u64) -> u64) {
    for number in 0..ORDERS_MEANWHILE {
        let user = users(number).to_string();
        let (here, there) = (cluster.gateway(1 + (number % 2) as u32), cluster.gateway(2 - (number % 2) as u32));
        let order = shop::place(&here, &user, product, 1).await;
        shop::read(&there, &order).await;
        assert!(!shop::list(&here, Some(&user)).await.is_empty());
    }
}

/// Nothing is pending any more.
async fn expect_everything_to_catch_up(cluster: &Cluster) {
    let client = cluster.gateway(1);
    until("no order is pending", async || {
        let pending = client.get("/v1/orders?status=pending&page_size=5").send().await;
        let none = pending.json["orders"].as_array().is_some_and(Vec::is_empty);
        if pending.status == 200 && none { Ok(()) } else { Err(pending.text) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_search_registry_or_broker_orders_are_taken_and_read_and_all_catches_up() {
    let Some(cluster) = Cluster::start().await else { return };
    let crowd = Crowd::gather(&cluster, BUYERS, fastrand::Rng::with_seed(7)).await;
    // The one that never runs out.
    let product = crowd.goods.product(crowd.goods.len() - 1);
    for name in ["redis", "opensearch", "etcd", "kafka"] {
        // Gone, then there and silent: a connection that hangs is worse than one that is refused.
        for (goes, comes) in [("kill", "start"), ("pause", "resume")] {
            println!("{name}: {goes}");
            engine(&[goes, name]);
            expect_orders_to_be_taken(&cluster, product, |number| 9_000 + number).await;
            engine(&[comes, name]);
        }
        if name == "kafka" {
            expect_everything_to_catch_up(&cluster).await;
        }
    }
    crowd.prove(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_shard_away_the_other_s_users_notice_nothing_and_its_own_get_a_fast_503() {
    let Some(cluster) = Cluster::start().await else { return };
    let product = shop::new_product(&cluster.gateway(1), 500, 100_000).await;
    cluster.await_products([product.as_str()].into_iter()).await;
    let before = shop::place(&cluster.gateway(1), "43", &product, 1).await;
    for (goes, comes) in [("kill", "start"), ("pause", "resume")] {
        engine(&[goes, "shard-1"]);
        expect_orders_to_be_taken(&cluster, &product, |number| 8_000 + 2 * number).await;
        for gateway in [1, 2] {
            let client = cluster.gateway(gateway);
            let refused = client.post("/v1/orders", &shop::order_of("43", &product, 1)).key("again").send().await;
            assert_eq!(refused.status, 503, "{}", refused.text);
            assert!(refused.headers.contains_key("retry-after"), "{:?}", refused.headers);
            let unread = client.get(format!("/v1/orders/{before}")).header("cache-control", "no-cache").send().await;
            assert!([200, 503].contains(&unread.status), "what is cached may be told: {}", unread.text);
        }
        engine(&[comes, "shard-1"]);
        // The same call under its key, until the shard is there; it makes one order.
        let mut made = Vec::new();
        for gateway in [1, 2] {
            let client = cluster.gateway(gateway);
            let body = shop::order_of("43", &product, 1);
            let order = until("the shard takes orders again", async || {
                let answer = client.post("/v1/orders", &body).key(&format!("again-{goes}")).send().await;
                if answer.status == 201 { Ok(answer.json["order_id"].clone()) } else { Err(answer.text) }
            });
            made.push(order.await);
        }
        assert_eq!(made[0], made[1]);
    }
    expect_everything_to_catch_up(&cluster).await;
    cluster.expect_balanced_books().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_inventory_s_database_away_orders_are_taken_up_to_the_bound_and_then_refused() {
    const BOUND: u64 = 60;
    let settings = serde_json::json!({"database": {"open_messages_max": BOUND}});
    let Some(cluster) = Cluster::start_with(settings).await else { return };
    let product = shop::new_product(&cluster.gateway(1), 500, 100_000).await;
    cluster.await_products([product.as_str()].into_iter()).await;
    engine(&["kill", "inventory"]);
    expect_orders_to_be_taken(&cluster, &product, |number| 7_000 + number).await;
    let client = cluster.gateway(1);
    let mut user = 0;
    let refused = until("the bound is met", async || {
        user += 1;
        let body = shop::order_of(&(70_000 + user).to_string(), &product, 1);
        let answer = client.post("/v1/orders", &body).send().await;
        if answer.status == 201 { Err(user) } else { Ok(answer) }
    })
    .await;
    assert_eq!((refused.status, refused.code()), (503, "overloaded"), "{}", refused.text);
    assert!(user >= BOUND / 2, "it was refused after {user} orders already");
    engine(&["start", "inventory"]);
    until("orders are taken again", async || {
        let answer = client.post("/v1/orders", &shop::order_of("71", &product, 1)).send().await;
        if answer.status == 201 { Ok(()) } else { Err(answer.text) }
    })
    .await;
    expect_everything_to_catch_up(&cluster).await;
    cluster.expect_balanced_books().await;
}
