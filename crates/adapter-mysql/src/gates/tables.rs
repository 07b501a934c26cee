//! The gate's two tables: what is asked of them, and what is written to them.

use doos_domain::answer::AnswerKey;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::stock_gate::{Hold, Level};
use mysql_async::{Row, Value};
use std::collections::BTreeMap;

use super::Shelves;
use super::verdict::{KeyHash, Seen, Shelf, Sums, hash_of};
use crate::dialect::list;
use crate::error::Fault;
use crate::rows::{hash_literal, json, parse};
use crate::session::{Session, Statement, decode};

pub const HOLDS: Statement = Statement {
    head: "INSERT INTO t_gate_hold (order_id, product_lines, answer_id, scope, idempotency_key, deadline)",
    columns: 6,
    tail: "",
};

const STOCK: Statement = Statement {
    head: "INSERT INTO t_gate_stock \
           (product_id, version, received, written_off, free, held, sold, undecided, turn, fence)",
    columns: 10,
    tail: "",
};

/// The row with the newer version wins. Assignments are made from left to right, so the version comes last.
const NEWER: &str = "ON DUPLICATE KEY UPDATE \
     turn = turn + IF(version IS NULL OR VALUES(version) > version, 1, 0), \
     received = IF(version IS NULL OR VALUES(version) > version, VALUES(received), received), \
     written_off = IF(version IS NULL OR VALUES(version) > version, VALUES(written_off), written_off), \
     free = IF(version IS NULL OR VALUES(version) > version, VALUES(free), free), \
     held = IF(version IS NULL OR VALUES(version) > version, VALUES(held), held), \
     sold = IF(version IS NULL OR VALUES(version) > version, VALUES(sold), sold), \
     version = IF(version IS NULL OR VALUES(version) > version, VALUES(version), version)";

fn products(products: impl IntoIterator<Item = ProductId>) -> String {
    list(products.into_iter().map(ProductId::get))
}

pub fn orders(orders: impl IntoIterator<Item = OrderId>) -> String {
    list(orders.into_iter().map(OrderId::get))
}

/// Reads of the rows and holds that these holds depend on; `lock` goes behind the first. In this order a hold that was
/// written between two reads is seen by the later one, and nobody is refused for stock that is held under his own key.
pub fn reads_for<'a>(holds: impl Iterator<Item = &'a Hold> + Clone, wanted: &Sums, lock: &str) -> String {
    let ids = holds.clone().map(|hold| hold.order_id);
    let hashes: Vec<String> = holds.filter_map(hash_of).map(|hash| hash_literal(&hash)).collect();
    let hashes = if hashes.is_empty() { "NULL".to_owned() } else { hashes.join(",") };
    format!(
        "SELECT product_id, CAST(free - undecided AS SIGNED), turn FROM t_gate_stock WHERE product_id IN ({}) \
         ORDER BY product_id{lock}; \
         SELECT order_id FROM t_gate_hold WHERE order_id IN ({}); \
         SELECT answer_id, order_id FROM t_gate_hold WHERE answer_id IN ({hashes})",
        products(wanted.keys().copied()),
        orders(ids),
    )
}

/// What the last three result sets say.
pub fn seen(mut sets: Vec<Vec<Row>>) -> Result<Seen, Fault> {
    let incomplete = || Fault::Refused("the server answered fewer questions than it was asked".to_owned());
    let (keys, ids, stock) = match (sets.pop(), sets.pop(), sets.pop()) {
        (Some(keys), Some(ids), Some(stock)) => (keys, ids, stock),
        _ => return Err(incomplete()),
    };
    let mut seen = Seen::default();
    for (product, free, turn) in decode::<(u64, i64, u64)>("t_gate_stock", stock)? {
        seen.shelves.insert(product_of(product)?, Shelf { free, turn });
    }
    for id in decode::<u64>("t_gate_hold", ids)? {
        seen.orders.insert(order_of(id)?);
    }
    for (hash, order) in decode::<(Vec<u8>, u64)>("t_gate_hold", keys)? {
        let hash: KeyHash = hash.try_into().map_err(|_| Fault::row("t_gate_hold", "a hash of another length"))?;
        seen.keys.insert(hash, order_of(order)?);
    }
    Ok(seen)
}

fn product_of(number: u64) -> Result<ProductId, Fault> {
    ProductId::new(number).ok_or_else(|| Fault::row("t_gate_stock", "a product out of range"))
}

fn order_of(number: u64) -> Result<OrderId, Fault> {
    OrderId::new(number).ok_or_else(|| Fault::row("t_gate_hold", "an order out of range"))
}

/// Adds pieces to the undecided ones; `also` is what else is set, `only` says of which rows.
pub fn add(sums: &Sums, sign: i64, also: &str, only: &str) -> String {
    let cases: Vec<String> = sums.iter().map(|(product, qty)| format!("WHEN {product} THEN {}", sign * qty)).collect();
    format!(
        "UPDATE t_gate_stock SET undecided = undecided + CASE product_id {} ELSE 0 END, turn = turn + 1{also} \
         WHERE product_id IN ({}){only}",
        cases.join(" "),
        products(sums.keys().copied()),
    )
}

pub fn hold_values(hold: &Hold) -> Vec<Value> {
    let (scope, key) = match &hold.key {
        Some(key) => (key.scope.as_str().into(), key.key.as_str().into()),
        None => (Value::NULL, Value::NULL),
    };
    vec![
        hold.order_id.get().into(),
        json(&hold.lines).into(),
        hash_of(hold).map_or(Value::NULL, |hash| Value::Bytes(hash.to_vec())),
        scope,
        key,
        hold.deadline.as_millis().into(),
    ]
}

/// Writes the holds out, each with its hash as a literal that no connection's character set touches.
pub fn insert_holds<'a>(holds: impl Iterator<Item = &'a Hold>) -> String {
    let rows = holds.map(|hold| {
        let [order, lines, _, scope, key, deadline] =
            <[Value; 6]>::try_from(hold_values(hold)).expect("a hold has six columns").map(|value| value.as_sql(false));
        let hash = hash_of(hold).map_or_else(|| "NULL".to_owned(), |hash| hash_literal(&hash));
        format!("({order},{lines},{hash},{scope},{key},{deadline})")
    });
    format!("{} VALUES {}", HOLDS.head, rows.collect::<Vec<_>>().join(","))
}

/// New rows of the ledger, in product order; the newer version wins.
pub fn put_rows(rows: &BTreeMap<ProductId, &StockRow>) -> String {
    let rows: Vec<Vec<Value>> = rows.values().map(|row| stock_values(Some(row), row.product_id, 0, 1, 0)).collect();
    format!("{}{NEWER}", STOCK.written_out(&rows))
}

fn stock_values(row: Option<&StockRow>, product: ProductId, undecided: i64, turn: u64, fence: u64) -> Vec<Value> {
    let count = |count: fn(&StockRow) -> i64| Value::from(row.map_or(0, count));
    vec![
        product.get().into(),
        row.map_or(Value::NULL, |row| row.version.into()),
        count(|row| row.received),
        count(|row| row.written_off),
        count(|row| row.free),
        count(|row| row.held),
        count(|row| row.sold),
        undecided.into(),
        turn.into(),
        fence.into(),
    ]
}

/// Everything anew, behind whatever turns and fences there were: nobody who looked before may write after.
pub async fn fill(
    session: &mut Session,
    rows: &BTreeMap<ProductId, &StockRow>,
    undecided: &Sums,
    holds: &BTreeMap<OrderId, &Hold>,
    (turn, fence): (u64, u64),
) -> Result<(), Fault> {
    let mut all: Vec<ProductId> = rows.keys().chain(undecided.keys()).copied().collect();
    all.sort_unstable();
    all.dedup();
    let stock = all.into_iter().map(|product| {
        let sum = undecided.get(&product).copied().unwrap_or(0);
        stock_values(rows.get(&product).copied(), product, sum, turn, fence)
    });
    session.write_rows(&STOCK, stock.collect()).await?;
    session.write_rows(&HOLDS, holds.values().map(|hold| hold_values(hold)).collect()).await
}

type LevelColumns = (u64, i64, i64, i64, i64, i64, i64);
type HoldColumns = (u64, Vec<u8>, Option<String>, Option<String>, i64);

impl Shelves {
    pub async fn levels(&self, asked: &[ProductId]) -> Result<Vec<Option<Level>>, Fault> {
        let sql = format!(
            "SELECT product_id, received, written_off, free, held, sold, undecided FROM t_gate_stock \
             WHERE product_id IN ({}) AND version IS NOT NULL",
            products(asked.iter().copied())
        );
        let mut known = BTreeMap::new();
        for row in self.database.read_text::<LevelColumns>("t_gate_stock", &sql).await? {
            let (product, received, written_off, ledger_free, ledger_held, sold, undecided) = row;
            let free = (ledger_free - undecided).max(0);
            let held = ledger_free + ledger_held - free;
            known.insert(product_of(product)?, Level { received, written_off, free, held, sold });
        }
        Ok(asked.iter().map(|product| known.get(product).cloned()).collect())
    }

    pub async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>, Fault> {
        let sql = format!(
            "SELECT order_id, product_lines, scope, idempotency_key, deadline FROM t_gate_hold \
             WHERE deadline <= {} ORDER BY deadline, order_id LIMIT {limit}",
            now.as_millis()
        );
        let rows = self.database.read_text::<HoldColumns>("t_gate_hold", &sql).await?;
        rows.into_iter()
            .map(|(order, lines, scope, key, deadline)| {
                let lines: Vec<Demand> = parse("t_gate_hold", &lines)?;
                let key = scope.zip(key).map(|(scope, key)| AnswerKey { scope, key });
                Ok(Hold { order_id: order_of(order)?, lines, key, deadline: Timestamp::from_millis(deadline) })
            })
            .collect()
    }

    pub async fn postpone(&self, order: OrderId, deadline: Timestamp) -> Result<(), Fault> {
        let deadline = deadline.as_millis();
        let sql = format!("UPDATE t_gate_hold SET deadline = {deadline} WHERE order_id = {order}");
        self.database.write_text(&sql).await.map(drop)
    }

    pub async fn hold_count(&self) -> Result<usize, Fault> {
        let counted = self.database.read_text::<u64>("t_gate_hold", "SELECT COUNT(*) FROM t_gate_hold").await?;
        Ok(counted.first().copied().and_then(|count| usize::try_from(count).ok()).unwrap_or(0))
    }

    /// Says several statements on a connection that is alive, before anything is changed by them.
    pub async fn look(&self, sql: &str, begins: bool) -> Result<(Session, Vec<Vec<Row>>), Fault> {
        loop {
            let mut session = self.database.session().await?;
            if begins {
                session.has_begun();
            }
            match session.texts(sql).await {
                Err(Fault::Away(_)) if session.reused => self.database.forget_idle(),
                sets => return sets.map(|sets| (session, sets)),
            }
        }
    }
}
