//! A naive gate that runs beside the real one and looks at every answer it gives.
//!
//! What holds: a hold is granted only out of what the newest rows say is free; a refusal for stock is justified by the
//! ledger, now or within the time a lost notice may cost; a hold once granted stands until a decision, a release or a
//! rebuild.

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::stock_gate::{Hold, HoldError, Level, StockGate};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::check::StockHistory;
use crate::oracle::Oracle;

#[derive(Default)]
struct Book {
    rows: BTreeMap<ProductId, StockRow>,
    holds: BTreeMap<OrderId, Vec<Demand>>,
}

impl Book {
    fn held(&self, product: ProductId) -> i64 {
        let lines = self.holds.values().flatten().filter(|line| line.product_id == product);
        lines.map(|line| i64::from(line.qty)).sum()
    }

    fn learn(&mut self, rows: Vec<StockRow>) {
        for row in rows {
            let newer = self.rows.get(&row.product_id).is_none_or(|known| known.version < row.version);
            if newer {
                self.rows.insert(row.product_id, row);
            }
        }
    }
}

pub struct WatchedGate {
    inner: Arc<dyn StockGate>,
    site: std::sync::Weak<crate::site::Site>,
    history: Arc<StockHistory>,
    book: Mutex<Book>,
}

impl WatchedGate {
    pub fn new(inner: Arc<dyn StockGate>, site: &Arc<crate::site::Site>, history: Arc<StockHistory>) -> Self {
        Self { inner, site: Arc::downgrade(site), history, book: Mutex::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_site(&self, look: impl FnOnce(&crate::site::Site, &Oracle)) {
        if let Some(site) = self.site.upgrade() {
            look(&site, &site.oracle);
        }
    }

    fn check_granted(&self, hold: &Hold) {
        let mut book = self.book();
        if book.holds.contains_key(&hold.order_id) {
            return;
        }
        book.holds.insert(hold.order_id, hold.lines.clone());
        for line in &hold.lines {
            let free = book.rows.get(&line.product_id).map_or(0, |row| row.free);
            let held = book.held(line.product_id);
            if held > free {
                let what = format!("the gate holds {held} of product {}, of which {free} are free", line.product_id);
                self.with_site(|_, oracle| oracle.finding("I2", what));
            }
        }
    }

    /// Justified if for one of the lines the ledger, less what is held here, was short within the lag.
    fn check_refused(&self, hold: &Hold) {
        let book = self.book();
        let mut wanted: BTreeMap<ProductId, i64> = BTreeMap::new();
        for line in &hold.lines {
            *wanted.entry(line.product_id).or_default() += i64::from(line.qty);
        }
        let justified =
            wanted.iter().any(|(product, qty)| self.history.lowest_free_lately(*product) - book.held(*product) < *qty);
        if !justified {
            let what = format!("order {} was refused for stock while there was enough: {wanted:?}", hold.order_id);
            self.with_site(|_, oracle| oracle.finding("I17", what));
        }
    }
}

#[async_trait]
impl StockGate for WatchedGate {
    async fn hold(&self, hold: Hold) -> std::result::Result<(), HoldError> {
        let held = self.inner.hold(hold.clone()).await;
        match &held {
            Ok(()) => self.check_granted(&hold),
            Err(HoldError::Short(_)) => self.check_refused(&hold),
            Err(_) => {}
        }
        held
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        self.inner.release(order_id).await?;
        self.book().holds.remove(&order_id);
        self.history.released(order_id);
        self.with_site(|site, oracle| {
            if site.engines.look(|durable| durable.order(order_id).is_some()) {
                oracle.finding("I6", format!("the hold of order {order_id} was given back, and the order is stored"));
            }
        });
        Ok(())
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        self.inner.decided(rows.clone(), orders.clone()).await?;
        let mut book = self.book();
        book.learn(rows);
        for order in orders {
            book.holds.remove(&order);
        }
        Ok(())
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        let level = self.inner.level(product_id).await?;
        if let Some(level) = &level {
            let sum = level.free + level.held + level.sold;
            if level.received - level.written_off != sum || level.free < 0 || level.held < 0 {
                let what = format!("the gate shows books that do not balance: {level:?}");
                self.with_site(|_, oracle| oracle.finding("I1", what));
            }
        }
        Ok(level)
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
        self.inner.rebuild(rows.clone(), holds.clone()).await?;
        let mut book = self.book();
        book.rows = rows.into_iter().map(|row| (row.product_id, row)).collect();
        book.holds = holds.into_iter().map(|hold| (hold.order_id, hold.lines)).collect();
        Ok(())
    }
}
