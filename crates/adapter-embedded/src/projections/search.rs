//! Search: the words of each order in a full-text index, and a row of what else is asked for.
//!
//! What holds: every source of candidates gives them newest first by id, so a page is a merge that stops early. The text
//! itself is not kept, only its words. An id tells its time but for what its clock was ahead; the widest gap ever seen is
//! kept, so that a search by time can begin near the right id and still misses nothing.
//!
//! What must never happen: a search that reads on until it has found its page, however long that takes.

use async_trait::async_trait;
use doos_domain::ids::{EPOCH_MILLIS, OrderId, ProductId};
use doos_domain::order::Order;
use doos_domain::search::{Term, index_words, pairs, text_of};
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::projection::{Projection, Standing};
use doos_ports::search::{Hits, SearchIndex, SearchQuery};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::ProjectionOptions;
use super::file::{File, Shape, meta, put_meta};

const SHAPE: Shape = Shape {
    engine: "the search index",
    file_name: "search.sqlite",
    schema: 1,
    tables: "
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, status INTEGER NOT NULL, version INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, text_hash INTEGER NOT NULL, lines_hash INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_by_user ON orders (user_id);
CREATE INDEX orders_by_status ON orders (status);
CREATE TABLE lines (
  product_id INTEGER NOT NULL, order_id INTEGER NOT NULL, PRIMARY KEY (product_id, order_id)
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE texts USING fts5 (
  words, content='', contentless_delete=1, tokenize=\"unicode61 remove_diacritics 0\"
);",
};
/// The most that an id's time was ever ahead of its order's, and behind it.
const AHEAD_MS: &str = "ids_ahead_ms";
const BEHIND_MS: &str = "ids_behind_ms";
/// Of an order id, in milliseconds.
const ID_TIME_BITS: u32 = 41;
const COLUMNS: &str = "orders.id, orders.user_id, orders.status, orders.created_ms";

pub struct SqliteSearch {
    file: File,
    scan_max: usize,
}

impl SqliteSearch {
    pub(super) fn open(dir: &Path, options: ProjectionOptions) -> crate::error::Result<Self> {
        let file = File::open(dir, &SHAPE, Vec::new(), options.read_connections_kept_max)?;
        Ok(Self { file, scan_max: options.search_scan_max.max(1) })
    }
}

// --- Filling

/// What is stored of an order that is in the index already.
struct Known {
    version: u32,
    text_hash: i64,
    lines_hash: i64,
}

fn put_all(connection: &Connection, orders: &[Arc<Order>]) -> rusqlite::Result<()> {
    let mut newest: BTreeMap<u64, &Order> = BTreeMap::new();
    for order in orders {
        let slot = newest.entry(order.id.get()).or_insert(order);
        if slot.version < order.version {
            *slot = order;
        }
    }
    let (mut ahead_ms, mut behind_ms) = (0, 0);
    for order in newest.values() {
        let gap_ms = order.id.issued_at().as_millis().saturating_sub(order.created_at.as_millis());
        ahead_ms = ahead_ms.max(gap_ms);
        behind_ms = behind_ms.max(gap_ms.saturating_neg());
        put(connection, order)?;
    }
    for (name, gap_ms) in [(AHEAD_MS, ahead_ms), (BEHIND_MS, behind_ms)] {
        if meta(connection, name)?.is_none_or(|before| before < gap_ms) {
            put_meta(connection, name, gap_ms)?;
        }
    }
    Ok(())
}

fn put(connection: &Connection, order: &Order) -> rusqlite::Result<()> {
    let id = order.id.get().cast_signed();
    let mut find = connection.prepare_cached("SELECT version, text_hash, lines_hash FROM orders WHERE id = ?1")?;
    let known = find
        .query_row([id], |row| Ok(Known { version: row.get(0)?, text_hash: row.get(1)?, lines_hash: row.get(2)? }))
        .optional()?;
    if known.as_ref().is_some_and(|known| known.version >= order.version) {
        return Ok(());
    }
    let text = text_of(order);
    let products: BTreeSet<i64> = order.lines.iter().map(|line| line.product_id.get().cast_signed()).collect();
    let text_hash = hash(text.as_bytes());
    let lines_hash = hash(&products.iter().flat_map(|product| product.to_le_bytes()).collect::<Vec<u8>>());
    match known {
        None => {
            let mut insert = connection.prepare_cached(
                "INSERT INTO orders (id, user_id, status, version, created_ms, text_hash, lines_hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            let created_ms = order.created_at.as_millis();
            let user = order.user_id.get().cast_signed();
            insert.execute((id, user, order.status.number(), order.version, created_ms, text_hash, lines_hash))?;
            put_lines(connection, id, &products)?;
            put_words(connection, id, &text)
        }
        Some(known) => {
            let mut update = connection.prepare_cached(
                "UPDATE orders SET status = ?2, version = ?3, text_hash = ?4, lines_hash = ?5 WHERE id = ?1",
            )?;
            update.execute((id, order.status.number(), order.version, text_hash, lines_hash))?;
            if known.lines_hash != lines_hash {
                connection.prepare_cached("DELETE FROM lines WHERE order_id = ?1")?.execute([id])?;
                put_lines(connection, id, &products)?;
            }
            if known.text_hash != text_hash {
                connection.prepare_cached("DELETE FROM texts WHERE rowid = ?1")?.execute([id])?;
                put_words(connection, id, &text)?;
            }
            Ok(())
        }
    }
}

fn put_lines(connection: &Connection, id: i64, products: &BTreeSet<i64>) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO lines (product_id, order_id) VALUES (?1, ?2)")?;
    for product in products {
        insert.execute((product, id))?;
    }
    Ok(())
}

fn put_words(connection: &Connection, id: i64, text: &str) -> rusqlite::Result<()> {
    let words = index_words(text);
    if words.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached("INSERT INTO texts (rowid, words) VALUES (?1, ?2)")?;
    insert.execute((id, words.join(" "))).map(drop)
}

/// FNV-1a: the same on every machine; it only tells whether something has changed.
fn hash(bytes: &[u8]) -> i64 {
    let folded = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    folded.cast_signed()
}

// --- Finding

/// Where candidates come from, newest first.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    All,
    Order(OrderId),
    User(u64),
    Status(u8),
    Product(u64),
    /// An expression of the full-text index.
    Words(String),
}

impl Source {
    fn of(query: &SearchQuery) -> Vec<Self> {
        if let Some(meant) = &query.text {
            let words = expression(&meant.terms);
            let order = meant.order_id.map(Self::Order);
            let user = meant.user_id.map(|user| Self::User(user.get()));
            let products = meant.products.iter().map(|product| Self::Product(product.get()));
            return order.into_iter().chain(user).chain(products).chain(words.map(Self::Words)).collect();
        }
        if let Some(user) = query.user_id {
            return vec![Self::User(user.get())];
        }
        if let Some(product) = query.product_id {
            return vec![Self::Product(product.get())];
        }
        if query.statuses.is_empty() {
            return vec![Self::All];
        }
        query.statuses.iter().map(|status| Self::Status(status.number())).collect()
    }

    /// The query and its first parameter; the ids' bounds are the other two.
    fn sql(&self) -> (String, Value) {
        let number = |number: u64| Value::Integer(number.cast_signed());
        let of_orders = |condition: &str, value: Value| {
            let sql = format!(
                "SELECT {COLUMNS} FROM orders WHERE {condition} AND id >= ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4"
            );
            (sql, value)
        };
        match self {
            Self::All => of_orders("?1 = 0", number(0)),
            Self::Order(id) => of_orders("id = ?1", number(id.get())),
            Self::User(user) => of_orders("user_id = ?1", number(*user)),
            Self::Status(status) => of_orders("status = ?1", number(u64::from(*status))),
            Self::Product(product) => (
                format!(
                    "SELECT {COLUMNS} FROM lines CROSS JOIN orders ON orders.id = lines.order_id
                     WHERE lines.product_id = ?1 AND lines.order_id >= ?2 AND lines.order_id < ?3
                     ORDER BY lines.order_id DESC LIMIT ?4"
                ),
                number(*product),
            ),
            Self::Words(expression) => (
                format!(
                    "SELECT {COLUMNS} FROM texts CROSS JOIN orders ON orders.id = texts.rowid
                     WHERE texts MATCH ?1 AND texts.rowid >= ?2 AND texts.rowid < ?3
                     ORDER BY texts.rowid DESC LIMIT ?4"
                ),
                Value::Text(expression.clone()),
            ),
        }
    }
}

/// The full-text index's own language. Terms hold letters and digits alone, so nothing in them can end the quotes.
fn expression(terms: &[Term]) -> Option<String> {
    let phrases: Vec<String> = terms
        .iter()
        .map(|term| match term {
            Term::Word(word) => format!("\"{word}\"*"),
            Term::Run(run) => match pairs(run) {
                pairs if pairs.is_empty() => format!("\"{run}\"*"),
                pairs => format!("\"{}\"", pairs.join(" ")),
            },
        })
        .collect();
    (!phrases.is_empty()).then(|| phrases.join(" AND "))
}

/// What one source gave.
struct Found {
    ids: Vec<u64>,
    /// Set if it stopped looking after this id, with its share used up.
    stopped_at: Option<u64>,
}

/// Which ids can belong to orders of the time asked for.
fn bounds(connection: &Connection, query: &SearchQuery) -> rusqlite::Result<(i64, i64)> {
    let mut low = 0;
    let mut high = query.before.map_or(i64::MAX as u64, OrderId::get);
    if let Some(from) = query.from {
        let behind_ms = meta(connection, BEHIND_MS)?.unwrap_or_default();
        low = floor_at(from.plus_millis(behind_ms.saturating_neg()));
    }
    if let Some(to) = query.to {
        let ahead_ms = meta(connection, AHEAD_MS)?.unwrap_or_default();
        high = high.min(floor_at(to.plus_millis(ahead_ms.saturating_add(1))));
    }
    Ok((low.cast_signed(), high.cast_signed()))
}

/// The smallest id of that time; beyond the time that ids can tell, everything is below.
fn floor_at(at: Timestamp) -> u64 {
    let elapsed_ms = at.as_millis().saturating_sub(EPOCH_MILLIS);
    if elapsed_ms >= 1 << ID_TIME_BITS { i64::MAX as u64 } else { OrderId::floor_at(at) }
}

impl SqliteSearch {
    fn find(&self, connection: &Connection, query: &SearchQuery) -> rusqlite::Result<Hits> {
        let (low, high) = bounds(connection, query)?;
        let mut ids: BTreeSet<u64> = BTreeSet::new();
        let mut complete_down_to = 0;
        for source in Source::of(query) {
            let found = self.find_from(connection, &source, query, low, high)?;
            ids.extend(found.ids);
            complete_down_to = complete_down_to.max(found.stopped_at.unwrap_or(0));
        }
        let sure: Vec<OrderId> =
            ids.into_iter().rev().take_while(|id| *id >= complete_down_to).filter_map(OrderId::new).collect();
        let has_more = sure.len() > query.limit;
        let orders: Vec<OrderId> = sure.into_iter().take(query.limit).collect();
        let next = match orders.last() {
            Some(last) if has_more => Some(*last),
            _ => OrderId::new(complete_down_to),
        };
        Ok(Hits { orders, next })
    }

    fn find_from(
        &self,
        connection: &Connection,
        source: &Source,
        query: &SearchQuery,
        low: i64,
        high: i64,
    ) -> rusqlite::Result<Found> {
        let (sql, value) = source.sql();
        let share = i64::try_from(self.scan_max).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(&sql)?;
        let params = [value, Value::Integer(low), Value::Integer(high), Value::Integer(share)];
        let mut rows = statement.query(params_from_iter(params))?;
        let mut found = Found { ids: Vec::new(), stopped_at: None };
        let mut looked_at = 0;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            looked_at += 1;
            let fits = query.user_id.is_none_or(|user| row.get(1) == Ok(user.get().cast_signed()))
                && (query.statuses.is_empty() || query.statuses.iter().any(|status| row.get(2) == Ok(status.number())))
                && query.from.is_none_or(|from| row.get(3).is_ok_and(|at: i64| at >= from.as_millis()))
                && query.to.is_none_or(|to| row.get(3).is_ok_and(|at: i64| at < to.as_millis()));
            if fits && has_product(connection, source, query.product_id, id)? {
                found.ids.push(id.cast_unsigned());
                if found.ids.len() > query.limit {
                    return Ok(found);
                }
            }
            if looked_at == self.scan_max {
                found.stopped_at = Some(id.cast_unsigned());
            }
        }
        Ok(found)
    }
}

fn has_product(
    connection: &Connection,
    source: &Source,
    wanted: Option<ProductId>,
    order: i64,
) -> rusqlite::Result<bool> {
    let Some(wanted) = wanted.filter(|wanted| *source != Source::Product(wanted.get())) else { return Ok(true) };
    let mut statement = connection.prepare_cached("SELECT 1 FROM lines WHERE product_id = ?1 AND order_id = ?2")?;
    statement.exists((wanted.get().cast_signed(), order))
}

/// A search may take a while, and the thread it runs on is told so if it serves others too.
fn apart<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[async_trait]
impl Projection for SqliteSearch {
    fn name(&self) -> &'static str {
        "search"
    }

    async fn standing(&self) -> Result<Standing> {
        self.file.standing()
    }

    async fn apply(&self, orders: &[Arc<Order>], standing: Standing) -> Result<()> {
        self.file.apply(standing, |transaction| put_all(transaction, orders))
    }

    async fn begin_anew(&self, standing: Standing) -> Result<()> {
        self.file.begin_anew(standing)
    }

    /// Orders are found for as long as they are kept.
    async fn forget_old(&self, _now: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn versions(&self, orders: &[OrderId]) -> Result<Vec<Option<u32>>> {
        self.file.read(|transaction| {
            let mut find = transaction.prepare_cached("SELECT version FROM orders WHERE id = ?1")?;
            let mut version = |id: &OrderId| find.query_row([id.get().cast_signed()], |row| row.get(0)).optional();
            orders.iter().map(&mut version).collect()
        })
    }

    async fn order_count(&self) -> Result<u64> {
        self.file.read(|transaction| {
            transaction.query_row("SELECT COUNT(*) FROM orders", [], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
        })
    }
}

#[async_trait]
impl SearchIndex for SqliteSearch {
    async fn search(&self, query: &SearchQuery) -> Result<Hits> {
        if query.limit == 0 {
            return Ok(Hits::default());
        }
        apart(|| self.file.read(|transaction| self.find(transaction, query)))
    }
}
