//! What is answered from memory, and what never is.

use doos_adapter_cache::Options;
use std::sync::Arc;

use crate::bed::{Process, engines, runtime};

#[test]
fn what_another_process_has_changed_is_not_read_any_more_once_the_feed_has_brought_it() {
    runtime().block_on(async {
        let engines = engines();
        let one = Process::start(&engines, 1, Options::default()).await;
        let other = Process::start(&engines, 2, Options::default()).await;
        let placed = one.commit(0, one.new_order(1)).await;
        assert_eq!(other.read(&placed).await, Some(Arc::clone(&placed)));
        assert_eq!(other.read(&placed).await, Some(Arc::clone(&placed)));
        assert_eq!((other.cached.counts().reads, other.cached.counts().memory), (2, 1));
        let cancelled = one.cancel(&placed).await;
        assert_eq!(one.read(&placed).await, Some(Arc::clone(&cancelled)), "its own it sees at once");
        // The follower is a task of this thread: it has had its turn when the feed has nothing new for it.
        for _ in 0..1_000 {
            if other.read(&placed).await.unwrap().version == cancelled.version {
                break;
            }
            tokio::task::yield_now().await;
        }
        let reads_before = other.cached.counts();
        assert_eq!(other.read(&placed).await, Some(cancelled), "in its place is the new version");
        assert_eq!(other.cached.counts().memory, reads_before.memory + 1, "which the feed itself has brought");
    });
}

#[test]
fn that_there_is_no_such_order_is_kept_until_there_is_one() {
    runtime().block_on(async {
        let engines = engines();
        let one = Process::start(&engines, 1, Options::default()).await;
        let other = Process::start(&engines, 2, Options::default()).await;
        let order = one.new_order(1);
        for _ in 0..5 {
            assert_eq!(other.read(&order).await, None);
        }
        assert_eq!(other.cached.counts().memory, 4, "asked for once");
        let placed = one.commit(0, order).await;
        for _ in 0..1_000 {
            if other.read(&placed).await.is_some() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the feed has brought it, and it is still said not to be there");
    });
}

#[test]
fn while_the_feed_is_not_followed_everything_is_read_from_the_store() {
    runtime().block_on(async {
        let engines = engines();
        let process = Process::start(&engines, 1, Options::default()).await;
        let placed = process.commit(0, process.new_order(1)).await;
        let unfollowed = doos_adapter_cache::CachedOrders::new(
            Arc::clone(&engines.orders) as _,
            None,
            Arc::clone(&process.ports.clock),
            Options::default(),
        );
        let read = async || doos_ports::order_store::OrderStore::read(&*unfollowed, placed.id).await.unwrap();
        assert_eq!(read().await, Some(Arc::clone(&placed)));
        let cancelled = process.cancel(&placed).await;
        assert_eq!(read().await, Some(cancelled));
        let counts = unfollowed.counts();
        assert_eq!((counts.reads, counts.memory, counts.kept, counts.is_followed), (2, 0, 0, false));
    });
}
