//! How messages travel from the context that wrote them to the one that reads them: at least once, in order per order
//! from one writer.
//!
//! Contract: a subscription starts where the consumer's stored progress ends. `poll` never waits; `ready` does. After
//! a failed commit the consumer calls `rewind`, and everything after its stored progress comes again. An engine may
//! repeat and, across writers, reorder; it may never lose.

use async_trait::async_trait;
use doos_domain::message::{Consumer, Message};
use serde::{Deserialize, Serialize};

use crate::Result;

/// A place in what the bus carries, comparable per consumer only, and where the engine has no single place to store, per
/// process only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

#[derive(Clone, Debug)]
pub struct Delivery {
    /// Progress to store once this message and all before it are settled.
    pub position: Position,
    pub message: Message,
}

#[async_trait]
pub trait EventBus: Send + Sync {
    /// Subscriptions of one consumer may share its messages: only one that is alone sees them all.
    async fn subscribe(&self, consumer: Consumer) -> Result<Box<dyn Subscription>>;

    /// Hands messages to the bus; when it returns they are safe there. Where the store's journal is the bus, it has
    /// nothing to do.
    async fn publish(&self, messages: Vec<Message>) -> Result<()>;

    /// How many messages lie before this consumer, for metrics and admission.
    async fn lag(&self, consumer: Consumer) -> Result<u64>;
}

#[async_trait]
pub trait Subscription: Send + Sync {
    async fn poll(&mut self, limit: usize) -> Result<Vec<Delivery>>;

    /// Returns when there may be something to poll. Dropping the future loses nothing.
    async fn ready(&mut self);

    async fn rewind(&mut self) -> Result<()>;

    /// Tells the broker that everything up to the stored progress is done; the journal needs no telling. The place where
    /// a broker starts again is the last one it was told, so this follows every stored progress.
    async fn acknowledge(&mut self, position: Position) -> Result<()>;
}
