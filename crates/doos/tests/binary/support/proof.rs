//! What must be true when the buyers have gone home, whatever happened meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use super::buyer::Purchase;
use super::client::Client;
use super::goods::Goods;
use super::shop;
use super::wait::until;

/// Reads every user's orders and compares them with what the buyers were told.
pub async fn expect_each_key_its_one_order(client: &Client, purchases: &[Purchase]) {
    let mut by_user: BTreeMap<u64, Vec<&Purchase>> = BTreeMap::new();
    for purchase in purchases {
        by_user.entry(purchase.user).or_default().push(purchase);
    }
    for (user, purchases) in by_user {
        let orders = shop::list(client, Some(&user.to_string())).await;
        let found: BTreeMap<_, _> = orders.iter().map(|order| (order["order_id"].as_str().unwrap(), order)).collect();
        assert_eq!(found.len(), orders.len(), "user {user}: an order was listed twice");
        let told: BTreeSet<_> = purchases.iter().filter_map(|purchase| purchase.order.as_deref()).collect();
        let bought = purchases.iter().filter(|purchase| purchase.order.is_some()).count();
        assert_eq!(told.len(), bought, "user {user}: two keys were told the same order");
        assert_eq!(found.keys().copied().collect::<BTreeSet<_>>(), told, "user {user}: orders found and orders told");
        for purchase in purchases {
            let Some(id) = &purchase.order else { continue };
            purchase.expect_kept(found[id.as_str()]);
            purchase.expect_kept(&shop::read(client, id).await);
        }
    }
}

/// Waits until nothing is in between any more, then compares the shelf with the orders. Returns what is sold.
pub async fn expect_settled_books(client: &Client, goods: &Goods) -> BTreeMap<String, i64> {
    until("no order is pending", async || {
        let pending = shop::told(client, "/v1/orders?status=pending&page_size=5").await;
        if pending["orders"].as_array().unwrap().is_empty() { Ok(()) } else { Err(pending) }
    })
    .await;
    let orders = shop::list(client, None).await;
    let mut live: BTreeMap<String, i64> = goods.products().map(|product| (product.to_owned(), 0)).collect();
    for order in orders.iter().filter(|order| order["status"] != "cancelled") {
        for item in order["items"].as_array().unwrap() {
            *live.get_mut(item["product_id"].as_str().unwrap()).unwrap() += item["quantity"].as_i64().unwrap();
        }
    }
    for (product, sold) in &live {
        // What a cancelled order had taken comes back behind its answer.
        let received = goods.received(product);
        shop::await_stock(client, product, (received - sold, 0, *sold)).await;
    }
    live
}

/// A key keeps its answer over every kill there was.
pub async fn expect_the_same_answers_again(client: &Client, purchases: &[Purchase], random: &mut fastrand::Rng) {
    let bought: Vec<_> = purchases.iter().filter(|purchase| purchase.order.is_some()).collect();
    for _ in 0..200 {
        let purchase = bought[random.usize(..bought.len())];
        let answer = client.post("/v1/orders", &purchase.body).key(&purchase.key).send().await.expect(201);
        assert_eq!(answer["order_id"].as_str(), purchase.order.as_deref(), "key {}", purchase.key);
    }
}
