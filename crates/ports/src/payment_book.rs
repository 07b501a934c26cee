//! The payment context's own book: every movement of money, once.
//!
//! Contract: `record` stores the entries that are new by (reference, kind), the messages that tell the order of them,
//! and the consumer's progress as one unit; entries already there are skipped with their messages, so that a repeated
//! callback books nothing twice. It returns how many were new.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::message::Message;
use doos_domain::payment::{MoneyEntry, MoneyKind};

use crate::Result;
use crate::inbox::Progress;

#[derive(Clone, Debug)]
pub struct Booking {
    pub entry: MoneyEntry,
    pub tell: Option<Message>,
}

#[async_trait]
pub trait PaymentBook: Send + Sync {
    async fn record(&self, bookings: Vec<Booking>, progress: Option<Progress>) -> Result<usize>;

    async fn find(&self, reference: &str, kind: MoneyKind) -> Result<Option<MoneyEntry>>;

    async fn entries_of(&self, order: OrderId) -> Result<Vec<MoneyEntry>>;
}
