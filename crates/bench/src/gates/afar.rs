//! The owner's gate as another process sees it: everything goes over the wire but the filling, which is the owner's.

use async_trait::async_trait;
use doos_adapter_peer::{PeerGate, RemoteGate};
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::stock_gate::{Hold, HoldError, Level, StockGate};

pub struct Afar {
    pub remote: RemoteGate,
    pub own: PeerGate,
}

#[async_trait]
impl StockGate for Afar {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        self.remote.hold(hold).await
    }

    async fn hold_in_epoch(&self, hold: Hold) -> Result<Option<u64>, HoldError> {
        self.remote.hold_in_epoch(hold).await
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        self.remote.release(order_id).await
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        self.remote.decided(rows, orders).await
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        self.remote.level(product_id).await
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        self.remote.levels(products).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        self.remote.overdue(now, limit).await
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        self.remote.postpone(order_id, deadline).await
    }

    async fn hold_count(&self) -> Result<usize> {
        self.remote.hold_count().await
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        self.own.rebuild(rows, holds).await
    }
}
