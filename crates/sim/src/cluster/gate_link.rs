//! The gate as other nodes see it: a call to the one process that owns it, which may be away or not answer.

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::stock_gate::{Hold, HoldError, Level, StockGate};
use doos_ports::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};

use crate::executor::Executor;

const ENGINE: &str = "stock gate";

/// Where the owner's gate is found while the owner is up.
#[derive(Clone, Default)]
pub struct Owner(Arc<Mutex<Option<Arc<dyn StockGate>>>>);

impl Owner {
    pub fn set(&self, gate: Option<Arc<dyn StockGate>>) {
        let old = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), gate);
        drop(old);
    }

    pub fn get(&self) -> Option<Arc<dyn StockGate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub struct GateLink {
    owner: Owner,
    executor: Arc<Executor>,
    latency_max_ms: u64,
    faults: doos_adapter_sim::Faults,
}

impl GateLink {
    pub const fn new(
        owner: Owner,
        executor: Arc<Executor>,
        latency_max_ms: u64,
        faults: doos_adapter_sim::Faults,
    ) -> Self {
        Self { owner, executor, latency_max_ms, faults }
    }

    async fn there(&self) -> Result<Arc<dyn StockGate>> {
        self.travel().await;
        let away = || Error::Unavailable { engine: ENGINE, cause: "its owner is away".to_owned() };
        if self.strikes(self.faults.rates().calls_failed) {
            return Err(away());
        }
        self.owner.get().ok_or_else(away)
    }

    /// The way back. The owner may have died meanwhile, or the reply be lost: then nobody knows.
    async fn back(&self) -> Result<()> {
        self.travel().await;
        if self.strikes(self.faults.rates().replies_lost) {
            return Err(Error::Unknown { engine: ENGINE, cause: "the reply was lost".to_owned() });
        }
        Ok(())
    }

    async fn travel(&self) {
        let latency_ms = self.executor.up_to(self.latency_max_ms);
        self.executor.sleep(latency_ms).await;
    }

    fn strikes(&self, rate: u32) -> bool {
        rate > 0 && self.executor.up_to(999) < u64::from(rate)
    }
}

#[async_trait]
impl StockGate for GateLink {
    async fn hold(&self, hold: Hold) -> std::result::Result<(), HoldError> {
        let held = self.there().await?.hold(hold).await;
        self.back().await?;
        held
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        self.there().await?.release(order_id).await?;
        self.back().await
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        self.there().await?.decided(rows, orders).await?;
        self.back().await
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        let level = self.there().await?.level(product_id).await?;
        self.back().await?;
        Ok(level)
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        let levels = self.there().await?.levels(products).await?;
        self.back().await?;
        Ok(levels)
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        let overdue = self.there().await?.overdue(now, limit).await?;
        self.back().await?;
        Ok(overdue)
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        self.there().await?.postpone(order_id, deadline).await?;
        self.back().await
    }

    async fn hold_count(&self) -> Result<usize> {
        let count = self.there().await?.hold_count().await?;
        self.back().await?;
        Ok(count)
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        self.there().await?.rebuild(rows, holds).await?;
        self.back().await
    }
}
