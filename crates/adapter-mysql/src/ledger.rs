//! The stock ledger in the inventory's own database.
//!
//! What holds: orders are locked before products, both in ascending order, so that no two groups wait for each other in
//! a circle. What does not exist yet cannot be locked as a row; its place in `t_guard` stands in for it. Rows, decisions,
//! movements, progress and answer are one transaction; a movement booked twice, or books that do not balance, are
//! refused by the database itself.

use async_trait::async_trait;
use doos_domain::answer::Answer;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::{Changes, Decision, DecisionRow, Movement, MovementKind, StockRow};
use doos_domain::time::Timestamp;
use doos_ports::inbox::Progress;
use doos_ports::stock_ledger::{MovementPage, StockLedger, StockTransaction};
use doos_ports::{Error, Result};
use mysql_async::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::mailbox;
use crate::orders::first_answer_in;
use crate::outbox::MySqlOutbox;
use crate::rows::{bucket_of_scope, json, parse};
use crate::script::Script;
use crate::session::{Session, Statement, decode};

const ENGINE: &str = "the stock ledger";
/// Places for orders come first, places for products behind them; as many as the table has rows.
const GUARDS: u64 = 256;

const ROWS: Statement = Statement {
    head: "INSERT INTO t_stock (product_id, version, received, written_off, free, held, sold)",
    columns: 7,
    tail: "ON DUPLICATE KEY UPDATE version = VALUES(version), received = VALUES(received), \
           written_off = VALUES(written_off), free = VALUES(free), held = VALUES(held), sold = VALUES(sold)",
};
const DECISIONS: Statement = Statement {
    head: "INSERT INTO t_decision (order_id, decision, lines_deducted, given_back, decided_at)",
    columns: 5,
    tail: "ON DUPLICATE KEY UPDATE given_back = VALUES(given_back)",
};
const MOVEMENTS: Statement = Statement {
    head: "INSERT INTO t_stock_ledger (reference, product_id, kind, qty, actor, created_at)",
    columns: 6,
    tail: "",
};
pub(crate) const STOCK_COLUMNS: &str = "product_id, version, received, written_off, free, held, sold";
pub(crate) const DECISION_COLUMNS: &str = "order_id, decision, lines_deducted, given_back, decided_at";
pub(crate) const MOVEMENT_COLUMNS: &str = "reference, product_id, kind, qty, actor, created_at";

pub(crate) type StockColumns = (u64, u64, i64, i64, i64, i64, i64);
pub(crate) type DecisionColumns = (u64, u8, Vec<u8>, u8, i64);
pub(crate) type MovementColumns = (String, u64, String, i64, String, i64);
type PlacedColumns = (u64, String, u64, String, i64, String, i64);

pub struct MySqlStockLedger {
    database: Arc<Database>,
    outbox: Arc<MySqlOutbox>,
    poll_after_ms: i64,
}

impl MySqlStockLedger {
    pub(crate) const fn new(database: Arc<Database>, outbox: Arc<MySqlOutbox>, poll_after_ms: i64) -> Self {
        Self { database, outbox, poll_after_ms }
    }

    async fn take_locks(&self, products: Vec<ProductId>, orders: Vec<OrderId>) -> Result<Locked, Fault> {
        let mut products: BTreeSet<u64> = products.into_iter().map(ProductId::get).collect();
        let orders: BTreeSet<u64> = orders.into_iter().map(OrderId::get).collect();
        // Without orders these find nothing and lock nothing.
        let sql = format!(
            "{}; SELECT {DECISION_COLUMNS} FROM t_decision WHERE order_id IN ({}) ORDER BY order_id FOR UPDATE",
            guard(orders.iter().map(|order| order % GUARDS)),
            list(orders.iter().copied())
        );
        let (mut session, mut sets) = self.database.begin_with(&sql).await?;
        let decided = decode::<DecisionColumns>("t_decision", sets.pop().unwrap_or_default())?;
        let decisions: Vec<DecisionRow> = decided.into_iter().map(decision_of).collect::<Result<_, _>>()?;
        let given = decisions.iter().flat_map(|decision| &decision.lines);
        products.extend(given.map(|line| line.product_id.get()));
        let mut rows = locked_rows(&mut session, &products).await?;
        let known: BTreeSet<u64> = rows.iter().map(|row| row.product_id.get()).collect();
        let unknown: BTreeSet<u64> = products.difference(&known).copied().collect();
        if !unknown.is_empty() {
            session.text(&guard(unknown.iter().map(|product| GUARDS + product % GUARDS))).await?;
            rows.extend(locked_rows(&mut session, &unknown).await?);
            rows.sort_by_key(|row| row.product_id);
        }
        Ok(Locked {
            session,
            rows,
            decisions,
            outbox: Arc::clone(&self.outbox),
            clock: Arc::clone(&self.database),
            poll_after_ms: self.poll_after_ms,
        })
    }

    async fn movements(&self, condition: String, params: Vec<Value>) -> Result<Vec<Movement>> {
        let sql = format!("SELECT {MOVEMENT_COLUMNS} FROM t_stock_ledger WHERE {condition}");
        let rows = self.database.read::<MovementColumns>("t_stock_ledger", &sql, params).await;
        let movements = rows.and_then(|rows| rows.into_iter().map(movement_of).collect());
        movements.map_err(|fault| fault.undone(ENGINE))
    }

    async fn stock(&self, condition: &str) -> Result<Vec<StockRow>> {
        let sql = format!("SELECT {STOCK_COLUMNS} FROM t_stock {condition} ORDER BY product_id");
        let rows = self.database.read_text::<StockColumns>("t_stock", &sql).await;
        rows.and_then(|rows| rows.into_iter().map(stock_of).collect()).map_err(|fault| fault.undone(ENGINE))
    }
}

/// Locks places of the guard table, in ascending order.
fn guard(slots: impl Iterator<Item = u64>) -> String {
    let slots: BTreeSet<u64> = slots.collect();
    format!("SELECT slot FROM t_guard WHERE slot IN ({}) ORDER BY slot FOR UPDATE", list(slots))
}

async fn locked_rows(session: &mut Session, products: &BTreeSet<u64>) -> Result<Vec<StockRow>, Fault> {
    if products.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {STOCK_COLUMNS} FROM t_stock WHERE product_id IN ({}) ORDER BY product_id FOR UPDATE",
        list(products.iter().copied())
    );
    decode::<StockColumns>("t_stock", session.text(&sql).await?)?.into_iter().map(stock_of).collect()
}

pub(crate) fn stock_of(
    (product, version, received, written_off, free, held, sold): StockColumns,
) -> Result<StockRow, Fault> {
    let product_id = ProductId::new(product).ok_or_else(|| Fault::row("t_stock", "a product out of range"))?;
    Ok(StockRow { product_id, version, received, written_off, free, held, sold })
}

const fn number_of(decision: Decision) -> u64 {
    match decision {
        Decision::Deducted => 0,
        Decision::Short => 1,
        Decision::Void => 2,
    }
}

pub(crate) fn decision_of((order, decision, lines, given_back, at): DecisionColumns) -> Result<DecisionRow, Fault> {
    let decision = [Decision::Deducted, Decision::Short, Decision::Void]
        .into_iter()
        .find(|known| number_of(*known) == u64::from(decision))
        .ok_or_else(|| Fault::row("t_decision", format!("{decision} is no decision")))?;
    let lines: Vec<Demand> = parse("t_decision", &lines)?;
    Ok(DecisionRow {
        order_id: OrderId::new(order).ok_or_else(|| Fault::row("t_decision", "an order out of range"))?,
        decision,
        lines,
        given_back: given_back != 0,
        at: Timestamp::from_millis(at),
    })
}

pub(crate) fn kind_of(name: &str) -> Result<MovementKind, Fault> {
    use MovementKind::{Deduct, Receive, Release, Repair, Return, WriteOff};
    [Receive, WriteOff, Deduct, Release, Return, Repair]
        .into_iter()
        .find(|known| known.name() == name)
        .ok_or_else(|| Fault::row("t_stock_ledger", format!("`{name}` is no movement")))
}

pub(crate) fn movement_of((reference, product, kind, qty, actor, at): MovementColumns) -> Result<Movement, Fault> {
    let kind = kind_of(&kind)?;
    let product_id = ProductId::new(product).ok_or_else(|| Fault::row("t_stock_ledger", "a product out of range"))?;
    Ok(Movement { reference, product_id, kind, qty, at: Timestamp::from_millis(at), actor })
}

fn page_of(rows: Vec<PlacedColumns>, limit: usize) -> Result<MovementPage, Fault> {
    let next = rows.last().filter(|_| rows.len() == limit).map(|(id, ..)| *id);
    let movements = rows
        .into_iter()
        .map(|(_, reference, product, kind, qty, actor, at)| movement_of((reference, product, kind, qty, actor, at)));
    Ok(MovementPage { movements: movements.collect::<Result<_, _>>()?, next })
}

#[async_trait]
impl StockLedger for MySqlStockLedger {
    async fn lock(&self, products: Vec<ProductId>, orders: Vec<OrderId>) -> Result<Box<dyn StockTransaction>> {
        let locked = self.take_locks(products, orders).await.map_err(|fault| fault.undone(ENGINE))?;
        Ok(Box::new(locked))
    }

    async fn row(&self, product: ProductId) -> Result<Option<StockRow>> {
        Ok(self.stock(&format!("WHERE product_id = {product}")).await?.into_iter().next())
    }

    async fn rows(&self) -> Result<Vec<StockRow>> {
        self.stock("").await
    }

    async fn decision(&self, order: OrderId) -> Result<Option<DecisionRow>> {
        let sql = format!("SELECT {DECISION_COLUMNS} FROM t_decision WHERE order_id = {order}");
        let rows = self.database.read_text::<DecisionColumns>("t_decision", &sql).await;
        let row = rows.and_then(|rows| rows.into_iter().next().map(decision_of).transpose());
        row.map_err(|fault| fault.undone(ENGINE))
    }

    async fn movements_of(&self, reference: &str) -> Result<Vec<Movement>> {
        self.movements("reference = ? ORDER BY id".to_owned(), vec![reference.into()]).await
    }

    async fn movements_on(&self, product: ProductId, before: Option<u64>, limit: usize) -> Result<MovementPage> {
        // Ids of one product grow in the order of its movements, because its row is locked while they are written.
        let sql = format!(
            "SELECT id, {MOVEMENT_COLUMNS} FROM t_stock_ledger WHERE product_id = ? AND id < ? ORDER BY id DESC LIMIT {limit}"
        );
        let params = vec![product.get().into(), before.unwrap_or(u64::MAX).into()];
        let rows = self.database.read::<PlacedColumns>("t_stock_ledger", &sql, params).await;
        rows.and_then(|rows| page_of(rows, limit)).map_err(|fault| fault.undone(ENGINE))
    }
}

/// An open transaction; dropped without a commit, its connection is closed and the server gives the locks back.
struct Locked {
    session: Session,
    rows: Vec<StockRow>,
    decisions: Vec<DecisionRow>,
    outbox: Arc<MySqlOutbox>,
    clock: Arc<Database>,
    poll_after_ms: i64,
}

impl Locked {
    /// What the ledger itself insists on, whoever decided.
    fn check(&self, changes: &Changes) -> Result<()> {
        let versions: BTreeMap<ProductId, u64> = self.rows.iter().map(|row| (row.product_id, row.version)).collect();
        let broken = |cause: String| Err(Error::Broken { engine: ENGINE, cause });
        for row in &changes.rows {
            let version = versions.get(&row.product_id).copied().unwrap_or(0);
            if row.version != version + 1 || !row.balances() {
                return broken(format!("version {version} of product {} cannot become {row:?}", row.product_id));
            }
        }
        for decision in &changes.decisions {
            let first = self.decisions.iter().find(|first| first.order_id == decision.order_id);
            if first.is_some_and(|first| first.decision != decision.decision) {
                return broken(format!("the decision about order {} cannot become {decision:?}", decision.order_id));
            }
        }
        Ok(())
    }

    fn script(&self, changes: &Changes, progress: Option<&Progress>) -> Script {
        let mut script = Script::default();
        let rows = changes.rows.iter().map(|row| {
            vec![
                row.product_id.get().into(),
                row.version.into(),
                row.received.into(),
                row.written_off.into(),
                row.free.into(),
                row.held.into(),
                row.sold.into(),
            ]
        });
        script.rows(&ROWS, rows);
        let decisions = changes.decisions.iter().map(|row| {
            vec![
                row.order_id.get().into(),
                number_of(row.decision).into(),
                json(&row.lines).into(),
                u64::from(row.given_back).into(),
                row.at.as_millis().into(),
            ]
        });
        script.rows(&DECISIONS, decisions);
        let movements = changes.movements.iter().map(|movement| {
            vec![
                movement.reference.as_str().into(),
                movement.product_id.get().into(),
                movement.kind.name().into(),
                movement.qty.into(),
                movement.actor.as_str().into(),
                movement.at.as_millis().into(),
            ]
        });
        script.rows(&MOVEMENTS, movements);
        if let Some(progress) = progress {
            let poll_at = self.clock.clock.now().plus_millis(self.poll_after_ms);
            mailbox::settle(&mut script, progress, poll_at);
        }
        script
    }
}

#[async_trait]
impl StockTransaction for Locked {
    fn rows(&self) -> Vec<StockRow> {
        self.rows.clone()
    }

    fn decisions(&self) -> Vec<DecisionRow> {
        self.decisions.clone()
    }

    async fn commit(
        mut self: Box<Self>,
        changes: Changes,
        progress: Option<Progress>,
        answer: Option<Answer>,
    ) -> Result<()> {
        self.check(&changes)?;
        let script = self.script(&changes, progress.as_ref());
        if let Some(answer) = &answer {
            let stored = first_answer_in(&mut self.session, answer, bucket_of_scope(&answer.key.scope)).await;
            stored.map_err(|fault| fault.undone(ENGINE))?;
        }
        self.session.run_to_commit(script).await.map_err(|fault| fault.unknown(ENGINE))?;
        let Self { session, outbox, .. } = *self;
        drop(session);
        if let Some(progress) = progress {
            outbox.hand_over(outbox.sources().inventory(), progress.outgoing.iter().cloned());
            outbox.tell_senders(&progress).await;
        }
        Ok(())
    }
}
