//! From two order shards to three by an operator's commands, under buyers and readers, with the mover killed again and
//! again.
//!
//! The moments are drawn from a seed, which is printed; `DOOS_RESHARD_SEED` repeats it.

use futures::future::join_all;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::crowd::Crowd;
use crate::fixture::{Cluster, PROCESSES};
use crate::support::client::Client;
use crate::support::shop;

const BUYERS: u64 = 12;
/// Users with an order from before, all over the buckets.
const REGULARS: u64 = 96;
const READERS: u64 = 4;
/// A third of 1,024.
const BUCKETS_OF_THE_THIRD: u64 = 341;
/// A mover is killed after at most so many lines of its progress; all of them are more than forty.
const LINES_MAX: usize = 9;
const KILLS_MIN: u32 = 3;
/// Connections kept open that a gateway may close, one after the other, as it stops.
const LOST_MAX: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_shard_joins_under_load_and_every_order_is_there_once_however_often_the_mover_is_killed() {
    // Every read by id goes to the shards at gateway-2 from its next start on, and through the cache at the other one.
    let Some(mut cluster) = Cluster::start().await else { return };
    cluster.server("gateway-2").set("CACHE__ORDERS_MAX", 0);
    let seed = std::env::var("DOOS_RESHARD_SEED").ok().map(|text| text.parse().expect("a number"));
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("DOOS_RESHARD_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let crowd = Crowd::gather(&cluster, BUYERS, fastrand::Rng::with_seed(random.u64(..))).await;
    let kept = regulars(&cluster, crowd.goods.product(crowd.goods.len() - 1)).await;

    let (closing, _) = watch::channel(false);
    let mut reading = JoinSet::new();
    for number in 0..READERS {
        let reader = Reader {
            client: cluster.gateway(1),
            door: crowd.door(if number % 2 == 0 { "gateway-1" } else { "gateway-2" }),
            closing: closing.subscribe(),
            kept: kept.clone(),
            random: fastrand::Rng::with_seed(random.u64(..)),
        };
        reading.spawn(reader.read_until_closing());
    }

    cluster.append_the_spare_shard();
    let added = cluster.run(&["shards", "add", "--index", "2", "-o", "json"]).await.expect_json(0);
    assert_eq!((&added["shards"][0]["joined"], &added["shards"][0]["buckets"]), (&true.into(), &0.into()));
    for (name, _) in PROCESSES {
        crowd.leave(&cluster, name);
        cluster.server(name).restart().await;
        crowd.come_back(&cluster, name);
    }
    let kills = move_through_kills(&cluster, &mut random).await;
    assert!(kills >= KILLS_MIN, "only {kills} movers were killed");
    closing.send_replace(true);
    let reads: u64 = reading.join_all().await.into_iter().sum();
    println!("{kills} movers killed, {reads} reads");
    assert!(reads > REGULARS, "hardly anything was read: {reads}");

    crowd.prove(&cluster).await;
    expect_nothing_left_behind(&cluster).await;
}

/// Orders from before: who placed each.
async fn regulars(cluster: &Cluster, product: &str) -> BTreeMap<String, String> {
    let gateways = [cluster.gateway(1), cluster.gateway(2)];
    let placing = (0..REGULARS).map(|number| {
        let gateway = &gateways[usize::from(number % 2 == 0)];
        async move {
            let user = (100_000 + 11 * number).to_string();
            (shop::place(gateway, &user, product, 1).await, user)
        }
    });
    join_all(placing).await.into_iter().collect()
}

/// Reads what has been there since before the move began: by id, in its user's list, and among all.
struct Reader {
    client: Client,
    door: watch::Receiver<SocketAddr>,
    closing: watch::Receiver<bool>,
    kept: BTreeMap<String, String>,
    random: fastrand::Rng,
}

impl Reader {
    async fn read_until_closing(mut self) -> u64 {
        let kept: Vec<(String, String)> = self.kept.clone().into_iter().collect();
        let mut reads = 0;
        while !*self.closing.borrow() {
            let (order, user) = &kept[self.random.usize(..kept.len())];
            let found = self.told(&format!("/v1/orders/{order}")).await;
            assert_eq!((&found["order_id"], &found["user_id"]), (&Value::from(&**order), &Value::from(&**user)));
            let listed = self.list(&format!("&user_id={user}")).await;
            assert_eq!(listed, BTreeSet::from([order.clone()]), "the list of user {user}");
            reads += 2;
            if reads % 20 == 0 {
                let all = self.list("").await;
                let missing: Vec<_> = self.kept.keys().filter(|order| !all.contains(*order)).collect();
                assert!(missing.is_empty(), "these are in no list: {missing:?}");
                reads += 1;
            }
        }
        reads
    }

    /// Ids of a whole list, page by page; none may be there twice.
    async fn list(&self, filter: &str) -> BTreeSet<String> {
        let (mut ids, mut page_token) = (BTreeSet::new(), String::new());
        loop {
            let page = self.told(&format!("/v1/orders?page_size=100&page_token={page_token}{filter}")).await;
            for order in page["orders"].as_array().unwrap() {
                let id = order["order_id"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "order {id} is listed twice");
            }
            page_token = page["next_page_token"].as_str().unwrap().to_owned();
            if page_token.is_empty() {
                return ids;
            }
        }
    }

    /// Reads are never stopped: any answer but the one that was asked for fails. Only a connection to a gateway that
    /// stops may end without one, and is asked for once more.
    async fn told(&self, path: &str) -> Value {
        let mut lost = Vec::new();
        while lost.len() < LOST_MAX {
            let here = self.client.at(*self.door.borrow());
            match here.get(path).try_send().await {
                Ok(answer) if answer.status == 200 => return answer.json,
                Ok(answer) => panic!("{path}: {} {}", answer.status, answer.text),
                Err(ended) => lost.push(ended),
            }
        }
        panic!("{path}: no answer, {lost:?}");
    }
}

/// Moves a third of the buckets to the third shard, with movers that are killed at random moments; how many were.
async fn move_through_kills(cluster: &Cluster, random: &mut fastrand::Rng) -> u32 {
    let mut kills = 0;
    loop {
        let standing = cluster.run(&["shards", "status", "-o", "json"]).await.expect_json(0);
        let shards = standing["shards"].as_array().unwrap();
        let is_open = shards.iter().any(|shard| shard["moves"].as_array().is_some_and(|open| !open.is_empty()));
        let last: &[&str] = match (is_open, shards[2]["buckets"].as_u64().unwrap()) {
            (false, BUCKETS_OF_THE_THIRD) => return kills,
            // The one that should do it was killed before, or while, it wrote its plan down.
            (false, _) => &["shards", "move", "--to", "2", "--balance"],
            (true, _) => &["shards", "move", "--resume"],
        };
        let (lines, moment) = (random.usize(..=LINES_MAX), Duration::from_millis(random.u64(..20)));
        match mover(cluster, last, lines, moment).await {
            None => {
                kills += 1;
                if kills == 2 {
                    // Once an operator thinks better of it, and then once more.
                    let told = cluster.run(&["shards", "move", "--cancel", "-o", "json"]).await.expect_json(0);
                    println!(
                        "given up: {} moves, {} buckets",
                        told["moves"].as_array().unwrap().len(),
                        told["buckets"]
                    );
                }
            }
            Some((status, told)) => assert!(status.success(), "{last:?}: {status}\n{}", told.join("\n")),
        }
    }
}

/// Runs a mover; kills it a moment after so many lines of progress, if it has not ended by then.
async fn mover(
    cluster: &Cluster,
    arguments: &[&str],
    lines: usize,
    moment: Duration,
) -> Option<(ExitStatus, Vec<String>)> {
    let mut command = cluster.command(arguments);
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut progress = BufReader::new(running.stderr.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.len() < lines {
        match progress.next_line().await.unwrap() {
            Some(line) => told.push(line),
            None => return Some((running.wait().await.unwrap(), told)),
        }
    }
    // Not waiting for anything: this is the random moment.
    tokio::time::sleep(moment).await;
    let ended = running.try_wait().unwrap();
    running.kill().await.unwrap();
    println!("a mover was killed {moment:?} after: {}", told.last().map_or("its start", |line| line));
    ended.map(|status| (status, told))
}

/// Each order lies on one shard, and on the one that has its bucket; the statistics have counted each once.
async fn expect_nothing_left_behind(cluster: &Cluster) {
    let standing = cluster.run(&["shards", "status", "-o", "json"]).await.expect_json(0);
    let buckets: Vec<_> = standing["shards"].as_array().unwrap().iter().map(|shard| &shard["buckets"]).collect();
    assert_eq!(buckets, [341, 342, 341], "{standing}");
    let orders = shop::list(&cluster.gateway(1), None).await;
    let ids: BTreeSet<&str> = orders.iter().map(|order| order["order_id"].as_str().unwrap()).collect();
    let mut stored = Vec::new();
    for (server, context) in [("shard-0", "order_0"), ("shard-1", "order_1"), ("shard-2", "order_2")] {
        let rows = cluster.sql(server, context, "SELECT id FROM t_order");
        let here: Vec<String> = rows.lines().skip(1).map(str::to_owned).collect();
        assert!(here.len() > 10, "{server} has only {} orders", here.len());
        let astray = "SELECT COUNT(*) FROM t_order JOIN t_bucket USING (bucket) WHERE state <> 0";
        assert_eq!(cluster.sql(server, context, astray).lines().nth(1), Some("0"), "{server} has rows of other shards");
        stored.extend(here);
    }
    assert_eq!(stored.len(), ids.len(), "rows of all shards, and orders that are listed");
    assert_eq!(stored.iter().map(String::as_str).collect::<BTreeSet<_>>(), ids);
    cluster.expect_statistics_to_count(&orders).await;
}
