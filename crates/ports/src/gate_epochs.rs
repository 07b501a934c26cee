//! The epoch of the stock gate, as each order shard keeps it: what keeps a gate that was replaced from selling.
//!
//! Contract: a shard stores a new order only if its hold was given under the shard's epoch, which it reads in the
//! storing transaction under a lock that `raise` waits for. So when `raise` returns, whatever was held under an earlier
//! epoch is either stored, and found by `undecided`, or will never be stored there.
//!
//! What must never happen: an epoch that goes down.

use async_trait::async_trait;
use doos_domain::order::Order;
use std::sync::Arc;

use crate::Result;

#[async_trait]
pub trait GateEpochs: Send + Sync {
    /// Shards are numbered from 0.
    fn shard_count(&self) -> usize;

    /// What the shard has now; 0 before the first.
    async fn epoch(&self, shard: usize) -> Result<u64>;

    /// Raises it, after the groups that are under way. Returns what the shard has then: a higher one stays.
    async fn raise(&self, shard: usize, epoch: u64) -> Result<u64>;

    /// The shard's orders whose stock message has not been decided, cancelled ones included.
    async fn undecided(&self, shard: usize) -> Result<Vec<Arc<Order>>>;
}
