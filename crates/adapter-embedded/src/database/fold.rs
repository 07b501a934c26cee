//! One folding transaction: journal records in, rows out, the position with them.
//!
//! Several versions of an order or a doc become one write of the last. Applying the same records twice changes
//! nothing, so a power cut that takes the database back only costs the work again.

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter};
use std::collections::HashMap;
use std::sync::LazyLock;

use super::answer_age::{self, AnswersKept};
use super::rows::{equals, values};
use super::schema::{FOLDED, NEWEST_CHANGE, UNREAD_FLOOR, put_meta};
use crate::error::{Error, Result};
use crate::record::{DocHead, OrderHead, Record};
use crate::table::{Key, Owner, Table};

/// The positions that a fold stores with its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoldedMarks {
    pub folded: u64,
    pub unread_floor: u64,
    pub newest_change: u64,
}

pub(crate) struct Folding<'a> {
    transaction: Transaction<'a>,
    /// No order above it is put away.
    newest_archived: u64,
}

struct DocStatements {
    put: String,
    delete: String,
}

/// The statements of each table of docs; they hang on nothing but its columns.
static DOC_STATEMENTS: LazyLock<HashMap<Table, DocStatements>> =
    LazyLock::new(|| Table::ALL.into_iter().map(|table| (table, doc_statements(table))).collect());

fn doc_statements(table: Table) -> DocStatements {
    let layout = table.layout();
    let mut names: Vec<_> = layout.key.iter().map(|column| column.name()).collect();
    if let Owner::Column(name) = layout.owner {
        names.push(name);
    }
    names.extend(["position", "doc"]);
    let places: Vec<_> = (1..=names.len()).map(|index| format!("?{index}")).collect();
    let (names, places) = (names.join(", "), places.join(", "));
    DocStatements {
        put: format!("INSERT OR REPLACE INTO {} ({names}) VALUES ({places})", layout.name),
        delete: format!("DELETE FROM {} WHERE {}", layout.name, equals(layout.key)),
    }
}

fn failed(source: rusqlite::Error) -> Error {
    Error::Database { action: "fold into", source }
}

impl<'a> Folding<'a> {
    pub fn begin(connection: &'a mut Connection) -> Result<Self> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let newest: Option<i64> = transaction
            .prepare_cached("SELECT max(id) FROM orders_archive")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(failed)?;
        Ok(Self { transaction, newest_archived: newest.map_or(0, i64::cast_unsigned) })
    }

    /// Writes what the records say, the last word on each row only.
    pub fn apply(&self, records: &[(u64, Record<'_>)]) -> Result<()> {
        let mut orders: HashMap<u64, usize> = HashMap::new();
        let mut docs: HashMap<(Table, &Key), usize> = HashMap::new();
        for (index, (_, record)) in records.iter().enumerate() {
            match record {
                Record::Order(head, _) => drop(orders.insert(head.id, index)),
                Record::Doc(head, _) => drop(docs.insert((head.table, &head.key), index)),
                _ => {}
            }
        }
        for (index, (position, record)) in records.iter().enumerate() {
            let is_last = match record {
                Record::Order(head, _) => orders[&head.id] == index,
                Record::Doc(head, _) => docs[&(head.table, &head.key)] == index,
                _ => true,
            };
            if is_last {
                self.write(*position, record)?;
            }
        }
        Ok(())
    }

    fn write(&self, position: u64, record: &Record<'_>) -> Result<()> {
        let at = position.cast_signed();
        match record {
            Record::Order(head, doc) => self.write_order(head, doc),
            Record::Message(head, doc) => self.execute(
                "INSERT OR IGNORE INTO messages (position, order_id, consumer, asks_for_stock, with_order, doc)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (at, head.order.cast_signed(), head.to.name(), head.asks_for_stock, head.with_order, *doc),
            ),
            Record::Answer(head, doc) => self.execute(
                "INSERT OR IGNORE INTO answers (position, hash, at_ms, scope, key, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (at, head.hash.cast_signed(), head.at_ms, head.scope, head.key, *doc),
            ),
            Record::Void(id) => self.execute(
                "INSERT OR IGNORE INTO voids (order_id, position) VALUES (?1, ?2)",
                (id.cast_signed(), at),
            ),
            Record::Doc(head, doc) => self.write_doc(at, head, doc),
        }
    }

    /// Two statements, since most orders are new and one that does both cannot do without a journal of its own.
    fn write_order(&self, head: &OrderHead, doc: &str) -> Result<()> {
        let id = head.id.cast_signed();
        if head.id <= self.newest_archived && !self.bring_back(head)? {
            return Ok(());
        }
        let inserted = self.changed(
            "INSERT OR IGNORE INTO orders (id, user_id, status, version, created_ms, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (id, head.user.cast_signed(), head.status, head.version, head.created_ms, doc),
        )?;
        if inserted > 0 {
            return Ok(());
        }
        self.execute(
            "UPDATE OR ROLLBACK orders SET status = ?2, version = ?3, doc = ?4 WHERE id = ?1 AND version <= ?3",
            (id, head.status, head.version, doc),
        )
    }

    /// Takes an order's earlier version out of the archive. `false`: this version, or a later one, is put away.
    fn bring_back(&self, head: &OrderHead) -> Result<bool> {
        let id = head.id.cast_signed();
        self.execute("DELETE FROM orders_archive WHERE id = ?1 AND version < ?2", (id, head.version))?;
        let sql = "SELECT 1 FROM orders_archive WHERE id = ?1";
        let mut statement = self.transaction.prepare_cached(sql).map_err(failed)?;
        statement.exists([id]).map(|is_there| !is_there).map_err(failed)
    }

    fn write_doc(&self, at: i64, head: &DocHead, doc: &str) -> Result<()> {
        let mut params = values(head.table, &head.key)?;
        let DocStatements { put, delete } = &DOC_STATEMENTS[&head.table];
        if head.deleted {
            return self.execute(delete, params_from_iter(params));
        }
        if let Owner::Column(_) = head.table.layout().owner {
            params.push(Value::Integer(head.owner.cast_signed()));
        }
        params.extend([Value::Integer(at), Value::Text(doc.to_owned())]);
        self.execute(put, params_from_iter(params))
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<()> {
        self.changed(sql, params).map(drop)
    }

    /// Returns how many rows changed.
    fn changed(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
        let mut statement = self.transaction.prepare_cached(sql).map_err(failed)?;
        statement.execute(params).map_err(failed)
    }

    /// Lets time pass by the answers among the records and forgets those that are old. Returns how many went.
    pub fn forget_answers(&self, records: &[(u64, Record<'_>)], kept: AnswersKept) -> Result<usize> {
        answer_age::pass(&self.transaction, records, kept).map_err(failed)
    }

    pub fn commit(self, marks: &FoldedMarks) -> Result<()> {
        let put = |name, value| put_meta(&self.transaction, name, value).map_err(failed);
        put(FOLDED, marks.folded)?;
        put(UNREAD_FLOOR, marks.unread_floor)?;
        put(NEWEST_CHANGE, marks.newest_change)?;
        self.transaction.commit().map_err(failed)
    }
}
