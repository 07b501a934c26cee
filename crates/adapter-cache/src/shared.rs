//! What is believed of the second level.
//!
//! What holds: an entry is believed if it was put while this process was already passing every change on to the second
//! level, and long enough after it began for the look before the put to lie behind that beginning. So whatever changed
//! before is not found in it, even if nobody outdated it then: no process ran, or the engine was away and came back with
//! what it had.

use doos_domain::ids::OrderId;
use doos_domain::order::Order;
use doos_ports::cache::{Cached, Looked, REMEMBERED_MS, SharedCache};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const KIND: &str = "order";

pub(crate) struct Second {
    cache: Arc<dyn SharedCache>,
    /// By the engine's clock; 0: from the next look on.
    trusted_from_ms: AtomicU64,
}

/// What a look at the second level brought.
pub(crate) enum Sight {
    Order(Arc<Order>),
    /// None that is believed; what is loaded now may be put for this look.
    None {
        looked_at_ms: u64,
    },
    Away,
}

impl Second {
    pub fn new(cache: Arc<dyn SharedCache>) -> Self {
        Self { cache, trusted_from_ms: AtomicU64::new(0) }
    }

    /// What was put up to now is not believed any more.
    pub fn distrust(&self) {
        self.trusted_from_ms.store(0, Ordering::Release);
    }

    fn believes(&self, put_at_ms: u64, now_ms: u64) -> bool {
        match self.trusted_from_ms.load(Ordering::Acquire) {
            0 => {
                // Whoever is first sets it; the others come to nearly the same.
                let _ = self.trusted_from_ms.compare_exchange(0, now_ms, Ordering::AcqRel, Ordering::Acquire);
                false
            }
            from_ms => put_at_ms >= from_ms.saturating_add(2 * REMEMBERED_MS),
        }
    }

    pub async fn look(&self, id: OrderId) -> Sight {
        match self.cache.get(KIND, &id.to_string()).await {
            Looked::Away => Sight::Away,
            Looked::Missing { at_ms } => {
                // The first look begins the time from which it is believed, whatever it finds.
                self.believes(0, at_ms);
                Sight::None { looked_at_ms: at_ms }
            }
            Looked::There { cached, put_at_ms, at_ms } => {
                // What another version of this program has put, and cannot be read here, is as good as nothing.
                let order = serde_json::from_slice::<Order>(&cached.bytes).ok();
                let is_believed = self.believes(put_at_ms, at_ms);
                match order.filter(|order| is_believed && u64::from(order.version) == cached.version && order.id == id)
                {
                    Some(order) => Sight::Order(Arc::new(order)),
                    None => Sight::None { looked_at_ms: at_ms },
                }
            }
        }
    }

    pub async fn put(&self, order: &Order, looked_at_ms: u64, ttl: Duration) {
        let Ok(bytes) = serde_json::to_vec(order) else { return };
        let cached = Cached { version: u64::from(order.version), bytes };
        self.cache.put(KIND, &order.id.to_string(), &cached, looked_at_ms, ttl).await;
    }

    /// Passes changes on. If the engine may not have heard of them, what it has is not believed.
    pub async fn outdate(&self, newer: &[Arc<Order>]) {
        let newer: Vec<(String, u64)> =
            newer.iter().map(|order| (order.id.to_string(), u64::from(order.version))).collect();
        if !self.cache.outdate(KIND, &newer).await {
            self.distrust();
        }
    }
}
