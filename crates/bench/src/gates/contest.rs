//! What one gate goes through in one place: plenty for a while, then little until it is gone.
//!
//! What holds: a refusal for stock is right only if the gate has nothing left; with plenty it is always wrong, and with
//! little, since nobody gives anything back meanwhile, it is wrong if anything is left at the end. A call without a clear
//! answer is given back before anything is counted as kept or lost.

use anyhow::{Context, Result};
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::Error;
use doos_ports::stock_gate::{Hold, HoldError, StockGate};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::contenders::now_ms;
use crate::clock::Clock;

/// Of each product, where there is plenty; nobody takes so many in the longest run.
const PLENTY: i64 = 1 << 40;
/// Pieces in all, where there is little.
const LITTLE: i64 = 200;
/// The longest that what is little is fought over.
pub const SCARCE_TIME: Duration = Duration::from_secs(15);
/// Calls of one caller; memory must hold what they held.
const CALLS_MAX: u64 = 100_000;
/// Orders that are told to be decided at a time, as inventory does.
const GROUP: usize = 500;

/// What came of a gate in one place.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Calls while there was plenty, those that got a hold, and those that were told to come again.
    pub calls: u64,
    pub held: u64,
    pub busy: u64,
    /// Calls without a clear answer; given back.
    pub unclear: u64,
    pub held_per_s: f64,
    pub success: f64,
    /// Where there was little: how many pieces there were, and how many were given.
    pub scarce: i64,
    pub given: i64,
    /// Pieces given that there were not.
    pub oversold: i64,
    /// Pieces that the gate counts as held and nobody has, or that did not come back.
    pub leaked: i64,
    /// Refusals for stock while there was some.
    pub false_sold_outs: u64,
}

impl Counts {
    pub const fn holds(&self) -> bool {
        self.oversold == 0 && self.leaked == 0 && self.false_sold_outs == 0
    }
}

pub struct Contest {
    pub gate: Arc<dyn StockGate>,
    pub products: u64,
    pub callers: u64,
    pub time: Duration,
}

/// What a caller was told.
#[derive(Default)]
struct Told {
    held: Vec<(OrderId, ProductId)>,
    short: Vec<ProductId>,
    unclear: Vec<OrderId>,
    busy: u64,
    calls: u64,
}

impl Contest {
    pub async fn run(&self) -> Result<Counts> {
        let clock = Clock::start();
        self.stock(&self.all(self.products), PLENTY).await?;
        let began = clock.seconds();
        let told = self.everybody(self.time, false).await?;
        let seconds = clock.seconds() - began;
        let held = told.held.len() as u64;
        let mut counts = Counts {
            calls: told.calls,
            held,
            busy: told.busy,
            unclear: told.unclear.len() as u64,
            held_per_s: held as f64 / seconds.max(f64::MIN_POSITIVE),
            success: held as f64 / told.calls.max(1) as f64,
            false_sold_outs: told.short.len() as u64,
            ..Counts::default()
        };
        counts.leaked += self.settle(&self.all(self.products), PLENTY, told).await?;
        self.fight(&mut counts).await?;
        Ok(counts)
    }

    /// Everybody wants what is little until told that it is gone.
    async fn fight(&self, counts: &mut Counts) -> Result<()> {
        let products = self.all(self.scarce_products());
        let each = LITTLE / i64::try_from(products.len()).unwrap_or(1).max(1);
        counts.scarce = each * i64::try_from(products.len()).unwrap_or(0);
        self.stock(&products, each).await?;
        let told = self.everybody(SCARCE_TIME, true).await?;
        let left = self.free(&products).await?;
        for (product, free) in products.iter().zip(&left) {
            let given = told.held.iter().filter(|(_, held)| held == product).count();
            let given = i64::try_from(given).unwrap_or(i64::MAX);
            counts.given += given;
            counts.oversold += (given - each).max(0);
            if *free > 0 {
                counts.false_sold_outs += told.short.iter().filter(|short| *short == product).count() as u64;
            }
        }
        counts.unclear += told.unclear.len() as u64;
        counts.leaked += self.settle(&products, each, told).await?;
        Ok(())
    }

    /// As many as there are pieces for, so that each can be fought over.
    fn scarce_products(&self) -> u64 {
        self.products.min(LITTLE.unsigned_abs() / 10)
    }

    fn all(&self, count: u64) -> Vec<ProductId> {
        (1..=count).filter_map(ProductId::new).collect()
    }

    async fn stock(&self, products: &[ProductId], free: i64) -> Result<()> {
        let row = |product: &ProductId| StockRow {
            product_id: *product,
            version: 1,
            received: free,
            written_off: 0,
            free,
            held: 0,
            sold: 0,
        };
        self.gate.rebuild(products.iter().map(row).collect(), Vec::new()).await.context("the gate cannot be filled")
    }

    async fn free(&self, products: &[ProductId]) -> Result<Vec<i64>> {
        let levels = self.gate.levels(products).await.context("levels cannot be read")?;
        Ok(levels.into_iter().map(|level| level.map_or(0, |level| level.free)).collect())
    }

    /// Ends all holds as their orders' decisions would, and returns how many pieces are not where they should be.
    async fn settle(&self, products: &[ProductId], each: i64, told: Told) -> Result<i64> {
        for order in told.unclear {
            self.gate.release(order).await.context("a hold cannot be given back")?;
        }
        let mut lost = 0;
        for (product, free) in products.iter().zip(self.free(products).await?) {
            let kept = told.held.iter().filter(|(_, held)| held == product).count();
            lost += (each - free - i64::try_from(kept).unwrap_or(i64::MAX)).abs();
        }
        let orders: Vec<OrderId> = told.held.into_iter().map(|(order, _)| order).collect();
        for group in orders.chunks(GROUP) {
            self.gate.decided(Vec::new(), group.to_vec()).await.context("a gate does not take notice")?;
        }
        let missing: i64 = self.free(products).await?.into_iter().map(|free| (each - free).abs()).sum();
        let left = i64::try_from(self.gate.hold_count().await.context("holds cannot be counted")?).unwrap_or(i64::MAX);
        Ok(lost.max(missing).max(left))
    }

    async fn everybody(&self, time: Duration, until_gone: bool) -> Result<Told> {
        let (clock, ids) = (Clock::start(), Arc::new(AtomicU64::new(0)));
        let first = now_ms() << 20;
        let mut callers = tokio::task::JoinSet::new();
        for number in 0..self.callers {
            let caller = Caller { gate: Arc::clone(&self.gate), ids: Arc::clone(&ids), first };
            let products = self.all(if until_gone { self.scarce_products() } else { self.products });
            callers.spawn(caller.run(products, number, clock, time, until_gone));
        }
        let mut all = Told::default();
        while let Some(told) = callers.join_next().await {
            let told = told.context("a caller failed")??;
            all.held.extend(told.held);
            all.short.extend(told.short);
            all.unclear.extend(told.unclear);
            all.busy += told.busy;
            all.calls += told.calls;
        }
        Ok(all)
    }
}

struct Caller {
    gate: Arc<dyn StockGate>,
    ids: Arc<AtomicU64>,
    first: u64,
}

impl Caller {
    /// One piece after the other, of products in turn; `until_gone`: of each until told that it is sold out.
    async fn run(
        self,
        mut products: Vec<ProductId>,
        number: u64,
        clock: Clock,
        time: Duration,
        until_gone: bool,
    ) -> Result<Told> {
        let mut told = Told::default();
        let mut turn = usize::try_from(number).unwrap_or(0);
        while clock.seconds() < time.as_secs_f64() && told.calls < CALLS_MAX && !products.is_empty() {
            let at = turn % products.len();
            let product = products[at];
            turn = turn.wrapping_add(1);
            let order = OrderId::new(self.first + self.ids.fetch_add(1, Ordering::Relaxed)).context("an order id")?;
            let lines = vec![Demand { product_id: product, qty: 1 }];
            let hold = Hold { order_id: order, lines, key: None, deadline: Timestamp::from_millis(i64::MAX >> 12) };
            told.calls += 1;
            match self.gate.hold(hold).await {
                Ok(()) => told.held.push((order, product)),
                Err(HoldError::Short(_)) => {
                    told.short.push(product);
                    if until_gone {
                        products.swap_remove(at);
                    }
                }
                Err(HoldError::Engine(Error::Busy { .. })) => told.busy += 1,
                Err(HoldError::Engine(error)) if error.is_worth_a_retry() => told.unclear.push(order),
                Err(error) => return Err(error.into()),
            }
            // A gate that answers at once must not keep the others from their turn.
            tokio::task::consume_budget().await;
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use doos_adapter_embedded::MemoryGate;
    use doos_ports::stock_gate::{Level, ShortLine};

    /// A gate with one fault.
    struct Wrong {
        inner: MemoryGate,
        calls: AtomicU64,
        fault: Fault,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Fault {
        None,
        /// Every seventh hold is told and not kept.
        Forgets,
        /// Every seventh refusal for stock is not true.
        RefusesWithoutCause,
        /// A hold that is decided stays.
        Keeps,
    }

    #[async_trait]
    impl StockGate for Wrong {
        async fn hold(&self, hold: Hold) -> doos_ports::Result<(), HoldError> {
            let seventh = self.calls.fetch_add(1, Ordering::Relaxed) % 7 == 6;
            match self.fault {
                Fault::Forgets if seventh => Ok(()),
                Fault::RefusesWithoutCause if seventh => {
                    let line = ShortLine { product_id: hold.lines[0].product_id, wanted: 1, free: 0 };
                    Err(HoldError::Short(vec![line]))
                }
                _ => self.inner.hold(hold).await,
            }
        }

        async fn release(&self, order_id: OrderId) -> doos_ports::Result<()> {
            self.inner.release(order_id).await
        }

        async fn decided(&self, rows: Vec<StockRow>, mut orders: Vec<OrderId>) -> doos_ports::Result<()> {
            if self.fault == Fault::Keeps {
                orders.pop();
            }
            self.inner.decided(rows, orders).await
        }

        async fn level(&self, product_id: ProductId) -> doos_ports::Result<Option<Level>> {
            self.inner.level(product_id).await
        }

        async fn levels(&self, products: &[ProductId]) -> doos_ports::Result<Vec<Option<Level>>> {
            self.inner.levels(products).await
        }

        async fn overdue(&self, now: Timestamp, limit: usize) -> doos_ports::Result<Vec<Hold>> {
            self.inner.overdue(now, limit).await
        }

        async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> doos_ports::Result<()> {
            self.inner.postpone(order_id, deadline).await
        }

        async fn hold_count(&self) -> doos_ports::Result<usize> {
            self.inner.hold_count().await
        }

        async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> doos_ports::Result<()> {
            self.inner.rebuild(rows, holds).await
        }
    }

    async fn counts_of(fault: Fault, products: u64) -> Counts {
        let gate = Arc::new(Wrong { inner: MemoryGate::default(), calls: AtomicU64::new(0), fault });
        let contest = Contest { gate, products, callers: 8, time: Duration::from_millis(20) };
        contest.run().await.unwrap()
    }

    #[tokio::test]
    async fn a_right_gate_is_found_right_in_both_places() {
        for products in [1, 32] {
            let counts = counts_of(Fault::None, products).await;
            assert!(counts.holds() && counts.held > 0, "{counts:?}");
            assert_eq!((counts.given, counts.scarce, counts.success), (200, 200, 1.0), "{counts:?}");
        }
    }

    #[tokio::test]
    async fn each_fault_of_a_gate_is_counted_where_it_belongs() {
        let counts = counts_of(Fault::Forgets, 1).await;
        assert!(counts.oversold > 0 && !counts.holds(), "{counts:?}");
        let counts = counts_of(Fault::RefusesWithoutCause, 32).await;
        assert!(counts.false_sold_outs > 0 && counts.oversold == 0, "{counts:?}");
        let counts = counts_of(Fault::Keeps, 1).await;
        assert!(counts.leaked > 0 && counts.oversold == 0, "{counts:?}");
    }
}
