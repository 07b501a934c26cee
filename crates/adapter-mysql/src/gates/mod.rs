//! Stock gates in SQL, for small shops without a gate of their own kind, and for comparison: optimistic with and without
//! retry, row lock, distributed lock, queue.
//!
//! What holds: all five keep the same two tables and differ in one thing only, how a hold keeps others away from the
//! rows it has looked at. Holds are rows and outlive every process. A refusal for stock is only made of rows and holds
//! that were committed together; who merely lost a race is refused as busy. Rows are locked before holds, in product
//! order; a deadlock that two callers make all the same is run again.
//!
//! What must never happen: a task of its own. The queue's groups are flushed by whoever is first in line.
//!
//! Where to read next: [`Way`] for the five, `verdict` for the decision they share, `docs/adr/0014`.

mod locked;
mod optimistic;
mod queue;
mod row_lock;
mod settle;
mod tables;
mod verdict;

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::clock::Clock;
use doos_ports::fenced_lock::FencedLock;
use doos_ports::stock_gate::{Hold, HoldError, Level, StockGate};
use std::sync::Arc;

use crate::database::Database;
use crate::error::{Error, Fault};
use crate::migrate::{self, Schema};
use crate::options::Options;
use queue::Queue;

const ENGINE: &str = "the sql gate";

/// How a hold keeps others away from the rows it has looked at.
#[derive(Clone)]
pub enum Way {
    /// It does not: each row has a number that the write compares, and whoever finds another one looks again after a
    /// pause, so many times in all. One try is the gate without retry.
    Optimistic { tries: u32 },
    /// `SELECT … FOR UPDATE`, in product order.
    RowLock,
    /// A lock outside of the database, whose fence the rows remember.
    DistributedLock(Arc<dyn FencedLock>),
    /// One after another: what arrives while a group is written makes the next group.
    Queue,
}

impl Way {
    /// As the source documents have it: 8 tries, pauses from 5 to 50 ms.
    pub const OPTIMISTIC_TRIES: u32 = 8;
    pub const NO_RETRY: Self = Self::Optimistic { tries: 1 };

    pub const fn optimistic() -> Self {
        Self::Optimistic { tries: Self::OPTIMISTIC_TRIES }
    }
}

/// The tables and who may be asked about them; each way of holding works on this.
struct Shelves {
    database: Arc<Database>,
}

pub struct SqlGate {
    shelves: Shelves,
    way: Way,
    queue: Queue,
}

impl SqlGate {
    pub(crate) fn new(database: Arc<Database>, way: Way) -> Self {
        Self { shelves: Shelves { database }, way, queue: Queue::new() }
    }

    /// In a database of its own, which is made and brought up to date if need be. A node takes the gate of its
    /// inventory's database instead: [`Databases::gate`](crate::Databases::gate).
    pub async fn open(address: &str, options: &Options, clock: Arc<dyn Clock>, way: Way) -> Result<Self, Error> {
        let database = Database::new("gate", address, options, Arc::clone(&clock))?;
        migrate::up(&database, Schema::Inventory, clock.now()).await?;
        Ok(Self::new(database, way))
    }
}

/// Why a hold was not made, before it is told at the port.
enum Refused {
    Told(HoldError),
    Fault(Fault),
    /// The reply to the COMMIT was lost.
    Unknown(Fault),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refused> for HoldError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Told(told) => told,
            Refused::Fault(fault) => Self::Engine(fault.undone(ENGINE)),
            Refused::Unknown(fault) => Self::Engine(fault.unknown(ENGINE)),
        }
    }
}

#[async_trait]
impl StockGate for SqlGate {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        let held = match &self.way {
            Way::Optimistic { tries } => self.shelves.hold_optimistically(&hold, *tries).await,
            Way::RowLock => self.shelves.hold_under_row_locks(&hold).await,
            Way::DistributedLock(lock) => self.shelves.hold_under_lock(&hold, lock.as_ref()).await,
            Way::Queue => return self.queue.hold(&self.shelves, hold).await,
        };
        held.map_err(HoldError::from)
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        self.shelves.settle(&[], &[order_id]).await
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        self.shelves.settle_all(&rows, &orders).await
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        Ok(self.levels(&[product_id]).await?.pop().flatten())
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        self.shelves.levels(products).await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        self.shelves.overdue(now, limit).await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        self.shelves.postpone(order_id, deadline).await.map_err(|fault| fault.unknown(ENGINE))
    }

    async fn hold_count(&self) -> Result<usize> {
        self.shelves.hold_count().await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        self.shelves.rebuild(rows, holds).await
    }
}
