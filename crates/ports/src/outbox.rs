//! Messages committed with their orders and not yet known to be on the bus.
//!
//! The relay publishes what this port hands out and marks it. An engine whose journal is the bus hands out nothing.

use async_trait::async_trait;
use doos_domain::ids::MessageId;
use doos_domain::message::Message;
use doos_domain::time::Timestamp;

use crate::Result;

#[async_trait]
pub trait Outbox: Send + Sync {
    /// Open messages of all shards that are due, oldest first. Repeats until they are marked.
    async fn open(&self, now: Timestamp, limit: usize) -> Result<Vec<Message>>;

    async fn mark_published(&self, ids: Vec<MessageId>, now: Timestamp) -> Result<()>;

    /// Waits until something may be open; dropping the future loses nothing.
    async fn ready(&self);
}
