//! Two processes and the cache that they share: what is taken from it, and when it is not believed.

use async_trait::async_trait;
use doos_adapter_cache::{CachedOrders, Options};
use doos_domain::order::Order;
use doos_ports::cache::{Cached, Looked, REMEMBERED_MS, SharedCache};
use doos_ports::order_store::OrderStore;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bed::{Process, engines, runtime};

/// What the engine does, on time that the test moves on. It keeps what it has while it is away.
#[derive(Default)]
struct Board {
    now_ms: AtomicU64,
    is_away: AtomicBool,
    entries: Mutex<HashMap<String, Entry>>,
}

/// Version, bytes unless the key was given up, and when it was put.
type Entry = (u64, Option<Vec<u8>>, u64);

impl Board {
    fn now_ms(&self) -> u64 {
        1_000_000 + self.now_ms.load(Ordering::Relaxed)
    }

    fn pass(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl SharedCache for Board {
    async fn get(&self, _kind: &str, key: &str) -> Looked {
        if self.is_away() {
            return Looked::Away;
        }
        let at_ms = self.now_ms();
        match self.entries.lock().unwrap().get(key) {
            Some((version, Some(bytes), put_at_ms)) => {
                let cached = Cached { version: *version, bytes: bytes.clone() };
                Looked::There { cached, put_at_ms: *put_at_ms, at_ms }
            }
            _ => Looked::Missing { at_ms },
        }
    }

    async fn put(&self, _kind: &str, key: &str, cached: &Cached, looked_at_ms: u64, _ttl: Duration) -> bool {
        let (now_ms, mut entries) = (self.now_ms(), self.entries.lock().unwrap());
        let known = entries.get(key).map(|(version, ..)| *version);
        if self.is_away() || now_ms - looked_at_ms > REMEMBERED_MS || known > Some(cached.version) {
            return false;
        }
        entries.insert(key.to_owned(), (cached.version, Some(cached.bytes.clone()), now_ms));
        true
    }

    async fn outdate(&self, _kind: &str, newer: &[(String, u64)]) -> bool {
        if self.is_away() {
            return false;
        }
        let mut entries = self.entries.lock().unwrap();
        for (key, version) in newer {
            if entries.get(key).is_none_or(|(known, ..)| known < version) {
                entries.insert(key.clone(), (*version, None, self.now_ms()));
            }
        }
        true
    }
}

/// A process whose memory has no room, so that each read goes to the second level.
#[expect(clippy::disallowed_methods, reason = "the test stands in for the node, which owns its tasks")]
async fn start(writer: &Process, board: &Arc<Board>) -> Arc<CachedOrders> {
    let options = Options { orders_max: 0, ..Options::default() };
    let (store, clock) = (Arc::clone(&writer.ports.orders), Arc::clone(&writer.ports.clock));
    let cached = CachedOrders::new(store, Some(Arc::clone(board) as _), clock, options);
    tokio::task::spawn(Arc::clone(&cached).follow(Arc::clone(&writer.ports.feed)));
    while !cached.counts().is_followed {
        tokio::task::yield_now().await;
    }
    cached
}

async fn read(cached: &CachedOrders, order: &Order) -> u32 {
    cached.read(order.id).await.unwrap().unwrap().version
}

async fn until_passed(cached: &CachedOrders, order: &Order) {
    for _ in 0..10_000 {
        if read(cached, order).await >= order.version {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the feed has brought it, and an older version is read");
}

const TRUST: u64 = 2 * REMEMBERED_MS;

#[test]
fn what_one_process_has_read_another_takes_from_the_shared_cache_until_it_changes() {
    runtime().block_on(async {
        let (engines, board) = (engines(), Arc::new(Board::default()));
        let writer = Process::start(&engines, 1, Options::default()).await;
        let (one, other) = (start(&writer, &board).await, start(&writer, &board).await);
        let placed = writer.commit(0, writer.new_order(1)).await;
        for cached in [&one, &other] {
            until_passed(cached, &placed).await;
        }
        board.pass(TRUST);
        let second = writer.commit(0, writer.new_order(2)).await;
        until_passed(&one, &second).await;
        board.pass(1);
        // Put by the first one long after the second began: it takes it from there.
        let before = other.counts().shared;
        assert_eq!(read(&other, &second).await, 1);
        assert_eq!(other.counts().shared, before + 1);
        let cancelled = writer.cancel(&second).await;
        until_passed(&one, &cancelled).await;
        until_passed(&other, &cancelled).await;
        for _ in 0..5 {
            assert_eq!(read(&other, &second).await, cancelled.version);
        }
    });
}

#[test]
fn what_was_put_before_a_process_followed_the_feed_is_not_believed() {
    runtime().block_on(async {
        let (engines, board) = (engines(), Arc::new(Board::default()));
        let writer = Process::start(&engines, 1, Options::default()).await;
        let placed = writer.commit(0, writer.new_order(1)).await;
        let stale = Cached { version: 1, bytes: serde_json::to_vec(&*placed).unwrap() };
        // Nobody followed the feed when it changed, so nobody has outdated what is there.
        let cancelled = writer.cancel(&placed).await;
        assert!(board.put("order", &placed.id.to_string(), &stale, board.now_ms(), Duration::from_secs(600)).await);
        let late = start(&writer, &board).await;
        for _ in 0..5 {
            assert_eq!(read(&late, &placed).await, cancelled.version);
            board.pass(REMEMBERED_MS);
        }
    });
}

#[test]
fn with_the_engine_away_reads_go_on_and_what_it_missed_is_not_believed_afterwards() {
    runtime().block_on(async {
        let (engines, board) = (engines(), Arc::new(Board::default()));
        let writer = Process::start(&engines, 1, Options::default()).await;
        let cached = start(&writer, &board).await;
        let placed = writer.commit(0, writer.new_order(1)).await;
        until_passed(&cached, &placed).await;
        board.pass(TRUST + 1);
        let stale = Cached { version: 1, bytes: serde_json::to_vec(&*placed).unwrap() };
        board.put("order", &placed.id.to_string(), &stale, board.now_ms(), Duration::from_secs(600)).await;
        assert_eq!(read(&cached, &placed).await, 1);
        assert!(cached.counts().shared > 0, "it was believed");
        board.away(true);
        let cancelled = writer.cancel(&placed).await;
        until_passed(&cached, &cancelled).await;
        board.away(false);
        for _ in 0..5 {
            assert_eq!(read(&cached, &placed).await, cancelled.version, "it came back with what it had");
        }
    });
}
