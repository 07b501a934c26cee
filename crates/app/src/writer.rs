//! The way every change of an order takes: into the group of the moment of its shard.
//!
//! What holds: one queue and one group in flight a shard; a full queue refuses at once; a change whose flusher is gone
//! has an unknown outcome, never a failed one.

use doos_batcher::{Limits, Sender};
use doos_ports::Ports;
use doos_ports::clock::Clock;
use doos_ports::order_store::{Change, CommitError, OrderStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counters::Counters;
use crate::{Loop, Options};

type Outcome = Result<(), CommitError>;
const IDLE: u64 = u64::MAX;
/// So many callers in one group have waited for each other: there is more to do than can be done at once. At half of
/// what a machine can serve groups hold two or three.
const PRESSED_LEN: usize = 8;
/// How long one such group speaks for; under load the next one follows much sooner.
const PRESSED_FOR_MS: u64 = 20;

struct Shard {
    queue: Sender<Change, Outcome>,
    /// Monotonic time at which the group in flight was started.
    flying_since_ms: Arc<AtomicU64>,
    /// Until when the shard's callers count as waiting for each other.
    pressed_until_ms: Arc<AtomicU64>,
}

pub(crate) struct Writer {
    orders: Arc<dyn OrderStore>,
    shards: Vec<Shard>,
}

impl Writer {
    pub(crate) fn new(ports: &Ports, options: &Options, counters: &Arc<Counters>) -> (Self, Vec<Loop>) {
        let orders = Arc::clone(&ports.orders);
        let limits = Limits {
            queue_len_max: options.order_queue_len_max,
            group_len_max: options.order_group_len_max,
            group_weight_max: options.order_group_bytes_max,
        };
        let mut shards = Vec::new();
        let mut loops = Vec::new();
        for number in 0..orders.shard_count() {
            let (queue, receiver) = doos_batcher::channel(limits);
            let flying_since_ms = Arc::new(AtomicU64::new(IDLE));
            let pressed_until_ms = Arc::new(AtomicU64::new(0));
            let flusher = Flusher {
                orders: Arc::clone(&orders),
                clock: Arc::clone(&ports.clock),
                counters: Arc::clone(counters),
                flying_since_ms: Arc::clone(&flying_since_ms),
                pressed_until_ms: Arc::clone(&pressed_until_ms),
            };
            loops.push(Loop { name: format!("orders-{number}"), run: Box::pin(flusher.run(receiver)) });
            shards.push(Shard { queue, flying_since_ms, pressed_until_ms });
        }
        (Self { orders, shards }, loops)
    }

    pub(crate) async fn commit(&self, change: Change) -> Outcome {
        let shard = &self.shards[self.orders.shard_of(change.order.id)];
        // Close enough to its stored size; groups are bounded by it, nothing else depends on it.
        let weight = 512 + change.order.lines.len() * 96 + change.order.history.len() * 96;
        let pending = shard.queue.submit(change, weight).map_err(refused)?;
        pending.reply().await.map_err(refused)?
    }

    pub(crate) fn depth(&self) -> usize {
        self.shards.iter().map(|shard| shard.queue.depth()).sum()
    }

    pub(crate) fn age_ms(&self, clock: &dyn Clock) -> u64 {
        let oldest = self.shards.iter().map(|shard| shard.flying_since_ms.load(Ordering::Relaxed)).min();
        oldest.filter(|since| *since != IDLE).map_or(0, |since| now_ms(clock).saturating_sub(since))
    }

    /// Whether callers come so thick that they wait for each other.
    pub(crate) fn is_pressed(&self, clock: &dyn Clock) -> bool {
        let now_ms = now_ms(clock);
        self.shards.iter().any(|shard| shard.pressed_until_ms.load(Ordering::Relaxed) > now_ms)
    }
}

struct Flusher {
    orders: Arc<dyn OrderStore>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    flying_since_ms: Arc<AtomicU64>,
    pressed_until_ms: Arc<AtomicU64>,
}

impl Flusher {
    async fn run(self, mut receiver: doos_batcher::Receiver<Change, Outcome>) {
        while let Some(group) = receiver.next_group().await {
            let begun = self.clock.monotonic();
            let begun_ms = now_ms(&*self.clock);
            self.flying_since_ms.store(begun_ms, Ordering::Relaxed);
            let (changes, replies) = group.into_parts();
            if changes.len() >= PRESSED_LEN {
                self.pressed_until_ms.store(begun_ms + PRESSED_FOR_MS, Ordering::Relaxed);
            }
            self.counters.commit_groups.add(1);
            self.counters.commit_group_len_last.set(changes.len() as i64);
            let outcomes = self.orders.commit(changes).await;
            self.flying_since_ms.store(IDLE, Ordering::Relaxed);
            let took = self.clock.monotonic().saturating_sub(begun);
            self.counters.commit_group_ms_last.set(i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
            self.counters.commit_times.add(took);
            replies.send(outcomes);
        }
    }
}

fn now_ms(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.monotonic().as_millis()).unwrap_or(IDLE - 1)
}

fn refused(error: doos_batcher::Error) -> CommitError {
    let engine = "the order store";
    CommitError::Engine(match error {
        doos_batcher::Error::Full => doos_ports::Error::Busy { engine },
        doos_batcher::Error::Closed => doos_ports::Error::Unavailable { engine, cause: "shutting down".to_owned() },
        doos_batcher::Error::Gone => doos_ports::Error::Unknown { engine, cause: "the writer is gone".to_owned() },
    })
}
