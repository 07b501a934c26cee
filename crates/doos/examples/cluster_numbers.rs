//! Numbers of a whole cluster on this machine: rates and times to `confirmed`, how the change feed keeps up, what each
//! process keeps in memory, and how long it takes until everything goes on after a process or an engine was killed.
//! `make cluster-numbers`, or with `DOOS_TEST_BINARY` naming a release build:
//! `cargo run --profile fast --workspace --example cluster_numbers`.
//!
//! What holds: the engines are those of `scripts/services.sh`, the processes those of the cluster's tests, with the
//! product's own leases and sessions; load and servers share the machine. Prints and judges nothing.
//! `NUMBERS_SECONDS` makes each load longer.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has nothing to say")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/cluster/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/cluster/proxy.rs"]
mod proxy;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/binary/support/mod.rs"]
mod support;

use fixture::{Cluster, PROCESSES, engine};
use futures::future::join_all;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::client::Client;
use support::shop;
use support::wait::until;
use tokio::time::{Instant, sleep, sleep_until};

const PRODUCTS: u64 = 64;
const PLENTY: u32 = 1_000_000_000;
const ENGINES: [&str; 7] = ["shard-0", "shard-1", "inventory", "redis", "etcd", "kafka", "opensearch"];
/// Orders that tell whether everything goes on: of both shards, and of every partition of the broker's topics.
const PROBES: u64 = 16;
const LOOK_EVERY: Duration = Duration::from_millis(500);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = json!({"etcd": {"lease_ttl_s": 5}, "kafka": {"session_timeout_ms": 10_000}});
        let Some(mut cluster) = Cluster::start_directly(settings).await else { return };
        let shop = Shop::open(&cluster).await;
        println!(
            "orders/s, latency of the call, and time from placed to confirmed as the orders' own histories tell it"
        );
        let mut full = 0.0;
        for callers in [64, 256] {
            full = shop.load(&cluster, callers, None).await;
        }
        shop.load(&cluster, 64, Some(full / 2.0)).await;
        memory(&cluster);
        println!("\nafter SIGKILL, until an order is taken | orders of all partitions are confirmed | and are counted");
        println!("processes stay away until all of it is so; engines are started again at once");
        for (process, roles) in PROCESSES {
            cluster.server(process).kill().await;
            // The only one with its roles has to come back by itself.
            if process == "back-office" {
                cluster.server(process).start().await;
            }
            shop.go_on(&cluster, process, roles, if process == "gateway-1" { 2 } else { 1 }).await;
            if process != "back-office" {
                cluster.server(process).start().await;
            }
        }
        for name in ENGINES {
            engine(&["kill", name]);
            let starting = tokio::task::spawn_blocking(move || engine(&["start", name]));
            shop.go_on(&cluster, name, "engine", 1).await;
            starting.await.unwrap();
        }
        cluster.expect_balanced_books().await;
    });
}

struct Shop {
    products: Vec<String>,
    /// No two orders are one user's.
    users: AtomicU64,
}

impl Shop {
    async fn open(cluster: &Cluster) -> Self {
        let client = cluster.gateway(1);
        let mut products = Vec::new();
        for _ in 0..PRODUCTS {
            products.push(shop::new_product(&client, 999, PLENTY).await);
        }
        cluster.await_products(products.iter().map(String::as_str)).await;
        Self { products, users: AtomicU64::new(1) }
    }

    /// Places one order, again under its key until it is taken. Returns its id.
    async fn place(&self, client: &Client) -> String {
        let user = self.users.fetch_add(1, Ordering::Relaxed);
        let product = &self.products[(user % PRODUCTS) as usize];
        let (body, key) = (shop::order_of(&user.to_string(), product, 1), format!("numbers-{user}"));
        loop {
            match client.post("/v1/orders", &body).key(&key).try_send().await {
                Ok(answer) if answer.status == 201 => return answer.json["order_id"].as_str().unwrap().to_owned(),
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// So many callers at both gateways, as fast as they are answered or at a rate; then until all is level. Returns
    /// the rate of the calls.
    async fn load(&self, cluster: &Cluster, callers: u64, per_s: Option<f64>) -> f64 {
        let seconds = std::env::var("NUMBERS_SECONDS").map_or(8.0, |text| text.parse().unwrap());
        let (client, first) = (cluster.gateway(1), self.users.load(Ordering::Relaxed));
        let began = Instant::now();
        let end = began + Duration::from_secs_f64(seconds);
        let calls = (0..callers).map(|caller| {
            let client = cluster.gateway(1 + (caller % 2) as u32);
            async move {
                let (mut took_ms, mut at) = (Vec::new(), began);
                while Instant::now() < end {
                    if let Some(per_s) = per_s {
                        at += Duration::from_secs_f64(callers as f64 / per_s);
                        sleep_until(at).await;
                    }
                    let sent = Instant::now();
                    self.place(&client).await;
                    took_ms.push(sent.elapsed().as_secs_f64() * 1_000.0);
                }
                took_ms
            }
        });
        let placing = async {
            let took_ms = join_all(calls).await.concat();
            (took_ms, began.elapsed())
        };
        let watching = async {
            let mut lags = Vec::new();
            while Instant::now() < end {
                lags.extend(feed_lag_ms(&client).await);
                sleep(LOOK_EVERY).await;
            }
            lags
        };
        let ((mut took_ms, placing), mut lags) = tokio::join!(placing, watching);
        let mut to_confirmed = self.await_confirmed(cluster, first).await;
        let until_confirmed = began.elapsed();
        until("the read models are level", async || match feed_lag_ms(&client).await {
            Some(lag) if lag > 0.0 => Err(lag),
            _ => Ok(()),
        })
        .await;
        let until_level = began.elapsed();
        let orders = took_ms.len() as f64;
        let rate = orders / placing.as_secs_f64();
        let pace = per_s.map_or_else(|| "closed loop".to_owned(), |per_s| format!("{per_s:.0}/s asked for"));
        println!("\n{callers} callers, {seconds} s, {pace}: {orders} orders");
        println!("  placed      {rate:>8.0}/s   call ms: {}", quantiles(&mut took_ms));
        let rate_confirmed = orders / until_confirmed.as_secs_f64();
        println!("  confirmed   {rate_confirmed:>8.0}/s   placed to confirmed ms: {}", quantiles(&mut to_confirmed));
        // Each order was written twice.
        let rows = 2.0 * orders / until_level.as_secs_f64();
        println!("  change feed {rows:>8.0} rows/s into search and statistics, lag ms: {}", quantiles(&mut lags));
        rate
    }

    /// Waits until every order of these users is confirmed; how many ms that took each.
    async fn await_confirmed(&self, cluster: &Cluster, first_user: u64) -> Vec<f64> {
        let sql = format!(
            "SELECT JSON_VALUE(history, '$[1].at') - JSON_VALUE(history, '$[0].at') FROM t_order \
             WHERE user_id >= {first_user} AND status > 0"
        );
        let expected = self.users.load(Ordering::Relaxed) - first_user;
        until("all are confirmed", async || {
            let mut took = Vec::new();
            for (server, context) in [("shard-0", "order_0"), ("shard-1", "order_1")] {
                took.extend(cluster.sql(server, context, &sql).lines().skip(1).map(|ms| ms.parse::<f64>().unwrap()));
            }
            if took.len() as u64 == expected {
                return Ok(took);
            }
            sleep(LOOK_EVERY).await;
            Err(took.len())
        })
        .await
    }

    /// After something was killed: when an order is taken, when orders of all partitions are confirmed, when they are
    /// counted.
    async fn go_on(&self, cluster: &Cluster, killed: &str, roles: &str, gateway: u32) {
        let (began, client) = (Instant::now(), cluster.gateway(gateway));
        self.place(&client).await;
        let taken = began.elapsed();
        let orders = join_all((0..PROBES).map(|_| self.place(&client))).await;
        for order in &orders {
            shop::await_status(&client, order, "confirmed").await;
        }
        let confirmed = began.elapsed();
        let placed = self.users.load(Ordering::Relaxed) - 1;
        until("all are counted", async || {
            let found = client.get("/v1/stats/summary").send().await;
            if found.json["orders"] == placed { Ok(()) } else { Err(format!("{} of {placed}", found.text)) }
        })
        .await;
        let counted = began.elapsed();
        let seconds = |time: Duration| format!("{:>7.2} s", time.as_secs_f64());
        println!("{killed:<12} {} {} {}   {roles}", seconds(taken), seconds(confirmed), seconds(counted));
    }
}

/// How old the oldest change is that a read model lacks; nothing if nobody can say.
async fn feed_lag_ms(client: &Client) -> Option<f64> {
    let answer = client.get("/metrics").try_send().await.ok()?;
    let lags = answer.text.lines().filter(|line| line.starts_with("doos_projection_lag_ms{"));
    lags.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).reduce(f64::max)
}

fn quantiles(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1)));
    let text = |value: Option<&f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.1}"));
    format!("p50 {}, p99 {}, most {}", text(at(0.5)), text(at(0.99)), text(at(1.0)))
}

fn memory(cluster: &Cluster) {
    println!("\nmemory after these loads, MB: now, and the most it was");
    for (process, roles) in PROCESSES {
        let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.pid(process))).unwrap();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1_024
        };
        println!("{process:<12} {:>5} {:>5}   {roles}", of("VmRSS:"), of("VmHWM:"));
    }
}
