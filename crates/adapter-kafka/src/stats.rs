//! What the bus has counted, for metrics.

use doos_domain::message::Consumer;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::link::Link;
use crate::membership::Counters;

/// One look at the counters of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Messages acknowledged by the brokers, and reports of failure.
    pub published: u64,
    pub publish_failures: u64,
    /// Handed in and not acknowledged yet.
    pub publish_queue_len: usize,
    pub publish_queue_bytes: usize,
    /// Whether no broker answers, as far as the producer knows.
    pub is_away: bool,
    pub consumers: Vec<ConsumerStats>,
}

/// One consumer's part, over all its subscriptions in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerStats {
    pub consumer: Consumer,
    pub partitions_assigned: u64,
    pub rebalances: u64,
    pub partitions_revoked: u64,
    /// Taken away by a group that had given this member up: what was not committed is done again by others.
    pub partitions_lost: u64,
    /// Commits of offsets that the broker has taken.
    pub commits: u64,
    pub commits_failed: u64,
    /// Records that were no messages and have been put aside.
    pub unreadable: u64,
}

pub(crate) fn look<'a>(link: &Link, consumers: impl Iterator<Item = (Consumer, &'a Counters)>) -> Stats {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (publish_queue_len, publish_queue_bytes) = link.queued();
    let consumers = consumers.map(|(consumer, counters)| ConsumerStats {
        consumer,
        partitions_assigned: read(&counters.assigned),
        rebalances: read(&counters.rebalances),
        partitions_revoked: read(&counters.partitions_revoked),
        partitions_lost: read(&counters.partitions_lost),
        commits: read(&counters.commits),
        commits_failed: read(&counters.commits_failed),
        unreadable: read(&counters.unreadable),
    });
    Stats {
        published: read(&link.published),
        publish_failures: read(&link.failed),
        publish_queue_len,
        publish_queue_bytes,
        is_away: link.is_away(),
        consumers: consumers.collect(),
    }
}
