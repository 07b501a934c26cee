//! Coming into a group, being given partitions and losing them, and leaving it.
//!
//! What holds: the callbacks run inside the subscription's own calls, never beside them, so that a partition cannot
//! vanish in the middle of a poll. Offsets of a revoked partition are committed before it goes to somebody else; those
//! of a lost one are not, since it is somebody else's already.

use doos_domain::message::Consumer;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

use crate::ledger::{Ledger, Offsets};
use crate::log;
use crate::subscription::Member;

/// How long a new subscription waits for an old one of this process to be out of the group. Past that the two are
/// members side by side for a while, which is only slower.
const LEAVING_MAX: Duration = Duration::from_secs(5);

/// Of one consumer in this process, over all its subscriptions.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) assigned: AtomicU64,
    pub(crate) rebalances: AtomicU64,
    pub(crate) partitions_revoked: AtomicU64,
    pub(crate) partitions_lost: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) commits_failed: AtomicU64,
    pub(crate) unreadable: AtomicU64,
    /// Stored in this process and perhaps not committed yet, of the partitions that are ours.
    pub(crate) settled: Mutex<Offsets>,
}

impl Counters {
    pub(crate) fn settled(&self) -> MutexGuard<'_, Offsets> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Membership {
    consumer: Consumer,
    ledger: Mutex<Ledger>,
    pub(crate) counters: Arc<Counters>,
    has_joined: AtomicBool,
    pub(crate) joined: Notify,
}

impl Membership {
    pub(crate) fn new(consumer: Consumer, counters: Arc<Counters>) -> Self {
        let has_joined = AtomicBool::new(false);
        Self { consumer, ledger: Mutex::default(), counters, has_joined, joined: Notify::new() }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_joined(&self) -> bool {
        self.has_joined.load(Ordering::Acquire)
    }

    pub(crate) fn note_settled(&self, offsets: &Offsets) {
        self.counters.settled().extend(offsets);
    }

    fn take_away(&self, partitions: &[i32]) {
        self.ledger().revoke(partitions.iter().copied());
        self.counters.settled().retain(|partition, _| !partitions.contains(partition));
        self.counters.assigned.fetch_sub(partitions.len() as u64, Ordering::Relaxed);
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(|element| element.partition()).collect()
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::line(self.consumer.name(), level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(consumer = %self.consumer, error = %error, reason, "the consumer met an error");
    }
}

impl ConsumerContext for Membership {
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.counters.rebalances.fetch_add(1, Ordering::Relaxed);
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = partitions(list);
                tracing::info!(consumer = %self.consumer, ?partitions, "partitions assigned");
                self.counters.assigned.fetch_add(partitions.len() as u64, Ordering::Relaxed);
                self.ledger().assign(partitions);
            }
            Rebalance::Revoke(list) => {
                let (partitions, is_lost) = (partitions(list), client.assignment_lost());
                let counter = if is_lost { &self.counters.partitions_lost } else { &self.counters.partitions_revoked };
                counter.fetch_add(partitions.len() as u64, Ordering::Relaxed);
                tracing::info!(consumer = %self.consumer, ?partitions, is_lost, "partitions taken away");
                self.take_away(&partitions);
            }
            Rebalance::Error(error) => tracing::warn!(consumer = %self.consumer, error = %error, "rebalance failed"),
        }
    }

    fn post_rebalance(&self, _client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if matches!(rebalance, Rebalance::Assign(_)) {
            self.has_joined.store(true, Ordering::Release);
            self.joined.notify_one();
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        match result {
            Ok(()) => {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
            }
            // Nothing new was stored since the last one.
            Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::NoOffset) => {}
            // What is not committed now goes with the next commit, or is read again by the next owner.
            Err(error) => {
                self.counters.commits_failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(consumer = %self.consumer, error = %error, "offsets could not be committed");
            }
        }
    }
}

/// Subscriptions of this process that are on their way out of their groups.
#[derive(Default)]
pub(crate) struct Leaving {
    under_way: Mutex<BTreeMap<Consumer, Vec<oneshot::Receiver<()>>>>,
}

impl Leaving {
    fn under_way(&self) -> MutexGuard<'_, BTreeMap<Consumer, Vec<oneshot::Receiver<()>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, consumer: Consumer, member: Member) {
        let (gone, left) = oneshot::channel();
        let leave = move || {
            drop(member);
            // Nobody may be waiting.
            let _ = gone.send(());
        };
        self.under_way().entry(consumer).or_default().push(left);
        if let Err(error) = std::thread::Builder::new().name(format!("leave {consumer}")).spawn(leave) {
            // The closure, and the member with it, has been dropped by now: it has left from this thread.
            tracing::debug!(error = %error, "no thread to leave a group from");
        }
    }

    pub(crate) async fn ended(&self, consumer: Consumer) {
        let leaving = self.under_way().remove(&consumer).unwrap_or_default();
        let all = futures::future::join_all(leaving);
        if tokio::time::timeout(LEAVING_MAX, all).await.is_err() {
            tracing::debug!(%consumer, "an old subscription is still leaving");
        }
    }
}
