//! From two shards to three and back under load: placers, steerers and readers on two nodes of which one was there
//! before, and every answer of theirs is checked.

use doos_adapter_mysql::{MySqlEngines, Which};
use doos_domain::ids::OrderId;
use doos_domain::time::Timestamp;
use doos_ports::Error;
use doos_ports::clock::Clock;
use doos_ports::order_store::{Change, CommitError, OrderStore, Query};
use doos_ports::suites::scene::{Scene, user};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bed::{Bed, list_all, on_bed};

/// So many, spread over all buckets; the fullest shards give their last ones first.
const USERS: u64 = 60;
const PLACERS: u64 = 6;

/// What was acknowledged: the version of each order.
#[derive(Default)]
struct Acknowledged {
    versions: Mutex<BTreeMap<OrderId, u32>>,
    stop: AtomicBool,
    reads: AtomicU64,
    slowest_ms: AtomicU64,
    refused: AtomicU64,
}

impl Acknowledged {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn note(&self, id: OrderId, version: u32) {
        self.versions.lock().unwrap().insert(id, version);
    }

    fn all(&self) -> BTreeMap<OrderId, u32> {
        self.versions.lock().unwrap().clone()
    }

    fn some(&self, seed: u64) -> Option<(OrderId, u32)> {
        let versions = self.versions.lock().unwrap();
        let at = usize::try_from(seed).unwrap() % versions.len().max(1);
        versions.iter().nth(at).map(|(id, version)| (*id, *version))
    }
}

fn now() -> Timestamp {
    crate::clock().now()
}

/// Places orders and moves each on to its second or third version, all of which must be taken.
async fn place(scene: &Scene, node: &MySqlEngines, seen: &Acknowledged, placer: u64) {
    let mut round = 0;
    while !seen.is_over() {
        round += 1;
        let owner = 1 + (round * PLACERS + placer) % USERS * 17;
        let began = now();
        let mut change = scene.new_order(owner, i64::try_from(round).unwrap());
        let key = change.order.id.to_string();
        change.answer = Some(scene.answer(&user(owner).to_string(), &key, "placed"));
        let (order, answer) = (Arc::clone(&change.order), change.answer.clone().unwrap());
        commit(node, change, seen, began).await;
        assert_eq!(node.orders.find_answer(&answer.key).await.unwrap().as_ref(), Some(&answer));
        let next = scene.confirmed(&order, 10);
        let (confirmed, began) = (Arc::clone(&next.order), now());
        commit(node, next, seen, began).await;
        if round % 3 == 0 {
            let began = now();
            commit(node, scene.cancelled(&confirmed, 20), seen, began).await;
        }
    }
}

async fn commit(node: &MySqlEngines, change: Change, seen: &Acknowledged, began: Timestamp) {
    let (id, version) = (change.order.id, change.order.version);
    // While its bucket is closed for longer than a writer waits, it is refused, and nothing of it is stored.
    while let Err(error) = node.orders.commit(vec![change.clone()]).await.remove(0) {
        let is_closed = matches!(&error, CommitError::Engine(Error::Unavailable { .. }));
        assert!(is_closed && now().millis_since(began) < 30_000, "order {id}, version {version}: {error}");
        seen.refused.fetch_add(1, Ordering::Relaxed);
    }
    let took = now().millis_since(began).max(0).unsigned_abs();
    seen.slowest_ms.fetch_max(took, Ordering::Relaxed);
    seen.note(id, version);
}

/// Reads what was acknowledged: by id, in its user's list, and now and then all there is.
async fn read(node: &MySqlEngines, seen: &Acknowledged, reader: u64) {
    let mut round = reader;
    while !seen.is_over() {
        round += 7;
        let Some((id, version)) = seen.some(round * 31) else {
            tokio::task::yield_now().await;
            continue;
        };
        let order = node.orders.load(id).await.expect("it can be read").unwrap_or_else(|| panic!("{id} is not there"));
        assert!(order.version >= version, "{id}: {} is older than {version}", order.version);
        let before: BTreeMap<OrderId, u32> = seen.all();
        let query = Query { user_id: Some(order.user_id), statuses: Vec::new(), before: None, limit: 10_000 };
        let listed = node.orders.list(query).await.expect("a list").orders;
        let versions: BTreeMap<OrderId, u32> = listed.iter().map(|order| (order.id, order.version)).collect();
        assert_eq!(versions.len(), listed.len(), "an order is there twice");
        for (id, version) in before.iter().filter(|(id, _)| id.bucket() == order.user_id.bucket()) {
            assert!(versions.get(id).is_some_and(|listed| listed >= version), "{id} is not in its user's list");
        }
        if round.is_multiple_of(5) {
            let before = seen.all();
            let all = list_all(&*node.orders).await;
            let missing = before.iter().find(|(id, version)| all.get(id).is_none_or(|order| order.version < **version));
            assert!(missing.is_none(), "of {} orders this is not there: {missing:?}", all.len());
        }
        seen.reads.fetch_add(1, Ordering::Relaxed);
    }
}

async fn under_load(bed: &Bed, seen: &Arc<Acknowledged>, move_it: impl Future<Output = ()>) {
    let scene = bed.scene().await;
    let nodes = [bed.node().await, bed.node().await];
    seen.stop.store(false, Ordering::Relaxed);
    let placers =
        join_all((0..PLACERS).map(|placer| place(&scene, &nodes[usize::from(placer % 2 == 0)], seen, placer)));
    let readers = join_all((0..3).map(|reader| read(&nodes[usize::from(reader % 2 == 0)], seen, reader)));
    let moving = async {
        // Some orders first, and some after.
        let enough = async |count: usize| {
            while seen.all().len() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        enough(seen.all().len() + 200).await;
        move_it.await;
        enough(seen.all().len() + 100).await;
        seen.stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(placers, readers, moving);
}

#[test]
fn from_two_shards_to_three_and_back_under_load_no_order_is_lost_doubled_or_unreadable() {
    on_bed(async |bed| {
        let seen = Arc::new(Acknowledged::default());
        under_load(&bed, &seen, async {
            assert_eq!(bed.go(2, Which::Count(200)).await, 200);
        })
        .await;
        bed.is_settled().await;
        let places = bed.places().await;
        assert_eq!(places.values().map(|(shard, _)| *shard).collect::<std::collections::BTreeSet<_>>().len(), 3);
        under_load(&bed, &seen, async {
            let third: Vec<u16> = bed.rows(2, "SELECT bucket FROM t_bucket WHERE state = 0").await;
            assert_eq!(bed.go(0, Which::Buckets(third)).await, 200);
        })
        .await;
        bed.is_settled().await;
        let places = bed.places().await;
        let stored: BTreeMap<u64, u32> = places.iter().map(|(id, (_, version))| (*id, *version)).collect();
        let expected: BTreeMap<u64, u32> = seen.all().into_iter().map(|(id, version)| (id.get(), version)).collect();
        assert_eq!(stored, expected, "what was acknowledged, and nothing else");
        println!(
            "{} orders, {} reads checked, {} refusals, slowest change {} ms",
            stored.len(),
            seen.reads.load(Ordering::Relaxed),
            seen.refused.load(Ordering::Relaxed),
            seen.slowest_ms.load(Ordering::Relaxed)
        );
    });
}
