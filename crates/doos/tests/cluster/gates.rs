//! The stock gates that `gate:` offers, each in a whole cluster: lives of orders, a product that is sold to its last
//! piece, and what becomes of a gate that is lost under load.

use futures::future::join_all;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::crowd::Crowd;
use crate::fixture::{Cluster, engine, exports};
use crate::support::client::Client;
use crate::support::shop;
use crate::support::wait::until;

/// All but the one that every other test has.
const GATES: [&str; 6] = ["redis", "row-lock", "queue", "optimistic", "optimistic-no-retry", "distributed-lock"];
const PIECES: u32 = 24;
const BUYERS: u64 = 8;
/// Placed while nobody decides, and undecided when the next gate opens.
const UNDECIDED: u32 = 3;

/// One shop through all of them: what was placed under one gate is carried on, and held, under the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_every_gate_orders_live_and_a_product_is_sold_to_its_last_piece_and_no_further() {
    let Some(mut cluster) = Cluster::start_directly(json!({"gate": GATES[0]})).await else { return };
    let shelf = Shelf::fill(&cluster).await;
    let mut carried = 0;
    for (at, gate) in GATES.iter().enumerate() {
        println!("gate: {gate}");
        expect_lives_of_orders(&cluster, &shelf.plenty[at], 10_000 * (at as u64 + 1)).await;
        expect_to_sell_out(&cluster, &shelf.scarce[at], carried).await;
        cluster.expect_balanced_books().await;
        if let Some(next) = GATES.get(at + 1) {
            for process in ["inventory-1", "inventory-2"] {
                assert_eq!(cluster.server(process).stop().await.code(), Some(0));
            }
            for number in 0..UNDECIDED {
                let client = cluster.gateway(1 + number % 2);
                shop::place(&client, &(500 + number).to_string(), &shelf.scarce[at + 1], 1).await;
            }
            cluster.restart_all(json!({"gate": next})).await;
            carried = UNDECIDED;
        }
    }
    cluster.expect_search_to_equal_the_shards().await;
}

/// Products for each gate.
struct Shelf {
    plenty: Vec<String>,
    scarce: Vec<String>,
}

impl Shelf {
    async fn fill(cluster: &Cluster) -> Self {
        let (client, mut shelf) = (cluster.gateway(1), Self { plenty: Vec::new(), scarce: Vec::new() });
        for _ in GATES {
            shelf.plenty.push(shop::new_product(&client, 1_000, 10).await);
            shelf.scarce.push(shop::new_product(&client, 700, PIECES).await);
        }
        cluster.await_products(shelf.plenty.iter().chain(&shelf.scarce).map(String::as_str)).await;
        shelf
    }
}

/// Confirmed, paid and shipped; cancelled, its pieces back; never more than there is.
async fn expect_lives_of_orders(cluster: &Cluster, product: &str, user: u64) {
    let (one, two) = (cluster.gateway(1), cluster.gateway(2));
    let (even, odd) = (user.to_string(), (user + 1).to_string());
    let paid = shop::place(&one, &even, product, 2).await;
    let left = shop::place(&two, &odd, product, 3).await;
    let too_many = two.post("/v1/orders", &shop::order_of(&even, product, 6)).send().await;
    too_many.expect_problem(409, "out_of_stock");
    shop::await_status(&two, &left, "confirmed").await;
    let answer = shop::ask(&two, &paid, "pay").await;
    assert!([200, 202].contains(&answer.status), "{}", answer.text);
    shop::await_status(&one, &paid, "shipped").await;
    shop::ask(&one, &left, "cancel").await.expect(200);
    shop::await_stock(&one, product, (8, 0, 2)).await;
}

/// Buyers at both gateways take one piece after the other until each is told that there is none: all pieces are sold,
/// and nobody was told so before. `taken`: pieces that are sold or held already.
async fn expect_to_sell_out(cluster: &Cluster, product: &str, taken: u32) {
    let gateways = [cluster.gateway(1), cluster.gateway(2)];
    let left = u64::from(PIECES - taken);
    let (begun, refused) = (&AtomicU64::new(0), &AtomicU64::new(0));
    let buying = (0..BUYERS).map(|buyer| {
        let gateway = &gateways[usize::from(buyer % 2 == 0)];
        async move {
            let mut orders = Vec::new();
            loop {
                begun.fetch_add(1, Ordering::SeqCst);
                let key = format!("{product}-{buyer}-{}", orders.len());
                let user = (700 + buyer).to_string();
                match buy(gateway, &user, product, &key, refused).await {
                    Ok(order) => orders.push(order),
                    Err(refused_before) => {
                        let most_taken = begun.load(Ordering::SeqCst) - refused_before;
                        assert!(most_taken > left, "sold out, they say, though at most {most_taken} of {left} went");
                        refused.fetch_add(1, Ordering::SeqCst);
                        return orders;
                    }
                }
            }
        }
    });
    let orders = join_all(buying).await.concat();
    assert_eq!(orders.len() as u64, left, "pieces sold");
    for order in &orders {
        shop::await_status(&gateways[0], order, "confirmed").await;
    }
    shop::await_stock(&gateways[1], product, (0, 0, PIECES.into())).await;
    // What comes back is sold again, once.
    shop::ask(&gateways[0], &orders[0], "cancel").await.expect(200);
    shop::await_stock(&gateways[1], product, (1, 0, i64::from(PIECES) - 1)).await;
    shop::place(&gateways[1], "701", product, 1).await;
    let again = gateways[0].post("/v1/orders", &shop::order_of("702", product, 1)).send().await;
    again.expect_problem(409, "out_of_stock");
    shop::await_stock(&gateways[1], product, (0, 0, PIECES.into())).await;
}

/// The order; or, if there is nothing left, how many had been refused before the last call was sent.
async fn buy(gateway: &Client, user: &str, product: &str, key: &str, refused: &AtomicU64) -> Result<String, u64> {
    let body = shop::order_of(user, product, 1);
    let mut before = 0;
    let answer = until("a definite answer", async || {
        before = refused.load(Ordering::SeqCst);
        let answer = gateway.post("/v1/orders", &body).key(key).send().await;
        // Whoever has lost a race is told to come again.
        if answer.status == 503 || answer.code() == "in_progress" { Err(answer.text) } else { Ok(answer) }
    });
    let answer = answer.await;
    match (answer.status, answer.code()) {
        (201, _) => Ok(answer.json["order_id"].as_str().unwrap().to_owned()),
        (409, "out_of_stock") => Err(before),
        _ => panic!("{} {}", answer.status, answer.text),
    }
}

#[derive(Clone, Copy, Debug)]
enum Loss {
    Flushed,
    /// Killed, and started on its data: some of the last second may be missing.
    Restarted,
    /// Killed, and started on nothing.
    Wiped,
}

#[expect(clippy::disallowed_methods, reason = "how long it took is printed, and not judged")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_in_redis_that_loses_its_memory_under_load_is_rebuilt_and_nothing_is_sold_twice() {
    let Some(cluster) = Cluster::start_directly(json!({"gate": "redis"})).await else { return };
    let crowd = Crowd::gather(&cluster, BUYERS, fastrand::Rng::with_seed(11)).await;
    for (round, loss) in [Loss::Flushed, Loss::Wiped, Loss::Flushed, Loss::Restarted].into_iter().enumerate() {
        expect_orders_everywhere(&cluster, &crowd, &format!("before-{round}")).await;
        let began = tokio::time::Instant::now();
        match loss {
            Loss::Flushed => flush_redis().await,
            Loss::Restarted => engine(&["kill", "redis"]),
            Loss::Wiped => engine(&["wipe", "redis"]),
        }
        engine(&["start", "redis"]);
        expect_orders_everywhere(&cluster, &crowd, &format!("after-{round}")).await;
        println!("{loss:?}: orders are taken again after {:?}", began.elapsed());
        crowd.goods.look_and_restock(&cluster.gateway(1)).await;
    }
    crowd.prove(&cluster).await;
}

/// At both gateways, for users of both shards.
async fn expect_orders_everywhere(cluster: &Cluster, crowd: &Crowd, key: &str) {
    let product = crowd.goods.product(crowd.goods.len() - 1);
    for (gateway, user) in [(1, "20000"), (2, "20000"), (1, "20001"), (2, "20001")] {
        let (client, body) = (cluster.gateway(gateway), shop::order_of(user, product, 1));
        let key = format!("{key}-{gateway}");
        until("an order is taken", async || match client.post("/v1/orders", &body).key(&key).try_send().await {
            Ok(answer) if answer.status == 201 => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

/// `FLUSHALL`, as a person says it who thinks of a cache.
async fn flush_redis() {
    let url = exports().line("REDIS");
    let (credentials, place) = url.strip_prefix("redis://").and_then(|rest| rest.rsplit_once('@')).unwrap();
    let (_, password) = credentials.split_once(':').unwrap();
    let mut redis = TcpStream::connect(place.split('/').next().unwrap()).await.unwrap();
    redis.write_all(format!("AUTH {password}\r\nFLUSHALL\r\nQUIT\r\n").as_bytes()).await.unwrap();
    let mut said = String::new();
    redis.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "+OK\r\n+OK\r\n+OK\r\n");
}

#[expect(clippy::disallowed_methods, reason = "how long it took is printed, and not judged")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_owner_of_the_gate_is_killed_under_load_another_takes_over_and_nothing_is_sold_twice() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let crowd = Crowd::gather(&cluster, BUYERS, fastrand::Rng::with_seed(12)).await;
    let mut owner = owner_of_the_gate(&cluster);
    for round in 1..=3 {
        expect_orders_everywhere(&cluster, &crowd, &format!("before-{round}")).await;
        let before = owner;
        let began = tokio::time::Instant::now();
        cluster.server(before).kill().await;
        expect_orders_everywhere(&cluster, &crowd, &format!("after-{round}")).await;
        println!("the owner was killed: orders are taken again after {:?}, with leases of 2 s", began.elapsed());
        owner = owner_of_the_gate(&cluster);
        assert_ne!(owner, before);
        cluster.server(before).start().await;
        crowd.goods.look_and_restock(&cluster.gateway(2)).await;
    }
    crowd.prove(&cluster).await;
}

/// Who of those that run was the last to say so.
fn owner_of_the_gate(cluster: &Cluster) -> &'static str {
    let owns = |name: &&str| cluster.servers[*name].is_running() && cluster.servers[*name].log().contains(OWNS);
    let last = |name: &&str| {
        let log = cluster.servers[*name].log();
        log.lines().filter(|line| line.contains(OWNS)).filter_map(epoch_in).max().unwrap_or(0)
    };
    ["inventory-1", "inventory-2"].into_iter().filter(owns).max_by_key(last).expect("somebody owns the gate")
}

const OWNS: &str = "this node owns the stock gate";

/// Epochs only grow, so the highest is the last.
fn epoch_in(line: &str) -> Option<u64> {
    let (_, told) = line.split_once("epoch")?;
    let digits: String = told.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
