//! Where orders live: one row each, changed by compare-and-set, in groups.
//!
//! Contract of `commit`: each change is its own unit (row, messages and stored answer together, or nothing), and gets
//! its own result; a loser never fails its neighbours. When it returns `Ok`, the change is synced to disk and every
//! reader sees it; before that nobody does. An engine knows versions and keys, no rules.
//!
//! Contract of `consume`: all changes of the group and the consumer's progress are one unit; one lost version and
//! nothing of it is stored.
//!
//! Contract of `void`: an id is either an order or void, for ever; the first wins, also against a commit in flight.

use async_trait::async_trait;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{OrderId, UserId};
use doos_domain::message::Message;
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use std::sync::Arc;

use crate::Result;
use crate::inbox::Progress;

/// One order's next version with everything that belongs to it.
#[derive(Clone, Debug)]
pub struct Change {
    /// The version this was decided on; 0 for a new order.
    pub expected_version: u32,
    pub order: Arc<Order>,
    pub messages: Vec<Message>,
    pub answer: Option<Answer>,
    /// Of a new order: the epoch of the gate that holds its stock. Where another one stands, it is refused as
    /// unavailable and its call may be made again. None where no hold can have been lost.
    pub gate_epoch: Option<u64>,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    #[error("the order has moved on; it is not at version {expected} any more")]
    Conflict { expected: u32 },
    #[error("the order id has been given up")]
    Void,
    /// Somebody was first with this key; here is what they were told.
    #[error("the idempotency key has been answered")]
    Answered(Box<Answer>),
    #[error(transparent)]
    Engine(#[from] crate::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voided {
    /// The id is void now, or was before.
    Void,
    /// There is an order under it.
    Order,
}

/// Newest first. `before` is the id after which the last page ended.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub user_id: Option<UserId>,
    pub statuses: Vec<Status>,
    pub before: Option<OrderId>,
    pub limit: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Page {
    pub orders: Vec<Arc<Order>>,
    /// Set when there may be more: pass it as `before`.
    pub next: Option<OrderId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    Ready,
    Published,
    Consumed,
    Failed,
}

impl MessageState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Published => "published",
            Self::Consumed => "consumed",
            Self::Failed => "failed",
        }
    }
}

#[async_trait]
pub trait OrderStore: Send + Sync {
    async fn commit(&self, group: Vec<Change>) -> Vec<Result<(), CommitError>>;

    async fn consume(&self, group: Vec<Change>, progress: Progress) -> Result<(), CommitError>;

    async fn void(&self, id: OrderId) -> Result<Voided>;

    async fn load(&self, id: OrderId) -> Result<Option<Arc<Order>>>;

    /// An order for showing: perhaps as old as the change feed of this process is behind, never older, and never older
    /// than what this process has committed itself. Whoever decides on an order loads it.
    async fn read(&self, id: OrderId) -> Result<Option<Arc<Order>>> {
        self.load(id).await
    }

    async fn find_answer(&self, key: &AnswerKey) -> Result<Option<Answer>>;

    /// Stores an answer that comes with no change of an order. The first one under its key wins and is returned.
    async fn remember(&self, answer: Answer) -> Result<Answer>;

    async fn list(&self, query: Query) -> Result<Page>;

    /// Orders in one of `statuses` created before `created_before`, oldest first, after `after`: for sweeps.
    async fn oldest(
        &self,
        statuses: &[Status],
        created_before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>>;

    /// Every message ever written with this order, with what became of it.
    async fn messages(&self, id: OrderId) -> Result<Vec<(Message, MessageState)>>;

    /// Orders whose stock message has not been decided yet; used when a gate is rebuilt.
    async fn undecided(&self) -> Result<Vec<Arc<Order>>>;

    /// The name under which groups are formed: changes of different shards never wait for each other.
    fn shard_of(&self, _id: OrderId) -> usize {
        0
    }

    fn shard_count(&self) -> usize {
        1
    }
}
