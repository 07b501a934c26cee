//! The stock gate in memory: per product the ledger's row and the sum of undecided holds on top of it.
//!
//! What holds: all lines are held or none; what may be given is the ledger's free pieces less what is held. A hold is
//! found by its order and by its key, and goes with its order's decision or with a release, never with time. Order
//! ids are held before their orders are stored and decided after, all in one process, so a decision never comes
//! before its hold; a notice for an order without a hold therefore leaves nothing behind. Rows are whole, so a gap in
//! their versions needs no reading again: the newer one wins.
//!
//! What must never happen: a hold counted twice, or pieces given that the ledger's newest known row does not have.

use async_trait::async_trait;
use doos_domain::answer::AnswerKey;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::stock_gate::{Hold, HoldError, Level, ShortLine, StockGate};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use crate::locks::lock;

#[derive(Debug, Default)]
struct Shelf {
    row: Option<StockRow>,
    /// Sum of the holds that are not decided.
    undecided: i64,
}

impl Shelf {
    /// What may still be given; less than nothing if the ledger has lost pieces that are held.
    fn free(&self) -> i64 {
        self.row.as_ref().map_or(0, |row| row.free) - self.undecided
    }
}

#[derive(Debug, Default)]
struct Shelves {
    products: HashMap<ProductId, Shelf>,
    holds: HashMap<OrderId, Hold>,
    keys: HashMap<AnswerKey, OrderId>,
    deadlines: BTreeSet<(Timestamp, OrderId)>,
}

/// Lines of one product are one demand.
fn merged(lines: &[Demand]) -> BTreeMap<ProductId, i64> {
    let mut demands = BTreeMap::new();
    for line in lines {
        *demands.entry(line.product_id).or_insert(0) += i64::from(line.qty);
    }
    demands
}

impl Shelves {
    fn hold(&mut self, hold: Hold) -> Result<(), HoldError> {
        if self.holds.contains_key(&hold.order_id) {
            return Ok(());
        }
        if let Some(other) = hold.key.as_ref().and_then(|key| self.keys.get(key)) {
            return Err(HoldError::InProgress(*other));
        }
        let demands = merged(&hold.lines);
        let free = |product| self.products.get(product).map_or(0, Shelf::free).max(0);
        let short: Vec<ShortLine> = demands
            .iter()
            .map(|(product_id, wanted)| ShortLine { product_id: *product_id, wanted: *wanted, free: free(product_id) })
            .filter(|line| line.free < line.wanted)
            .collect();
        if !short.is_empty() {
            return Err(HoldError::Short(short));
        }
        self.put(hold);
        Ok(())
    }

    fn put(&mut self, hold: Hold) {
        for (product, qty) in merged(&hold.lines) {
            self.products.entry(product).or_default().undecided += qty;
        }
        if let Some(key) = &hold.key {
            self.keys.insert(key.clone(), hold.order_id);
        }
        self.deadlines.insert((hold.deadline, hold.order_id));
        self.holds.insert(hold.order_id, hold);
    }

    fn end(&mut self, order: OrderId) {
        let Some(hold) = self.holds.remove(&order) else { return };
        for (product, qty) in merged(&hold.lines) {
            if let Some(shelf) = self.products.get_mut(&product) {
                shelf.undecided -= qty;
            }
        }
        if let Some(key) = &hold.key {
            self.keys.remove(key);
        }
        self.deadlines.remove(&(hold.deadline, order));
    }

    fn put_row(&mut self, row: StockRow) {
        let shelf = self.products.entry(row.product_id).or_default();
        if shelf.row.as_ref().is_none_or(|known| known.version < row.version) {
            shelf.row = Some(row);
        }
    }

    fn level(&self, product: ProductId) -> Option<Level> {
        let shelf = self.products.get(&product)?;
        let row = shelf.row.as_ref()?;
        let free = shelf.free().max(0);
        let held = row.free + row.held - free;
        Some(Level { received: row.received, written_off: row.written_off, free, held, sold: row.sold })
    }
}

/// The gate of the process that owns the stock: alone, or in a cluster for as long as its epoch stands.
#[derive(Debug, Default)]
pub struct MemoryGate {
    shelves: Mutex<Shelves>,
    epoch: Option<u64>,
}

impl MemoryGate {
    /// A gate that others may take over; it is empty.
    pub fn in_epoch(epoch: u64) -> Self {
        Self { epoch: Some(epoch), ..Self::default() }
    }
}

#[async_trait]
impl StockGate for MemoryGate {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        lock(&self.shelves).hold(hold)
    }

    async fn hold_in_epoch(&self, hold: Hold) -> Result<Option<u64>, HoldError> {
        self.hold(hold).await.map(|()| self.epoch)
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        lock(&self.shelves).end(order_id);
        Ok(())
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        let mut shelves = lock(&self.shelves);
        for row in rows {
            shelves.put_row(row);
        }
        for order in orders {
            shelves.end(order);
        }
        Ok(())
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        Ok(lock(&self.shelves).level(product_id))
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        let shelves = lock(&self.shelves);
        Ok(products.iter().map(|product| shelves.level(*product)).collect())
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        let shelves = lock(&self.shelves);
        let overdue = shelves.deadlines.iter().take_while(|(deadline, _)| *deadline <= now).take(limit);
        Ok(overdue.filter_map(|(_, order)| shelves.holds.get(order).cloned()).collect())
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        let mut shelves = lock(&self.shelves);
        let Some(hold) = shelves.holds.get_mut(&order_id) else { return Ok(()) };
        let before = std::mem::replace(&mut hold.deadline, deadline);
        shelves.deadlines.remove(&(before, order_id));
        shelves.deadlines.insert((deadline, order_id));
        Ok(())
    }

    async fn hold_count(&self) -> Result<usize> {
        Ok(lock(&self.shelves).holds.len())
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        let mut rebuilt = Shelves::default();
        for row in rows {
            rebuilt.put_row(row);
        }
        // These orders are stored: whether there is enough for them is inventory's to decide.
        for hold in holds {
            rebuilt.end(hold.order_id);
            rebuilt.put(hold);
        }
        *lock(&self.shelves) = rebuilt;
        Ok(())
    }
}
