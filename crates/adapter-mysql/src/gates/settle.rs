//! What the ledger has committed: newer rows, and holds that end. The same for every way of holding.

use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_ports::Result;
use doos_ports::stock_gate::Hold;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::tables::{self, add, fill, put_rows};
use super::verdict::{Sums, merged};
use super::{ENGINE, Shelves};
use crate::dialect::list;
use crate::error::Fault;
use crate::rows::parse;
use crate::session::{Session, decode};

/// Rows or orders of one transaction.
const CHUNK: usize = 500;
/// A deadlock with a hold is run again; one of the two always gets through.
const TRIES: u64 = 10;

type EndedColumns = (u64, Vec<u8>);

/// Orders that are held, and what they hold together.
fn ended(rows: Vec<mysql_async::Row>) -> Result<(Vec<u64>, Sums), Fault> {
    let mut orders = Vec::new();
    let mut sums = Sums::new();
    for (order, lines) in decode::<EndedColumns>("t_gate_hold", rows)? {
        orders.push(order);
        let lines: Vec<Demand> = parse("t_gate_hold", &lines)?;
        for (product, qty) in merged(&lines) {
            *sums.entry(product).or_default() += qty;
        }
    }
    Ok((orders, sums))
}

impl Shelves {
    /// All rows before any order: the hold of a decided order stands until its deduction is known.
    pub(super) async fn settle_all(&self, rows: &[StockRow], orders: &[OrderId]) -> Result<()> {
        let (mut rows, mut orders) = (rows, orders);
        loop {
            let (now, later) = rows.split_at(rows.len().min(CHUNK));
            rows = later;
            let ending = if rows.is_empty() { orders.len().min(CHUNK) } else { 0 };
            let (ending, left) = orders.split_at(ending);
            orders = left;
            self.settle(now, ending).await?;
            if rows.is_empty() && orders.is_empty() {
                return Ok(());
            }
        }
    }

    /// One notice in one transaction.
    pub(super) async fn settle(&self, rows: &[StockRow], orders: &[OrderId]) -> Result<()> {
        let mut newest: BTreeMap<ProductId, &StockRow> = BTreeMap::new();
        for row in rows {
            let known = newest.entry(row.product_id).or_insert(row);
            if known.version < row.version {
                *known = row;
            }
        }
        for tried in 1..=TRIES {
            match self.try_settle(&newest, orders).await {
                Err(Undone::Before(Fault::Contended(_))) if tried < TRIES => {
                    self.database.clock.sleep(Duration::from_millis(tried)).await;
                }
                done => return done.map_err(Undone::told),
            }
        }
        unreachable!("the last try returns")
    }

    async fn try_settle(&self, rows: &BTreeMap<ProductId, &StockRow>, orders: &[OrderId]) -> Result<(), Undone> {
        let holds = format!(
            "SELECT order_id, product_lines FROM t_gate_hold WHERE order_id IN ({}) ORDER BY order_id",
            tables::orders(orders.iter().copied())
        );
        // Which rows to lock; the lines of a hold never change.
        let mut products: BTreeSet<ProductId> = rows.keys().copied().collect();
        if !orders.is_empty() {
            let (_, mut sets) = self.look(&holds, false).await?;
            let (held, sums) = ended(sets.pop().unwrap_or_default())?;
            if held.is_empty() && rows.is_empty() {
                return Ok(());
            }
            products.extend(sums.keys());
        }
        let locks = list(products.iter().map(|product| product.get()));
        let begin = format!(
            "START TRANSACTION; \
             SELECT product_id FROM t_gate_stock WHERE product_id IN ({locks}) ORDER BY product_id FOR UPDATE; \
             {holds} FOR UPDATE"
        );
        let (mut session, mut sets) = self.look(&begin, true).await?;
        // Whoever else has ended one of them meanwhile has given its pieces back.
        let (held, sums) = ended(sets.pop().unwrap_or_default())?;
        let mut write = Vec::new();
        if !rows.is_empty() {
            write.push(put_rows(rows));
        }
        if !held.is_empty() {
            write.push(format!("DELETE FROM t_gate_hold WHERE order_id IN ({})", list(held)));
        }
        if !sums.is_empty() {
            write.push(add(&sums, -1, "", ""));
        }
        write.push("COMMIT".to_owned());
        commit(&mut session, &write.join("; ")).await
    }

    pub(super) async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        let mut newest: BTreeMap<ProductId, &StockRow> = BTreeMap::new();
        for row in &rows {
            let known = newest.entry(row.product_id).or_insert(row);
            if known.version < row.version {
                *known = row;
            }
        }
        let holds: BTreeMap<OrderId, &Hold> = holds.iter().map(|hold| (hold.order_id, hold)).collect();
        for tried in 1..=TRIES {
            match self.try_rebuild(&newest, &holds).await {
                Err(Undone::Before(Fault::Contended(_))) if tried < TRIES => {
                    self.database.clock.sleep(Duration::from_millis(tried)).await;
                }
                done => return done.map_err(Undone::told),
            }
        }
        unreachable!("the last try returns")
    }

    async fn try_rebuild(
        &self,
        rows: &BTreeMap<ProductId, &StockRow>,
        holds: &BTreeMap<OrderId, &Hold>,
    ) -> Result<(), Undone> {
        let mut undecided = Sums::new();
        for (product, qty) in holds.values().flat_map(|hold| merged(&hold.lines)) {
            *undecided.entry(product).or_default() += qty;
        }
        let begin = "START TRANSACTION; \
             SELECT product_id FROM t_gate_stock ORDER BY product_id FOR UPDATE; \
             SELECT COALESCE(MAX(turn), 0) + 1, COALESCE(MAX(fence), 0) FROM t_gate_stock; \
             DELETE FROM t_gate_hold; DELETE FROM t_gate_stock";
        let (mut session, sets) = self.look(begin, true).await?;
        let marks = sets.into_iter().nth(2).unwrap_or_default();
        let marks = decode::<(u64, u64)>("t_gate_stock", marks)?.first().copied().unwrap_or((1, 0));
        fill(&mut session, rows, &undecided, holds, marks).await?;
        commit(&mut session, "COMMIT").await
    }
}

/// What kept a notice from being written. It may be told again whatever it was: all of it knows a repeat.
enum Undone {
    Before(Fault),
    /// The COMMIT may have been reached.
    Perhaps(Fault),
}

impl From<Fault> for Undone {
    fn from(fault: Fault) -> Self {
        Self::Before(fault)
    }
}

impl Undone {
    fn told(self) -> doos_ports::Error {
        match self {
            Self::Before(fault) => fault.undone(ENGINE),
            Self::Perhaps(fault) => fault.unknown(ENGINE),
        }
    }
}

/// Ends the transaction one way or the other.
async fn commit(session: &mut Session, sql: &str) -> Result<(), Undone> {
    match session.texts_to_commit(sql).await {
        Ok(()) => Ok(()),
        Err(Fault::Contended(cause)) => {
            session.rollback().await?;
            Err(Undone::Before(Fault::Contended(cause)))
        }
        Err(fault) => Err(Undone::Perhaps(fault)),
    }
}
