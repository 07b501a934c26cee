//! The gate in front of the stock: holds all lines or none, before an order is stored.
//!
//! What holds: the gate may only refuse early; the ledger decides. A hold is idempotent by its order id. A hold ends
//! by a decision, or because the order was definitely refused, or because the id was voided; never by time alone.
//!
//! Contract: between two calls the gate shows one instant. `decided` notices may come late, twice or out of order:
//! the row with the newer version wins, and a decided order's hold goes whatever was decided.
//!
//! A gate that may lose its holds, because its owner is replaced or its memory is, holds under an **epoch**. The order is
//! stored only where that epoch still stands ([`gate_epochs`](crate::gate_epochs)), so that what a lost gate has held
//! sells nothing.

use async_trait::async_trait;
use doos_domain::answer::AnswerKey;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;

use crate::Result;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub order_id: OrderId,
    pub lines: Vec<Demand>,
    /// The call it was made for; a repeat of the key finds it here.
    pub key: Option<AnswerKey>,
    /// When somebody should ask what became of the order.
    pub deadline: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortLine {
    pub product_id: ProductId,
    pub wanted: i64,
    pub free: i64,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum HoldError {
    #[error("not enough stock")]
    Short(Vec<ShortLine>),
    /// The same key is being placed right now, under this order id.
    #[error("the same call is in progress")]
    InProgress(OrderId),
    #[error(transparent)]
    Engine(#[from] crate::Error),
}

/// A product's stock at one instant: the ledger's row and what is held on top of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    pub received: i64,
    pub written_off: i64,
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

impl Level {
    pub const fn on_hand(&self) -> i64 {
        self.free + self.held
    }
}

#[async_trait]
pub trait StockGate: Send + Sync {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError>;

    /// As [`hold`](Self::hold), and says under which epoch; none for a gate that cannot lose its holds before their
    /// orders are decided. Whoever passes holds on to another gate passes this on too.
    async fn hold_in_epoch(&self, hold: Hold) -> Result<Option<u64>, HoldError> {
        self.hold(hold).await.map(|()| None)
    }

    /// Gives a hold back; for a definite refusal or a voided id only. Unknown holds are no error.
    async fn release(&self, order_id: OrderId) -> Result<()>;

    /// What the ledger has committed: new rows, and the orders that are decided.
    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()>;

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>>;

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>>;

    /// Holds past their deadline, oldest first.
    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>>;

    /// Moves a hold's deadline, after it was asked about and must stand longer.
    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()>;

    async fn hold_count(&self) -> Result<usize>;

    /// Replaces everything by what the ledger and the undecided orders say; holds nothing else.
    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()>;
}
