//! The reference gate: a list of rows, a list of holds, and sums made anew for every question.
//!
//! It is too slow to serve anybody and too simple to be wrong; the suites are tried on it.

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::stock_gate::{Hold, HoldError, Level, ShortLine, StockGate};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::world::World;

pub struct SimGate {
    world: Arc<World>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    rows: BTreeMap<ProductId, StockRow>,
    holds: BTreeMap<OrderId, Hold>,
}

impl Kept {
    fn held(&self, product: ProductId) -> i64 {
        let lines = self.holds.values().flat_map(|hold| &hold.lines);
        lines.filter(|line| line.product_id == product).map(|line| i64::from(line.qty)).sum()
    }

    /// What may still be given; less than nothing if the ledger has lost pieces that are held.
    fn free(&self, product: ProductId) -> i64 {
        self.rows.get(&product).map_or(0, |row| row.free) - self.held(product)
    }

    fn level(&self, product: ProductId) -> Option<Level> {
        let row = self.rows.get(&product)?;
        let free = self.free(product).max(0);
        let held = row.free + row.held - free;
        Some(Level { received: row.received, written_off: row.written_off, free, held, sold: row.sold })
    }

    fn hold(&mut self, hold: Hold) -> Result<(), HoldError> {
        if self.holds.contains_key(&hold.order_id) {
            return Ok(());
        }
        let same_key = |other: &&Hold| hold.key.is_some() && other.key == hold.key;
        if let Some(first) = self.holds.values().find(same_key) {
            return Err(HoldError::InProgress(first.order_id));
        }
        let short: Vec<_> = summed(&hold.lines)
            .into_iter()
            .map(|(product_id, wanted)| ShortLine { product_id, wanted, free: self.free(product_id).max(0) })
            .filter(|line| line.wanted > line.free)
            .collect();
        if !short.is_empty() {
            return Err(HoldError::Short(short));
        }
        self.holds.insert(hold.order_id, hold);
        Ok(())
    }
}

fn summed(lines: &[Demand]) -> BTreeMap<ProductId, i64> {
    let mut wanted = BTreeMap::new();
    for line in lines {
        *wanted.entry(line.product_id).or_insert(0) += i64::from(line.qty);
    }
    wanted
}

impl SimGate {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world, kept: Mutex::default() }
    }

    async fn kept(&self) -> MutexGuard<'_, Kept> {
        self.world.runtime.yield_now().await;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StockGate for SimGate {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        self.kept().await.hold(hold)
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        self.kept().await.holds.remove(&order_id);
        Ok(())
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        let mut kept = self.kept().await;
        for row in rows {
            let newer = kept.rows.get(&row.product_id).is_none_or(|known| known.version < row.version);
            if newer {
                kept.rows.insert(row.product_id, row);
            }
        }
        for order in orders {
            kept.holds.remove(&order);
        }
        Ok(())
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        Ok(self.kept().await.level(product_id))
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        let kept = self.kept().await;
        Ok(products.iter().map(|product| kept.level(*product)).collect())
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        let kept = self.kept().await;
        let mut overdue: Vec<_> = kept.holds.values().filter(|hold| hold.deadline <= now).cloned().collect();
        overdue.sort_by_key(|hold| (hold.deadline, hold.order_id));
        overdue.truncate(limit);
        Ok(overdue)
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        if let Some(hold) = self.kept().await.holds.get_mut(&order_id) {
            hold.deadline = deadline;
        }
        Ok(())
    }

    async fn hold_count(&self) -> Result<usize> {
        Ok(self.kept().await.holds.len())
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        let rows = rows.into_iter().map(|row| (row.product_id, row)).collect();
        let holds = holds.into_iter().map(|hold| (hold.order_id, hold)).collect();
        *self.kept().await = Kept { rows, holds };
        Ok(())
    }
}
