//! What is looked at whenever something became durable: each new version of an order, and the stock's rows.
//!
//! It costs nothing while nothing was stored: two counters are compared after every step.

use doos_adapter_sim::durable::Durable;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::order::{Order, Status};
use doos_domain::stock::{MovementKind, StockRow};
use doos_ports::stock_gate::Level;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::executor::Executor;
use crate::oracle::content;
use crate::site::Site;

/// How long a gate may not know what the ledger has committed: the sweeps come every second, a hold is asked after
/// when its deadline is over, and clocks may be off.
const LAG_MS: u64 = 45_000;

/// How many pieces of each product were free, lately.
pub struct StockHistory {
    executor: Arc<Executor>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    free: BTreeMap<ProductId, VecDeque<(u64, i64)>>,
    shown: BTreeMap<ProductId, Option<Level>>,
    /// Orders whose hold was given back: they can never be stored any more.
    released: BTreeSet<OrderId>,
}

impl StockHistory {
    pub fn new(executor: Arc<Executor>) -> Self {
        Self { executor, kept: Mutex::default() }
    }

    pub fn note(&self, row: &StockRow) {
        let now_ms = self.executor.elapsed_ms();
        let mut kept = self.lock();
        let history = kept.free.entry(row.product_id).or_default();
        if history.back().is_none_or(|(_, free)| *free != row.free) {
            history.push_back((now_ms, row.free));
        }
        // The value that held when the window began stays.
        while history.len() > 1 && history[1].0 + LAG_MS < now_ms {
            history.pop_front();
        }
    }

    /// The least that was free at any instant within the lag.
    pub fn lowest_free_lately(&self, product: ProductId) -> i64 {
        let now_ms = self.executor.elapsed_ms();
        let kept = self.lock();
        let Some(history) = kept.free.get(&product) else { return 0 };
        // A product whose first delivery is younger than the lag had nothing before.
        let began_lately = history.front().is_none_or(|(at, _)| at + LAG_MS >= now_ms);
        let entries = history.iter().enumerate();
        let counted = entries.filter(|(index, (at, _))| {
            let until = history.get(index + 1).map_or(now_ms, |(next, _)| *next);
            *at + LAG_MS >= now_ms || until + LAG_MS >= now_ms
        });
        let lowest = counted.map(|(_, (_, free))| *free).min().unwrap_or(0);
        if began_lately { lowest.min(0) } else { lowest }
    }

    pub fn released(&self, order: OrderId) {
        self.lock().released.insert(order);
    }

    pub fn was_released(&self, order: OrderId) -> bool {
        self.lock().released.contains(&order)
    }

    pub fn all_released(&self) -> BTreeSet<OrderId> {
        self.lock().released.clone()
    }

    pub fn shown(&self, product: ProductId, level: Option<Level>) {
        self.lock().shown.insert(product, level);
    }

    pub fn levels(&self) -> BTreeMap<ProductId, Option<Level>> {
        self.lock().shown.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Watch {
    site: Arc<Site>,
    history: Arc<StockHistory>,
    changes_seen: usize,
    movements_seen: usize,
    sums: BTreeMap<ProductId, StockRow>,
    last: BTreeMap<OrderId, Arc<Order>>,
}

impl Watch {
    pub fn new(site: Arc<Site>, history: Arc<StockHistory>) -> Self {
        Self { site, history, changes_seen: 0, movements_seen: 0, sums: BTreeMap::new(), last: BTreeMap::new() }
    }

    pub fn look(&mut self, durable: &Durable) {
        while let Some(order) = durable.changes.get(self.changes_seen) {
            self.changes_seen += 1;
            self.version(order);
        }
        if durable.stock.movements.len() != self.movements_seen {
            let new = durable.stock.movements.len();
            self.stock(&durable.stock.movements[self.movements_seen..], durable.stock.rows.values());
            self.movements_seen = new;
        }
    }

    /// I5, I8 and I12 for one new version of an order.
    pub fn version(&mut self, order: &Arc<Order>) {
        self.site.executor.note(|| {
            let last = order.history.last().map(|entry| entry.reason.as_str()).unwrap_or_default();
            format!("  order {} v{} {} ({last})", order.id, order.version, order.status)
        });
        let before = self.last.insert(order.id, Arc::clone(order));
        let found = |law, what: String| self.site.oracle.finding(law, format!("order {}: {what}", order.id));
        let expected = before.as_ref().map_or(1, |before| before.version + 1);
        if order.version != expected {
            found("I5", format!("version {} follows on {}", order.version, expected - 1));
        }
        if let Some(before) = &before {
            if content(before) != content(order) {
                found("I3", format!("`{}` became `{}`", content(before), content(order)));
            }
            if before.status != order.status && !before.status.may_become(order.status) {
                found("I5", format!("{} became {}", before.status, order.status));
            }
            if !order.history.starts_with(&before.history) {
                found("I5", "its history was rewritten".to_owned());
            }
        } else {
            if order.status != Status::Pending {
                found("I5", format!("it began as {}", order.status));
            }
            if self.history.was_released(order.id) {
                found("I6", "it was stored after its hold had been given back".to_owned());
            }
        }
        let money = &order.money;
        if money.refund_requested_minor() > money.captured_minor || money.captured_minor < 0 {
            found("I8", format!("{} captured, {} refunded", money.captured_minor, money.refund_requested_minor()));
        }
        let priced: i64 =
            order.lines.iter().map(|line| self.price_of(line.product_id) * i64::from(line.quantity)).sum();
        if priced != order.total.amount_minor {
            found("I8", format!("its total is {}, the catalogue says {priced}", order.total.amount_minor));
        }
    }

    fn price_of(&self, product: ProductId) -> i64 {
        let products = &self.site.scenario.products;
        products.iter().find(|(number, ..)| *number == product.get()).map_or(0, |(_, price, _)| *price)
    }

    /// I1 in this snapshot: every row balances, and is what its movements make of it.
    pub fn stock<'a>(&mut self, new: &[doos_domain::stock::Movement], rows: impl Iterator<Item = &'a StockRow>) {
        for movement in new {
            let row = self.sums.entry(movement.product_id).or_insert_with(|| StockRow::empty(movement.product_id));
            let qty = movement.qty;
            match movement.kind {
                MovementKind::Receive | MovementKind::Repair => {
                    (row.received, row.free) = (row.received + qty, row.free + qty)
                }
                MovementKind::WriteOff => (row.written_off, row.free) = (row.written_off + qty, row.free - qty),
                MovementKind::Deduct => (row.free, row.sold) = (row.free - qty, row.sold + qty),
                MovementKind::Release | MovementKind::Return => (row.free, row.sold) = (row.free + qty, row.sold - qty),
            }
        }
        for row in rows {
            self.history.note(row);
            let sum = self.sums.get(&row.product_id);
            let agrees = sum.is_some_and(|sum| {
                (sum.received, sum.written_off, sum.free, sum.sold)
                    == (row.received, row.written_off, row.free + row.held, row.sold)
            });
            if !row.balances() || !agrees {
                self.site.oracle.finding("I1", format!("the row says {row:?}, its movements {sum:?}"));
            }
        }
    }
}
