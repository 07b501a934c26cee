//! Following the change feed, so that nothing is answered in a version older than the feed has brought.
//!
//! What holds: the second level hears of a change before the memory does, so that an older version found there is met by
//! the flight's floor. A feed that cannot be read, or has left this process behind, ends the answers from here until it
//! is followed anew from its end; what was kept is forgotten then.

use doos_domain::order::Order;
use doos_ports::Result;
use doos_ports::bus::Position;
use doos_ports::change_feed::ChangeFeed;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::orders::CachedOrders;

const READ_LEN_MAX: usize = 1_024;
/// After the feed could not be read.
const PAUSE: Duration = Duration::from_millis(200);

impl CachedOrders {
    /// Follows until dropped.
    pub async fn follow(self: Arc<Self>, feed: Arc<dyn ChangeFeed>) {
        let mut is_first = true;
        loop {
            let ended = self.follow_from_the_end(&*feed).await;
            let was_followed = self.is_followed.swap(false, Ordering::AcqRel);
            match ended {
                Ok(()) => tracing::warn!("the change feed has left the order cache behind; it begins anew"),
                // Once for each outage.
                Err(error) if was_followed || is_first => {
                    tracing::warn!(%error, "orders are read from the store: the change feed cannot be followed");
                }
                Err(_) => {}
            }
            is_first = false;
            self.clock.sleep(PAUSE).await;
        }
    }

    /// Ends well once it was left behind.
    async fn follow_from_the_end(&self, feed: &dyn ChangeFeed) -> Result<()> {
        let mut position = feed.end().await?;
        self.memory.clear();
        if let Some(second) = &self.second {
            second.distrust();
        }
        self.is_followed.store(true, Ordering::Release);
        loop {
            let reached = self.pass(feed, position).await?;
            if position < feed.oldest().await? {
                return Ok(());
            }
            if reached == position {
                feed.ready(position).await;
            }
            position = reached;
        }
    }

    /// Takes in what the feed has after a position, and returns how far that was.
    pub async fn pass(&self, feed: &dyn ChangeFeed, position: Position) -> Result<Position> {
        let changes = feed.read(position, READ_LEN_MAX).await?;
        let Some(last) = changes.last() else { return Ok(position) };
        let mut newest: BTreeMap<u64, Arc<Order>> = BTreeMap::new();
        for changed in &changes {
            let slot = newest.entry(changed.order.id.get()).or_insert_with(|| Arc::clone(&changed.order));
            if slot.version < changed.order.version {
                *slot = Arc::clone(&changed.order);
            }
        }
        let newest: Vec<Arc<Order>> = newest.into_values().collect();
        if let Some(second) = &self.second {
            second.outdate(&newest).await;
        }
        for order in &newest {
            self.memory.learn(order, self.ttl(true));
        }
        Ok(last.position)
    }
}
