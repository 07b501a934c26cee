//! Waiting for one order to move, without looking at all the others.
//!
//! The order context wakes the watchers of each order it moves in this process. A move made by another process wakes
//! nobody, so a watcher also looks again every now and then; what it sees always comes from the store.

use doos_domain::ids::OrderId;
use doos_ports::clock::Clock;
use futures::future::select;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Default)]
pub struct Watchers {
    watched: Mutex<BTreeMap<OrderId, Arc<Notify>>>,
}

impl Watchers {
    pub(crate) fn wake(&self, orders: impl IntoIterator<Item = OrderId>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.is_empty() {
            return;
        }
        for order in orders {
            if let Some(moved) = watched.remove(&order) {
                moved.notify_waiters();
            }
        }
    }

    /// Starts watching at once; completes when the order may have moved.
    pub(crate) fn watch(&self, order: OrderId, clock: &dyn Clock) -> impl Future<Output = ()> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = Arc::clone(watched.entry(order).or_default()).notified_owned();
        let look_again = clock.sleep(LOOK_AGAIN);
        async move {
            select(pin!(moved), look_again).await;
        }
    }

    /// Forgets an order that nobody watches any more; a watcher left behind still looks again by itself.
    pub(crate) fn forget(&self, order: OrderId) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&order);
    }
}
