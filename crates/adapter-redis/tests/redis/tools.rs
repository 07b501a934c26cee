//! Shared limits, shared cache, and the lock.

use doos_adapter_redis::{Link, LockOptions, Options, RedisCache, RedisLimits, RedisLock};
use doos_ports::Error;
use doos_ports::cache::{Cached, Looked, REMEMBERED_MS, SharedCache};
use doos_ports::fenced_lock::FencedLock;
use doos_ports::rate_limits::{Rate, SharedLimits, Taken};
use futures::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::common::server::free_port;
use crate::common::{RealClock, on_redis, options, runtime};

fn nobody() -> Arc<Link> {
    let options = Options { ..options(&format!("127.0.0.1:{}", free_port()), "doos") };
    Link::new(options, RealClock::start()).unwrap()
}

#[test]
fn gateways_share_a_bucket_and_each_key_has_its_own() {
    on_redis(async |link| {
        let (one, other) = (RedisLimits::new(Arc::clone(&link)), RedisLimits::new(link));
        // So slow that the test's own time adds nothing.
        let rate = Rate { per_second: 1, burst: 50 };
        let mut granted = 0;
        for _ in 0..40 {
            for gateway in [&one, &other] {
                granted += usize::from(gateway.take("user:1", rate, 1).await == Taken::Granted);
            }
        }
        assert!((50..=60).contains(&granted), "{granted} of 80, with 50 to give and one a second");
        assert_eq!(one.take("user:2", rate, 50).await, Taken::Granted);
        let Taken::Refused { retry_after } = other.take("user:2", rate, 10).await else { panic!("it is empty") };
        assert!(retry_after > Duration::from_secs(5) && retry_after <= Duration::from_secs(10), "{retry_after:?}");
    });
}

#[test]
fn tokens_come_back_with_time_up_to_the_bucket_s_size() {
    on_redis(async |link| {
        let limits = RedisLimits::new(link);
        let rate = Rate { per_second: 200, burst: 4 };
        assert_eq!(limits.take("k", rate, 4).await, Taken::Granted);
        let Taken::Refused { retry_after } = limits.take("k", rate, 4).await else { panic!("it is empty") };
        assert!(retry_after <= Duration::from_millis(20), "{retry_after:?}");
        tokio::time::sleep(retry_after * 4).await;
        assert_eq!(limits.take("k", rate, 4).await, Taken::Granted);
        assert!(matches!(limits.take("k", rate, 5).await, Taken::Refused { .. }), "never more than its size");
    });
}

#[test]
fn with_redis_away_the_limit_is_the_caller_s_and_the_cache_is_empty() {
    runtime().block_on(async {
        let (limits, cache) = (RedisLimits::new(nobody()), RedisCache::new(nobody()));
        assert_eq!(limits.take("k", Rate { per_second: 1, burst: 1 }, 1).await, Taken::Away);
        let cached = Cached { version: 1, bytes: vec![1] };
        assert!(!cache.put("order", "1", &cached, 0, Duration::from_secs(9)).await);
        assert_eq!(cache.get("order", "1").await, Looked::Away);
        assert!(!cache.outdate("order", &[("1".to_owned(), 2)]).await);
    });
}

/// What is there, and the engine's time.
async fn look(cache: &RedisCache, kind: &str) -> (Option<Cached>, u64) {
    match cache.get(kind, "1").await {
        Looked::There { cached, at_ms, put_at_ms } => {
            assert!(put_at_ms <= at_ms);
            (Some(cached), at_ms)
        }
        Looked::Missing { at_ms } => (None, at_ms),
        Looked::Away => panic!("Redis is there"),
    }
}

#[test]
fn an_outdated_version_cannot_come_back() {
    on_redis(async |link| {
        let cache = RedisCache::new(link);
        let entry = |version: u64| Cached { version, bytes: vec![0, 255, version as u8] };
        let ttl = Duration::from_secs(60);
        let outdate = async |version: u64| cache.outdate("order", &[("1".to_owned(), version)]).await;
        let (found, at) = look(&cache, "order").await;
        assert_eq!(found, None);
        assert!(cache.put("order", "1", &entry(3), at, ttl).await);
        assert_eq!(look(&cache, "order").await.0, Some(entry(3)));
        assert_eq!(look(&cache, "product").await.0, None, "kinds are apart");
        assert!(!cache.put("order", "1", &entry(2), at, ttl).await, "an older one comes late");
        assert!(outdate(4).await);
        assert_eq!(look(&cache, "order").await.0, None);
        assert!(!cache.put("order", "1", &entry(3), at, ttl).await, "read before the change, put after it");
        assert!(cache.put("order", "1", &entry(4), at, ttl).await);
        assert!(outdate(4).await);
        assert_eq!(look(&cache, "order").await.0, Some(entry(4)), "what is already new stays");
        let long_ago = at - REMEMBERED_MS - 1;
        assert!(!cache.put("order", "1", &entry(5), long_ago, ttl).await, "what it was told since may be forgotten");
    });
}

#[test]
fn many_are_outdated_at_once_and_those_that_nobody_has_put_as_well() {
    on_redis(async |link| {
        let cache = RedisCache::new(link);
        let entry = Cached { version: 1, bytes: vec![7] };
        let (_, at) = look(&cache, "order").await;
        for key in ["0", "299"] {
            assert!(cache.put("order", key, &entry, at, Duration::from_secs(60)).await);
        }
        let newer: Vec<(String, u64)> = (0..300).map(|key| (key.to_string(), 2)).collect();
        assert!(cache.outdate("order", &newer).await);
        for key in ["0", "150", "299"] {
            assert!(matches!(cache.get("order", key).await, Looked::Missing { .. }), "{key}");
            assert!(!cache.put("order", key, &entry, at, Duration::from_secs(60)).await, "{key}");
        }
    });
}

#[test]
fn a_cached_entry_ends_with_its_time_to_live() {
    on_redis(async |link| {
        let cache = RedisCache::new(link);
        let entry = Cached { version: 1, bytes: vec![7] };
        let (_, at) = look(&cache, "order").await;
        assert!(cache.put("order", "1", &entry, at, Duration::from_millis(50)).await);
        let ended = async {
            while look(&cache, "order").await.0.is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it ends");
    });
}

#[test]
fn of_many_takers_one_at_a_time_has_the_lock_and_fences_only_grow() {
    on_redis(async |link| {
        let options = LockOptions { wait_max: Duration::from_secs(60), ..LockOptions::default() };
        let lock = RedisLock::new(link, LockOptions { lease: Duration::from_secs(60), ..options });
        let (inside, last) = (AtomicU64::new(0), AtomicU64::new(0));
        // Overlapping names, in different orders.
        let names = [["a", "b"], ["b", "c"], ["c", "b"], ["b", "a"]].map(|names| names.map(str::to_owned).to_vec());
        let takers = (0..40).map(|number| {
            let (lock, inside, last, names) = (&lock, &inside, &last, &names[number % 4]);
            async move {
                let held = lock.take(names).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "b is in every pair");
                assert!(last.swap(held.fence, Ordering::SeqCst) < held.fence);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                lock.give_back(held).await.unwrap();
            }
        });
        join_all(takers).await;
    });
}

#[test]
fn a_lock_ends_with_its_lease_and_its_late_holder_cannot_give_back_the_next_one_s() {
    on_redis(async |link| {
        let lease = Duration::from_millis(50);
        let wait_max = Duration::from_secs(30);
        let lock = RedisLock::new(Arc::clone(&link), LockOptions { lease, wait_max, ..LockOptions::default() });
        let names = ["stock:1".to_owned()];
        let first = lock.take(&names).await.unwrap();
        let patient = RedisLock::new(link, LockOptions { wait_max: Duration::ZERO, ..LockOptions::default() });
        let second = loop {
            match patient.take(&names).await {
                Ok(held) => break held,
                Err(Error::Busy { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(other) => panic!("{other:?}"),
            }
        };
        assert!(second.fence > first.fence);
        lock.give_back(first).await.unwrap();
        assert!(matches!(patient.take(&names).await, Err(Error::Busy { .. })), "the second still has it");
        patient.give_back(second).await.unwrap();
        lock.take(&names).await.unwrap();
    });
}
