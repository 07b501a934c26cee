//! A consumer's own memory: how far it has read, what waits, what is parked.
//!
//! What holds: a consumer's progress is committed in the same unit as the effects it speaks of, so nothing is applied
//! twice or skipped. A message that must wait goes into the inbox with those of its order behind it, and the position
//! moves on: one stubborn order never blocks the others. What cannot be done after all tries is parked with its cause,
//! for an operator to replay or discard.
//!
//! Per order and consumer, what is behind a parked message is parked with it; only a release passes.

use async_trait::async_trait;
use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::{Consumer, Message};
use doos_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::Result;
use crate::bus::Position;

/// A message that is tried again later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub message: Message,
    /// Order of arrival within its order.
    pub sequence: u64,
    pub tries: u32,
    pub next_at: Timestamp,
    pub cause: String,
}

/// A message given up on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub consumer: Consumer,
    pub message: Message,
    pub sequence: u64,
    pub tries: u32,
    pub cause: String,
    pub parked_at: Timestamp,
}

/// What a consumer has settled, to be stored with its effects. `settled` is applied first, so that one progress can
/// take a message out and put it back in another shape; a message already waiting is replaced by its new entry.
#[derive(Clone, Debug)]
pub struct Progress {
    pub consumer: Consumer,
    /// The bus has been read up to here.
    pub position: Option<Position>,
    /// New or postponed messages.
    pub wait: Vec<Waiting>,
    pub park: Vec<DeadLetter>,
    /// Waiting or parked messages that are done now.
    pub settled: Vec<MessageId>,
    /// Every message that needs nothing more from this consumer, read just now or waited for: its sender is told.
    pub done: Vec<MessageId>,
    /// Messages to other contexts that this progress causes.
    pub outgoing: Vec<Message>,
}

impl Progress {
    pub const fn new(consumer: Consumer) -> Self {
        Self {
            consumer,
            position: None,
            wait: Vec::new(),
            park: Vec::new(),
            settled: Vec::new(),
            done: Vec::new(),
            outgoing: Vec::new(),
        }
    }

    pub const fn is_empty(&self) -> bool {
        self.position.is_none()
            && self.wait.is_empty()
            && self.park.is_empty()
            && self.settled.is_empty()
            && self.done.is_empty()
            && self.outgoing.is_empty()
    }
}

/// What stands in the way of an order's further messages at one consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub waiting: usize,
    pub parked: usize,
}

#[async_trait]
pub trait Inbox: Send + Sync {
    /// Waiting messages whose time has come, oldest first, at most one an order (its first), at most `limit`.
    async fn due(&self, consumer: Consumer, now: Timestamp, limit: usize) -> Result<Vec<Waiting>>;

    /// When the next waiting message is due.
    async fn next_due(&self, consumer: Consumer) -> Result<Option<Timestamp>>;

    async fn backlog(&self, consumer: Consumer, order: OrderId) -> Result<Backlog>;

    /// Of many orders, those that have any. A consumer asks this for every group, so an engine at the other end of a
    /// network answers it in one question.
    async fn backlogs(&self, consumer: Consumer, orders: &[OrderId]) -> Result<BTreeMap<OrderId, Backlog>> {
        let mut backlogs = BTreeMap::new();
        for order in orders {
            let backlog = self.backlog(consumer, *order).await?;
            if backlog != Backlog::default() {
                backlogs.insert(*order, backlog);
            }
        }
        Ok(backlogs)
    }

    /// Waiting messages of one order, in order of arrival.
    async fn waiting_of(&self, consumer: Consumer, order: OrderId) -> Result<Vec<Waiting>>;

    async fn waiting_count(&self, consumer: Consumer) -> Result<usize>;

    /// Parked messages, oldest first, after `after`.
    async fn dead_letters(&self, after: Option<MessageId>, limit: usize) -> Result<Vec<DeadLetter>>;

    async fn dead_letter(&self, id: &MessageId) -> Result<Option<DeadLetter>>;

    async fn dead_letter_count(&self) -> Result<usize>;

    /// Stores progress that comes with no other effect: a replay, a discard, a message that needed nothing.
    async fn store(&self, progress: Progress) -> Result<()>;
}
