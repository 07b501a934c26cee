//! A cluster of two shards that began in September 2026 and in which it is December.

use doos_adapter_mysql::{Addresses, Archivist, Databases, MySqlEngines};
use doos_domain::ids::OrderId;
use doos_domain::month::Month;
use doos_domain::order::{Order, StillOpen};
use doos_domain::time::Timestamp;
use doos_ports::Ports;
use doos_ports::archive::{Ask, MonthReport, Which};
use doos_ports::clock::Clock;
use doos_ports::suites::scene::Scene;
use mysql_async::Conn;
use mysql_async::prelude::{FromRow, Queryable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{self, RealClock, Servers, connect, on_each, options};

pub const RETURN_WINDOW_MS: i64 = 30 * 86_400_000;
const DAY_MS: i64 = 86_400_000;

/// Stands on one day, and runs otherwise.
pub struct Calendar {
    day: Timestamp,
    real: Arc<RealClock>,
}

#[async_trait::async_trait]
impl Clock for Calendar {
    fn now(&self) -> Timestamp {
        self.day
    }

    fn monotonic(&self) -> Duration {
        Clock::monotonic(&*self.real)
    }

    async fn sleep(&self, duration: Duration) {
        Clock::sleep(&*self.real, duration).await;
    }

    fn random(&self) -> u64 {
        4
    }
}

pub fn month(text: &str) -> Month {
    text.parse().unwrap()
}

/// The middle of a month's n-th day.
pub fn day(text: &str, day: i64) -> Timestamp {
    month(text).start().plus_millis((day - 1) * DAY_MS + DAY_MS / 2)
}

pub fn calendar(day: Timestamp) -> Arc<Calendar> {
    Arc::new(Calendar { day, real: RealClock::start() })
}

pub struct Bed {
    pub addresses: Addresses,
    _lock: Conn,
}

pub fn on_bed<F: Future<Output = ()>>(test: impl FnOnce(Bed) -> F) {
    let Some(servers) = common::servers() else { return };
    common::runtime().block_on(async {
        test(Bed::take(&servers).await).await;
    });
}

impl Bed {
    async fn take(servers: &Servers) -> Self {
        let mut lock = connect(&servers.shards[0]).await;
        for number in 0_usize.. {
            let prefix = format!("doos_archive_{number}");
            let taken: Option<Option<i64>> = lock.exec_first("SELECT GET_LOCK(?, 0)", (&prefix,)).await.unwrap();
            if taken == Some(Some(1)) {
                let bed = Self { addresses: common::addresses(servers, &prefix, 2), _lock: lock };
                on_each(&bed.addresses, "DROP DATABASE IF EXISTS {}").await;
                bed.databases_on(day("2026-09", 1)).migrate().await.expect("new databases");
                return bed;
            }
        }
        unreachable!("numbers do not end")
    }

    pub fn databases_on(&self, day: Timestamp) -> Databases {
        Databases::new(options(&self.addresses), calendar(day)).unwrap()
    }

    pub fn databases(&self) -> Databases {
        self.databases_on(day("2026-12", 15))
    }

    pub async fn node(&self) -> MySqlEngines {
        common::open(&self.addresses).await
    }

    /// A scene that plays on this day.
    pub async fn scene_on(&self, day: Timestamp) -> Scene {
        Scene::new(Ports { clock: calendar(day), ..common::ports(&self.addresses).await })
    }

    pub async fn archivist(&self) -> Archivist {
        self.databases().archivist().await.expect("nobody else is at work")
    }

    pub async fn archive_before(&self, end: &str) -> Vec<MonthReport> {
        self.ask(Which::Before(month(end)), false).await
    }

    pub async fn ask(&self, which: Which, dry_run: bool) -> Vec<MonthReport> {
        self.archivist().await.run(Ask { which, dry_run }, &judge, &|_| {}).await.expect("archiving works")
    }

    /// All messages are done with, as in a shop that has been running since.
    pub async fn settle_mail(&self) {
        for shard in 0..2 {
            self.run(shard, "UPDATE t_local_message SET status = 2").await;
        }
    }

    pub async fn run(&self, shard: usize, sql: &str) {
        let mut conn = connect(&self.addresses.shards[shard]).await;
        conn.query_drop(sql).await.unwrap();
        conn.disconnect().await.unwrap();
    }

    pub async fn rows<T: FromRow + Send + 'static>(&self, shard: usize, sql: &str) -> Vec<T> {
        let mut conn = connect(&self.addresses.shards[shard]).await;
        let rows = conn.query(sql).await.unwrap();
        conn.disconnect().await.unwrap();
        rows
    }

    pub async fn partitions(&self, shard: usize) -> Vec<String> {
        let sql = "SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() \
                   AND TABLE_NAME = 't_order' ORDER BY PARTITION_ORDINAL_POSITION";
        self.rows(shard, sql).await
    }

    /// Every stored order's version, of those in use and of those put away. One that is at both places fails.
    pub async fn places(&self) -> [BTreeMap<u64, u32>; 2] {
        let mut places = [BTreeMap::new(), BTreeMap::new()];
        for shard in 0..2 {
            for (place, table) in ["t_order", "t_order_archive"].into_iter().enumerate() {
                let rows: Vec<(u64, u32)> = self.rows(shard, &format!("SELECT id, version FROM {table}")).await;
                for (id, version) in rows {
                    assert!(places.iter().all(|place| !place.contains_key(&id)), "order {id} is at two places");
                    places[place].insert(id, version);
                }
            }
        }
        places
    }

    /// Everything in the tables that archiving changes.
    pub async fn dump(&self) -> Vec<(Vec<String>, Vec<(u64, u32, Vec<u8>)>, Vec<u64>)> {
        let mut dump = Vec::new();
        for shard in 0..2 {
            let orders = self.rows(shard, "SELECT id, version, history FROM t_order ORDER BY id").await;
            let archived = self.rows(shard, "SELECT id FROM t_order_archive").await;
            dump.push((self.partitions(shard).await, orders, archived));
        }
        dump
    }
}

/// As the command judges on that day.
pub fn judge(order: &Order) -> Option<&'static str> {
    order.still_open(RETURN_WINDOW_MS, day("2026-12", 15)).map(StillOpen::name)
}

/// Places an order of this user and cancels it: two versions, and nothing is owed.
pub async fn closed_order(scene: &Scene, user: u64, millis: i64) -> Arc<Order> {
    let placed = scene.placed(user, millis).await;
    let cancelled = scene.cancelled(&placed, millis + 1);
    let order = Arc::clone(&cancelled.order);
    scene.commit(cancelled).await.expect("a cancel is taken");
    order
}

/// Places and cancels many at once.
pub async fn closed_orders(scene: &Scene, users: impl Iterator<Item = u64>) -> Vec<Arc<Order>> {
    let placed: Vec<_> =
        users.enumerate().map(|(at, user)| scene.new_order(user, i64::try_from(at).unwrap())).collect();
    let ends: Vec<_> = placed.iter().map(|change| scene.cancelled(&change.order, 100_000)).collect();
    let orders: Vec<Arc<Order>> = ends.iter().map(|change| Arc::clone(&change.order)).collect();
    for changes in [placed, ends] {
        for told in scene.ports.orders.commit(changes).await {
            told.expect("it is taken");
        }
    }
    orders
}

pub fn ids(orders: &[Arc<Order>]) -> Vec<OrderId> {
    orders.iter().map(|order| order.id).collect()
}
