//! A cluster of two shards that gets a third one, and what is looked at in it.

use doos_adapter_mysql::{Addresses, Ask, Databases, Mover, MySqlEngines, Which};
use doos_domain::ids::OrderId;
use doos_domain::order::Order;
use doos_ports::order_store::{OrderStore, Query};
use doos_ports::suites::scene::Scene;
use mysql_async::Conn;
use mysql_async::prelude::{FromRow, Queryable};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::common::{self, RealClock, Servers, connect, on_each, options};

pub struct Bed {
    pub addresses: Addresses,
    _lock: Conn,
}

/// Runs a test on new databases: two shards with all buckets, and a third one that has just joined.
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
            let prefix = format!("doos_reshard_{number}");
            let taken: Option<Option<i64>> = lock.exec_first("SELECT GET_LOCK(?, 0)", (&prefix,)).await.unwrap();
            if taken == Some(Some(1)) {
                let mut addresses = common::addresses(servers, &prefix, 2);
                on_each(&addresses, "DROP DATABASE IF EXISTS {}").await;
                Databases::new(options(&addresses), RealClock::start())
                    .unwrap()
                    .migrate()
                    .await
                    .expect("new databases");
                addresses.shards.push(format!("{}/{prefix}_order_2", servers.spare));
                on_each(&addresses, "CREATE DATABASE IF NOT EXISTS {}").await;
                let third = addresses.shards[2].rsplit_once('/').unwrap();
                connect(third.0).await.query_drop(format!("DROP DATABASE {}", third.1)).await.unwrap();
                let bed = Self { addresses, _lock: lock };
                let added = bed.databases().add_shard(2).await.expect("a third shard joins");
                assert!(added.joined && added.buckets == 0, "{added:?}");
                return bed;
            }
        }
        unreachable!("numbers do not end")
    }

    pub fn databases(&self) -> Databases {
        Databases::new(options(&self.addresses), RealClock::start()).unwrap()
    }

    pub async fn node(&self) -> MySqlEngines {
        common::open(&self.addresses).await
    }

    pub async fn scene(&self) -> Scene {
        Scene::new(common::ports(&self.addresses).await)
    }

    pub async fn mover(&self) -> Mover {
        self.databases().mover().await.expect("nobody else moves")
    }

    /// Moves to the end, and says how many buckets went.
    pub async fn go(&self, to: usize, which: Which) -> usize {
        let mut mover = self.mover().await;
        mover.plan(&Ask { to, which }).await.expect("a plan");
        let done = mover.run(&|_| {}).await.expect("the move ends");
        println!("closed for {:?} ms", done.iter().filter_map(|moving| moving.closed_ms).collect::<Vec<_>>());
        done.iter().map(|moving| moving.buckets.len()).sum()
    }

    pub async fn rows<T: FromRow + Send + 'static>(&self, shard: usize, sql: &str) -> Vec<T> {
        let mut conn = connect(&self.addresses.shards[shard]).await;
        let rows = conn.query(sql).await.unwrap();
        conn.disconnect().await.unwrap();
        rows
    }

    /// The shard of every stored order. An order on two shards fails.
    pub async fn places(&self) -> BTreeMap<u64, (usize, u32)> {
        let mut places = BTreeMap::new();
        for shard in 0..3 {
            for (id, version) in self.rows::<(u64, u32)>(shard, "SELECT id, version FROM t_order").await {
                let before = places.insert(id, (shard, version));
                assert!(before.is_none(), "order {id} is on shards {before:?} and {shard}");
            }
        }
        places
    }

    /// No bucket is on its way, each is open once, and nothing is left behind.
    pub async fn is_settled(&self) {
        let mut open = BTreeSet::new();
        for shard in 0..3 {
            for (bucket, state) in self.rows::<(u16, u8)>(shard, "SELECT bucket, state FROM t_bucket").await {
                assert!(state <= 1, "bucket {bucket} is in state {state} on shard {shard}");
                assert!(state == 1 || open.insert(bucket), "bucket {bucket} is open twice");
            }
            for table in ["t_change_note", "t_waiting_coming", "t_dead_letter_coming"] {
                let left: Vec<u64> = self.rows(shard, &format!("SELECT COUNT(*) FROM {table}")).await;
                assert_eq!(left, [0], "{table} of shard {shard}");
            }
            for table in ["t_order", "t_order_archive", "t_void", "t_answer", "t_local_message"] {
                let sql = format!(
                    "SELECT COUNT(*) FROM {table} WHERE bucket NOT IN (SELECT bucket FROM t_bucket WHERE state = 0)"
                );
                assert_eq!(self.rows::<u64>(shard, &sql).await, [0], "{table} of shard {shard}");
            }
        }
        assert_eq!(open.len(), 1_024);
    }
}

/// Every order there is, by a walk through all pages; one seen twice fails.
pub async fn list_all(orders: &dyn OrderStore) -> BTreeMap<OrderId, Arc<Order>> {
    let mut found = BTreeMap::new();
    let mut before = None;
    loop {
        let query = Query { user_id: None, statuses: Vec::new(), before, limit: 100 };
        let page = orders.list(query).await.expect("a page");
        for order in page.orders {
            let twice = found.insert(order.id, order);
            assert!(twice.is_none(), "seen twice: {twice:?}");
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return found,
        }
    }
}
