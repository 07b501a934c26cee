//! Who owns the gate, as this process knows it, and the port that goes there.

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::stock_gate::{Hold, HoldError, Level, StockGate};
use doos_ports::{Error, Result};
use std::sync::Arc;
use tokio::sync::watch;

use crate::ENGINE;
use crate::remote::RemoteGate;

#[derive(Clone)]
pub enum Owner {
    /// Nobody, or nobody known: there is no gate to ask.
    Nobody,
    /// This process, with a gate that has been rebuilt.
    Here(Arc<dyn StockGate>),
    There(Arc<RemoteGate>),
}

/// Says who owns the gate. Whoever follows the election moves it; everybody else reads.
pub struct Seat(watch::Sender<Owner>);

impl Default for Seat {
    fn default() -> Self {
        Self(watch::Sender::new(Owner::Nobody))
    }
}

impl Seat {
    pub fn give(&self, owner: Owner) {
        self.0.send_replace(owner);
    }

    pub fn gate(&self) -> PeerGate {
        PeerGate(self.0.subscribe())
    }

    /// The gate, if it is this process's own.
    pub(crate) fn own(owner: &watch::Receiver<Owner>) -> Option<Arc<dyn StockGate>> {
        match &*owner.borrow() {
            Owner::Here(gate) => Some(Arc::clone(gate)),
            Owner::Nobody | Owner::There(_) => None,
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Owner> {
        self.0.subscribe()
    }
}

/// The gate, wherever it is.
#[derive(Clone)]
pub struct PeerGate(watch::Receiver<Owner>);

impl PeerGate {
    fn owner(&self) -> Result<Arc<dyn StockGate>> {
        match self.0.borrow().clone() {
            Owner::Here(gate) => Ok(gate),
            Owner::There(gate) => Ok(gate),
            Owner::Nobody => Err(Error::Unavailable { engine: ENGINE, cause: "nobody owns it just now".to_owned() }),
        }
    }

    /// Returns once there is somebody to ask.
    pub async fn there(&self) {
        let mut owner = self.0.clone();
        // An error: the seat is gone with its node, and nobody will ever be there.
        if owner.wait_for(|owner| !matches!(owner, Owner::Nobody)).await.is_err() {
            std::future::pending().await
        }
    }

    /// Whether there is anybody to ask.
    pub fn is_there(&self) -> bool {
        !matches!(&*self.0.borrow(), Owner::Nobody)
    }
}

#[async_trait]
impl StockGate for PeerGate {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        self.owner()?.hold(hold).await
    }

    async fn hold_in_epoch(&self, hold: Hold) -> Result<Option<u64>, HoldError> {
        self.owner()?.hold_in_epoch(hold).await
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        self.owner()?.release(order_id).await
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        self.owner()?.decided(rows, orders).await
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        self.owner()?.level(product_id).await
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        self.owner()?.levels(products).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        self.owner()?.overdue(now, limit).await
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        self.owner()?.postpone(order_id, deadline).await
    }

    async fn hold_count(&self) -> Result<usize> {
        self.owner()?.hold_count().await
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        self.owner()?.rebuild(rows, holds).await
    }
}
