//! The stock ledger. One ledger a node, so one lock stands for all rows.
//!
//! The lock travels with the unit to the writer and is released when the unit is done, even if the caller stopped
//! waiting: nobody ever decides on rows that a unit on its way is about to replace. Rows are kept whole in memory and
//! change only after a sync.

use async_trait::async_trait;
use doos_domain::answer::Answer;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::{Changes, DecisionRow, Movement, MovementKind, StockRow};
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::stock_ledger::{MovementPage, StockLedger, StockTransaction};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::engine_error;
use crate::error::ENGINE;
use crate::locks::{lock, read};
use crate::shared::Shared;
use crate::table::{Key, Table};
use crate::unit::Unit;

pub(crate) struct Ledger {
    shared: Arc<Shared>,
    lock: Arc<Mutex<()>>,
}

impl Ledger {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), lock: Arc::default() }
    }
}

struct Transaction {
    shared: Arc<Shared>,
    rows: Vec<StockRow>,
    decisions: Vec<DecisionRow>,
    guard: OwnedMutexGuard<()>,
}

impl Transaction {
    /// What breaks a law is refused here again, whoever decided it.
    fn check(&self, changes: &Changes) -> Result<()> {
        let broken = |cause: String| Err(doos_ports::Error::Broken { engine: ENGINE, cause });
        let stock = read(&self.shared.stock);
        for row in &changes.rows {
            let before = stock.get(&row.product_id.get());
            if !row.balances() {
                return broken(format!("the books of product {} would not balance: {row:?}", row.product_id));
            }
            if before.map_or(0, |before| before.version) >= row.version {
                return broken(format!("product {} would go back to version {}", row.product_id, row.version));
            }
        }
        for decision in &changes.decisions {
            let before = self.decisions.iter().find(|known| known.order_id == decision.order_id);
            if before.is_some_and(|before| before.decision != decision.decision) {
                return broken(format!("order {} would be decided a second time", decision.order_id));
            }
        }
        Ok(())
    }

    /// Deducts and releases are kept from repeating by their decision; what an operator books is, by its reference.
    fn check_references(&self, movements: &[Movement]) -> Result<()> {
        let by_operator = [MovementKind::Receive, MovementKind::WriteOff, MovementKind::Repair];
        for movement in movements.iter().filter(|movement| by_operator.contains(&movement.kind)) {
            let booked: Option<Movement> = self.shared.doc(Table::Movement, &movement_key(movement))?;
            if booked.is_some() {
                let Movement { reference, product_id, kind, .. } = movement;
                let cause = format!("{} of product {product_id} under {reference} is booked already", kind.name());
                return Err(doos_ports::Error::Broken { engine: ENGINE, cause });
            }
        }
        Ok(())
    }
}

fn movement_key(movement: &Movement) -> Key {
    let Movement { reference, product_id, kind, .. } = movement;
    Key::text(reference).and_text(kind.name()).and_number(product_id.get())
}

#[async_trait]
impl StockTransaction for Transaction {
    fn rows(&self) -> Vec<StockRow> {
        self.rows.clone()
    }

    fn decisions(&self) -> Vec<DecisionRow> {
        self.decisions.clone()
    }

    async fn commit(
        self: Box<Self>,
        changes: Changes,
        progress: Option<Progress>,
        answer: Option<Answer>,
    ) -> Result<()> {
        self.check(&changes)?;
        self.check_references(&changes.movements)?;
        let mut unit = Unit::default();
        for row in &changes.rows {
            unit.doc(Table::StockRow, 0, &Key::number(row.product_id.get()), row);
        }
        for decision in &changes.decisions {
            unit.doc(Table::Decision, 0, &Key::number(decision.order_id.get()), decision);
        }
        for movement in &changes.movements {
            unit.doc(Table::Movement, movement.product_id.get(), &movement_key(movement), movement);
        }
        if let Some(progress) = progress {
            unit.progress(progress);
        }
        if let Some(answer) = answer {
            unit.answer(answer, 0);
        }
        if unit.is_empty() {
            return Ok(());
        }
        let Self { shared, guard, .. } = *self;
        unit.locks.push(guard);
        shared.submit_one(unit).await.map_err(engine_error)
    }
}

#[async_trait]
impl StockLedger for Ledger {
    async fn lock(&self, products: Vec<ProductId>, orders: Vec<OrderId>) -> Result<Box<dyn StockTransaction>> {
        let guard = Arc::clone(&self.lock).lock_owned().await;
        self.shared.check_running()?;
        let orders: BTreeSet<OrderId> = orders.into_iter().collect();
        let mut products: BTreeSet<ProductId> = products.into_iter().collect();
        let mut decisions: Vec<DecisionRow> = Vec::new();
        for order in orders {
            // Nearly every order comes here once, and then there is nothing to be found.
            if !lock(&self.shared.decided).is_certainly_new(order.get()) {
                decisions.extend(self.shared.doc::<DecisionRow>(Table::Decision, &Key::number(order.get()))?);
            }
        }
        products.extend(decisions.iter().flat_map(|decision| &decision.lines).map(|line| line.product_id));
        let rows = {
            let stock = read(&self.shared.stock);
            products.iter().filter_map(|product| stock.get(&product.get()).cloned()).collect()
        };
        Ok(Box::new(Transaction { shared: Arc::clone(&self.shared), rows, decisions, guard }))
    }

    async fn row(&self, product: ProductId) -> Result<Option<StockRow>> {
        self.shared.check_running()?;
        Ok(read(&self.shared.stock).get(&product.get()).cloned())
    }

    async fn rows(&self) -> Result<Vec<StockRow>> {
        self.shared.check_running()?;
        Ok(read(&self.shared.stock).values().cloned().collect())
    }

    async fn decision(&self, order: OrderId) -> Result<Option<DecisionRow>> {
        self.shared.check_running()?;
        Ok(self.shared.doc(Table::Decision, &Key::number(order.get()))?)
    }

    async fn movements_of(&self, reference: &str) -> Result<Vec<Movement>> {
        self.shared.check_running()?;
        Ok(self.shared.docs_beginning(Table::Movement, reference)?)
    }

    async fn movements_on(&self, product: ProductId, before: Option<u64>, limit: usize) -> Result<MovementPage> {
        self.shared.check_running()?;
        // Movements are written once, so the position of one in the journal is its place for ever.
        let newest = self.shared.newest_owned(Table::Movement, product.get(), before, limit)?;
        let next = newest.last().filter(|_| newest.len() == limit).map(|(position, _)| *position);
        Ok(MovementPage { movements: newest.into_iter().map(|(_, movement)| movement).collect(), next })
    }
}
