//! Stock as operators use it: receive, write off, look at levels and movements.

use doos_domain::action::Deed;
use doos_domain::answer::Answer;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::{Book, Command, Outcome, StockRow};
use doos_ports::stock_gate::{Level, StockGate};
use doos_ports::stock_ledger::MovementPage;

use crate::actions::{Asked, Plan};
use crate::keys::{Arrival, Key};
use crate::{App, Error, Principal, Result};

/// What there is of a product that is in the catalogue and in no ledger yet.
const NEVER_RECEIVED: Level = Level { received: 0, written_off: 0, free: 0, held: 0, sold: 0 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjustment {
    Receive { quantity: u32 },
    WriteOff { quantity: u32 },
}

pub enum Adjusted {
    Now(Level),
    Before(Answer),
}

impl App {
    /// Books a delivery or a loss. `reference` names it in the ledger; without one the time does.
    pub async fn adjust_stock(
        &self,
        asked: &Asked,
        product_id: ProductId,
        adjustment: Adjustment,
        reference: Option<String>,
        key: Option<Key>,
        render: fn(ProductId, &Level) -> String,
    ) -> Result<Adjusted> {
        asked.by.check_back_office()?;
        let (Adjustment::Receive { quantity } | Adjustment::WriteOff { quantity }) = adjustment;
        if quantity == 0 || quantity > 1_000_000_000 {
            return Err(Error::Invalid("a quantity lies between 1 and 1000000000".to_owned()));
        }
        if self.catalog.find(product_id).is_none() {
            return Err(Error::UnknownProduct(product_id));
        }
        let place = match self.arrive(key.as_ref()).await? {
            Arrival::Replay(answer) => return Ok(Adjusted::Before(answer)),
            Arrival::First(place) => place,
        };
        let deed = match adjustment {
            Adjustment::Receive { .. } => Deed::ReceiveStock,
            Adjustment::WriteOff { .. } => Deed::WriteOffStock,
        };
        let plan = Plan::new(deed, product_id).with("quantity", Some(quantity)).with("reference", reference.as_ref());
        let booking = self.book_adjustment(&asked.by, product_id, adjustment, reference, key.as_ref(), render);
        let level = self.recorded(asked, plan, booking).await;
        drop(place);
        level.map(Adjusted::Now)
    }

    async fn book_adjustment(
        &self,
        principal: &Principal,
        product_id: ProductId,
        adjustment: Adjustment,
        reference: Option<String>,
        key: Option<&Key>,
        render: fn(ProductId, &Level) -> String,
    ) -> Result<Level> {
        let at = self.ports.clock.now();
        let reference = reference.unwrap_or_else(|| format!("{}-{:x}", at.as_millis(), self.ports.clock.random()));
        let command = match adjustment {
            Adjustment::Receive { quantity } => Command::Receive { reference, product_id, qty: quantity },
            Adjustment::WriteOff { quantity } => Command::WriteOff { reference, product_id, qty: quantity },
        };
        let transaction = self.ports.ledger.lock(vec![product_id], Vec::new()).await?;
        let mut book = Book::new(transaction.rows(), Vec::new());
        if book.decide(&command, &principal.scope(), at) == Outcome::NotFree {
            return Err(Error::NotEnoughFree);
        }
        let changes = book.into_changes();
        let rows = changes.rows.clone();
        // What the ledger alone says: holds come and go beside it, and an answer must not depend on them.
        let told = rows.first().map(|row| Level {
            received: row.received,
            written_off: row.written_off,
            free: row.free,
            held: row.held,
            sold: row.sold,
        });
        let told = told.ok_or_else(|| Error::Broken { cause: "an adjustment changed no row".to_owned() })?;
        let answer = key.map(|key| key.answer(200, render(product_id, &told), at));
        transaction.commit(changes, None, answer).await?;
        self.tell_gate(rows, Vec::new()).await;
        Ok(told)
    }

    /// One instant's truth about a product's stock.
    pub async fn stock_level(&self, product_id: ProductId) -> Result<Level> {
        match self.ports.gate.level(product_id).await? {
            Some(level) => Ok(level),
            None if self.catalog.find(product_id).is_some() => Ok(NEVER_RECEIVED),
            None => Err(Error::UnknownProduct(product_id)),
        }
    }

    /// The same for many. A product that has never been received has nothing, which is not the same as not known.
    pub async fn stock_levels(&self, products: &[ProductId]) -> Result<Vec<Level>> {
        let levels = self.ports.gate.levels(products).await?;
        Ok(levels.into_iter().map(|level| level.unwrap_or(NEVER_RECEIVED)).collect())
    }

    pub async fn stock_movements(
        &self,
        principal: &Principal,
        product_id: ProductId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<MovementPage> {
        principal.check_back_office()?;
        Ok(self.ports.ledger.movements_on(product_id, before, limit).await?)
    }

    /// Rebuilds the gate from the ledger and the orders inventory has not decided about; done before the node opens.
    pub async fn rebuild_gate(&self) -> Result<usize> {
        self.rebuild(&*self.ports.gate).await
    }

    /// The same for a gate that is not in use yet.
    pub async fn rebuild(&self, gate: &dyn StockGate) -> Result<usize> {
        let undecided = self.ports.orders.undecided().await?;
        let mut contents = self.contents(&undecided).await?;
        let holds = std::mem::take(&mut contents.holds);
        let count = holds.len();
        gate.rebuild(contents.rows.clone(), holds).await?;
        Ok(count)
    }

    /// Tells the gate what the ledger has just committed. A notice that gets lost costs seconds, never units: rows are
    /// told again by [`refresh_gate`](Self::refresh_gate), and overdue holds are asked after.
    pub(crate) async fn tell_gate(&self, rows: Vec<StockRow>, decided: Vec<OrderId>) {
        if let Err(error) = self.ports.gate.decided(rows, decided).await {
            tracing::debug!(error = %error, "the stock gate was not told of a decision; it asks later");
        }
    }

    /// Tells the gate once more what the ledger has committed, in case a notice was lost. Newer rows win.
    pub async fn refresh_gate(&self) -> Result<()> {
        let rows = self.ports.ledger.rows().await?;
        Ok(self.ports.gate.decided(rows, Vec::new()).await?)
    }
}
