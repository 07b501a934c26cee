//! A ledger that counts wrongly and a gate that gives wrongly.

use async_trait::async_trait;
use doos_domain::answer::Answer;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::{Changes, Decision, DecisionRow, Movement, MovementKind, StockRow};
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::stock_gate::{Hold, HoldError, Level, ShortLine, StockGate};
use doos_ports::stock_ledger::{MovementPage, StockLedger, StockTransaction};
use std::sync::Arc;

use super::Bug;
use crate::executor::Executor;

pub(super) struct BuggyLedger {
    pub inner: Arc<dyn StockLedger>,
    pub bug: Bug,
}

struct BuggyTransaction {
    inner: Box<dyn StockTransaction>,
    bug: Bug,
}

#[async_trait]
impl StockLedger for BuggyLedger {
    async fn lock(&self, products: Vec<ProductId>, orders: Vec<OrderId>) -> Result<Box<dyn StockTransaction>> {
        let inner = self.inner.lock(products, orders).await?;
        Ok(Box::new(BuggyTransaction { inner, bug: self.bug }))
    }

    async fn row(&self, product: ProductId) -> Result<Option<StockRow>> {
        self.inner.row(product).await
    }

    async fn rows(&self) -> Result<Vec<StockRow>> {
        self.inner.rows().await
    }

    async fn decision(&self, order: OrderId) -> Result<Option<DecisionRow>> {
        self.inner.decision(order).await
    }

    async fn movements_of(&self, reference: &str) -> Result<Vec<Movement>> {
        self.inner.movements_of(reference).await
    }

    async fn movements_on(&self, product: ProductId, before: Option<u64>, limit: usize) -> Result<MovementPage> {
        self.inner.movements_on(product, before, limit).await
    }
}

#[async_trait]
impl StockTransaction for BuggyTransaction {
    fn rows(&self) -> Vec<StockRow> {
        self.inner.rows()
    }

    fn decisions(&self) -> Vec<DecisionRow> {
        let mut decisions = self.inner.decisions();
        if self.bug == Bug::LateDeductPassesVoid {
            decisions.retain(|row| row.decision != Decision::Void);
        }
        decisions
    }

    async fn commit(
        self: Box<Self>,
        mut changes: Changes,
        mut progress: Option<Progress>,
        answer: Option<Answer>,
    ) -> Result<()> {
        match self.bug {
            Bug::DeductTwice => deduct_again(&mut changes),
            Bug::ReleaseGivesNothingBack => keep_released(&mut changes),
            Bug::OutcomeNotSent => {
                if let Some(progress) = &mut progress {
                    progress.outgoing.clear();
                }
            }
            _ => {}
        }
        self.inner.commit(changes, progress, answer).await
    }
}

/// Takes every piece a second time, with books that balance in themselves.
fn deduct_again(changes: &mut Changes) {
    let deducted: Vec<Movement> =
        changes.movements.iter().filter(|movement| movement.kind == MovementKind::Deduct).cloned().collect();
    for movement in deducted {
        let row = changes.rows.iter_mut().find(|row| row.product_id == movement.product_id && row.free >= movement.qty);
        let Some(row) = row else { continue };
        row.free -= movement.qty;
        row.sold += movement.qty;
        changes.movements.push(Movement { reference: format!("{}0", movement.reference), ..movement });
    }
}

/// The decision says that the pieces went back, the shelf does not have them.
fn keep_released(changes: &mut Changes) {
    for row in &mut changes.rows {
        let released = changes
            .movements
            .iter()
            .filter(|movement| movement.kind == MovementKind::Release && movement.product_id == row.product_id);
        let qty: i64 = released.map(|movement| movement.qty).sum();
        row.free -= qty;
        row.sold += qty;
    }
    changes.movements.retain(|movement| movement.kind != MovementKind::Release);
}

pub(super) struct BuggyGate {
    pub inner: Arc<dyn StockGate>,
    pub bug: Bug,
    pub executor: Arc<Executor>,
}

#[async_trait]
impl StockGate for BuggyGate {
    async fn hold(&self, mut hold: Hold) -> Result<(), HoldError> {
        match self.bug {
            Bug::GateSellsMoreThanFree => hold.lines.iter_mut().for_each(|line| line.qty = 0),
            Bug::GateRefusesWhileFree if self.executor.up_to(3) == 0 => {
                let line = |line: &doos_domain::message::Demand| ShortLine {
                    product_id: line.product_id,
                    wanted: i64::from(line.qty),
                    free: 0,
                };
                return Err(HoldError::Short(hold.lines.iter().map(line).collect()));
            }
            _ => {}
        }
        let order_id = hold.order_id;
        self.inner.hold(hold).await?;
        if self.bug == Bug::GateForgetsHolds {
            self.inner.release(order_id).await?;
        }
        Ok(())
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        self.inner.release(order_id).await
    }

    async fn decided(&self, mut rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        if self.bug == Bug::GateIgnoresNewerRows {
            rows.retain(|row| row.version <= 1);
        }
        self.inner.decided(rows, orders).await
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        self.inner.level(product_id).await
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        self.inner.levels(products).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        self.inner.overdue(now, limit).await
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        self.inner.postpone(order_id, deadline).await
    }

    async fn hold_count(&self) -> Result<usize> {
        self.inner.hold_count().await
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        self.inner.rebuild(rows, holds).await
    }
}
