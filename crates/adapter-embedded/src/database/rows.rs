//! Reading the folded rows. Every method is one prepared statement. Orders are looked for among those in use and those put
//! away by the same one, since they go from one table to the other while it is read.

use doos_domain::message::Consumer;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use std::sync::LazyLock;

use super::schema::runs_ahead_sql;
use super::shelf::json_of;
use super::{FOLDED, meta};
use crate::error::{Error, Result};
use crate::table::{Column, Key, Table};

pub(crate) struct OrderRow {
    pub id: u64,
    pub version: u32,
    pub doc: String,
}

/// Which orders to walk, and in which direction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ListSpan {
    Newest {
        user: Option<u64>,
        status: Option<u8>,
        before: u64,
    },
    Oldest {
        status: u8,
        created_before_ms: i64,
        after: u64,
        below: u64,
    },
    /// Only orders whose ids run ahead of the time they were created at.
    OldestAhead {
        status: u8,
        created_before_ms: i64,
        after: u64,
    },
}

static OLDEST_AHEAD: LazyLock<String> = LazyLock::new(|| {
    let ahead = runs_ahead_sql();
    format!(
        "SELECT id, version, doc FROM orders INDEXED BY orders_ahead
         WHERE status = ?1 AND id > ?2 AND created_ms < ?3 AND {ahead}
         UNION ALL SELECT id, version, doc FROM orders_archive INDEXED BY orders_archive_ahead
         WHERE status = ?1 AND id > ?2 AND created_ms < ?3 AND {ahead} ORDER BY id"
    )
});

pub(crate) struct Reading<'a> {
    connection: &'a Connection,
}

fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::cast_unsigned)
}

fn failed(source: rusqlite::Error) -> Error {
    Error::Database { action: "read", source }
}

/// Id, version and doc, the last of either table.
fn order_row(row: &Row<'_>) -> Result<OrderRow> {
    let read = || Ok((number(row, 0)?, row.get(1)?, row.get_ref(2)?));
    let (id, version, doc) = read().map_err(failed)?;
    Ok(OrderRow { id, version, doc: json_of(id, doc)? })
}

impl<'a> Reading<'a> {
    pub fn of(connection: &'a Connection) -> Self {
        Self { connection }
    }

    /// Everything that `work` reads is of one position.
    pub fn snapshot<T>(connection: &'a Connection, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let run = |sql| connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map_err(failed);
        run("BEGIN")?;
        let result = work(&Self { connection });
        run("COMMIT").and(result)
    }

    pub fn meta(&self, name: &str) -> Result<u64> {
        meta(self.connection, name)
    }

    pub fn folded(&self) -> Result<u64> {
        self.meta(FOLDED)
    }

    fn row<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        statement.query_row(params, map).optional().map_err(failed)
    }

    /// Hands row after row to `visit` until it says enough.
    fn each(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        mut visit: impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query(params).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !visit(row)? {
                break;
            }
        }
        Ok(())
    }

    pub fn order(&self, id: u64) -> Result<Option<OrderRow>> {
        let sql = "SELECT id, version, doc FROM orders WHERE id = ?1
                   UNION ALL SELECT id, version, doc FROM orders_archive WHERE id = ?1";
        let mut found = None;
        self.each(sql, [id.cast_signed()], |row| {
            found = Some(order_row(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    pub fn order_version(&self, id: u64) -> Result<Option<u32>> {
        let sql = "SELECT version FROM orders WHERE id = ?1 UNION ALL SELECT version FROM orders_archive WHERE id = ?1";
        self.row(sql, [id.cast_signed()], |row| row.get(0))
    }

    /// The highest id that was ever stored or given up; 0 if none was.
    pub fn newest_id(&self) -> Result<u64> {
        let sql = "SELECT max(coalesce((SELECT max(id) FROM orders), 0),
                   coalesce((SELECT max(id) FROM orders_archive), 0),
                   coalesce((SELECT max(order_id) FROM voids), 0))";
        Ok(self.row(sql, [], |row| number(row, 0))?.unwrap_or_default())
    }

    /// The highest id of an order about whose stock there is a decision.
    pub fn newest_decided(&self) -> Result<u64> {
        let newest: Option<Option<i64>> = self.row("SELECT max(order_id) FROM stock_decision", [], |row| row.get(0))?;
        Ok(newest.flatten().map_or(0, i64::cast_unsigned))
    }

    /// Walks orders until `visit` says enough.
    pub fn orders(&self, span: ListSpan, mut visit: impl FnMut(OrderRow) -> Result<bool>) -> Result<()> {
        let (sql, params): (&str, Vec<i64>) = match span {
            ListSpan::Newest { user: None, status: None, before } => {
                let sql = "SELECT id, version, doc FROM orders WHERE id < ?1
                           UNION ALL SELECT id, version, doc FROM orders_archive WHERE id < ?1 ORDER BY id DESC";
                (sql, vec![signed(before)])
            }
            ListSpan::Newest { user: Some(user), status: None, before } => (
                "SELECT id, version, doc FROM orders WHERE user_id = ?1 AND id < ?2
                 UNION ALL SELECT id, version, doc FROM orders_archive WHERE user_id = ?1 AND id < ?2 ORDER BY id DESC",
                vec![signed(user), signed(before)],
            ),
            ListSpan::Newest { user: None, status: Some(status), before } => (
                "SELECT id, version, doc FROM orders WHERE status = ?1 AND id < ?2
                 UNION ALL SELECT id, version, doc FROM orders_archive WHERE status = ?1 AND id < ?2 ORDER BY id DESC",
                vec![status.into(), signed(before)],
            ),
            ListSpan::Newest { user: Some(user), status: Some(status), before } => (
                "SELECT id, version, doc FROM orders INDEXED BY orders_by_user
                 WHERE user_id = ?1 AND status = ?2 AND id < ?3
                 UNION ALL SELECT id, version, doc FROM orders_archive INDEXED BY orders_archive_by_user
                 WHERE user_id = ?1 AND status = ?2 AND id < ?3 ORDER BY id DESC",
                vec![signed(user), status.into(), signed(before)],
            ),
            ListSpan::Oldest { status, created_before_ms, after, below } => (
                "SELECT id, version, doc FROM orders WHERE status = ?1 AND id > ?2 AND id < ?3 AND created_ms < ?4
                 UNION ALL SELECT id, version, doc FROM orders_archive
                 WHERE status = ?1 AND id > ?2 AND id < ?3 AND created_ms < ?4 ORDER BY id",
                vec![status.into(), signed(after), signed(below), created_before_ms],
            ),
            ListSpan::OldestAhead { status, created_before_ms, after } => {
                (&*OLDEST_AHEAD, vec![status.into(), signed(after), created_before_ms])
            }
        };
        self.each(sql, params_from_iter(params), |row| visit(order_row(row)?))
    }

    /// Every order in order of ids, for audits.
    pub fn all_orders(&self, mut visit: impl FnMut(OrderRow) -> Result<()>) -> Result<()> {
        let sql =
            "SELECT id, version, doc FROM orders UNION ALL SELECT id, version, doc FROM orders_archive ORDER BY id";
        self.each(sql, [], |row| visit(order_row(row)?).map(|()| true))
    }

    pub fn is_void(&self, id: u64) -> Result<bool> {
        Ok(self.row("SELECT 1 FROM voids WHERE order_id = ?1", [id.cast_signed()], |_| Ok(()))?.is_some())
    }

    /// The answer with exactly this scope and key.
    pub fn answer(&self, hash: u64, scope: &str, key: &str) -> Result<Option<String>> {
        let sql = "SELECT doc FROM answers WHERE hash = ?1 AND scope = ?2 AND key = ?3";
        self.row(sql, (hash.cast_signed(), scope, key), |row| row.get(0))
    }

    pub fn message_at(&self, position: u64) -> Result<Option<String>> {
        self.row("SELECT doc FROM messages WHERE position = ?1", [position.cast_signed()], |row| row.get(0))
    }

    /// The messages written with an order and their positions, oldest first.
    pub fn messages_of(&self, order: u64) -> Result<Vec<(u64, String)>> {
        let mut messages = Vec::new();
        let sql = "SELECT position, doc FROM messages WHERE order_id = ?1 AND with_order ORDER BY position";
        self.each(sql, [order.cast_signed()], |row| {
            let read = || Ok((number(row, 0)?, row.get(1)?));
            messages.push(read().map_err(failed)?);
            Ok(true)
        })?;
        Ok(messages)
    }

    /// Messages from a position on: position, consumer, order, and whether it asks for stock.
    pub fn messages_from(
        &self,
        floor: u64,
        mut visit: impl FnMut(u64, Consumer, u64, bool) -> Result<()>,
    ) -> Result<()> {
        let sql =
            "SELECT position, consumer, order_id, asks_for_stock FROM messages WHERE position >= ?1 ORDER BY position";
        self.each(sql, [floor.cast_signed()], |row| {
            let name = row.get_ref(1).map_err(failed)?;
            let consumer = name.as_str().ok().and_then(Consumer::from_name).ok_or_else(|| Error::Row {
                what: "a message".to_owned(),
                found: format!("there is no consumer {name:?}"),
            })?;
            let read = || Ok((number(row, 0)?, number(row, 2)?, row.get(3)?));
            let (position, order, asks) = read().map_err(failed)?;
            visit(position, consumer, order, asks).map(|()| true)
        })
    }

    pub fn doc(&self, table: Table, key: &Key) -> Result<Option<String>> {
        let layout = table.layout();
        let sql = format!("SELECT doc FROM {} WHERE {}", layout.name, equals(layout.key));
        self.row(&sql, params_from_iter(values(table, key)?), |row| row.get(0))
    }

    pub fn docs_of(&self, table: Table) -> Result<Vec<(u64, Key, String)>> {
        self.docs(table, "1 = 1", Vec::new())
    }

    /// Docs whose first key column has that text.
    pub fn docs_beginning(&self, table: Table, first: &str) -> Result<Vec<(u64, Key, String)>> {
        let column = table.layout().key[0].name();
        self.docs(table, &format!("{column} = ?1"), vec![Value::Text(first.to_owned())])
    }

    pub fn docs_owned(&self, table: Table, owner: u64) -> Result<Vec<(u64, Key, String)>> {
        let column = table.layout().owner.column().expect("asked of tables with an owner only");
        self.docs(table, &format!("{column} = ?1"), vec![Value::Integer(owner.cast_signed())])
    }

    /// The newest docs of an owner that were written before a position, newest first.
    pub fn newest_owned(&self, table: Table, owner: u64, before: u64, limit: usize) -> Result<Vec<(u64, Key, String)>> {
        let column = table.layout().owner.column().expect("asked of tables with an owner only");
        let filter = format!("{column} = ?1 AND position < ?2 ORDER BY position DESC LIMIT {limit}");
        self.collect_docs(table, &filter, vec![Value::Integer(owner.cast_signed()), Value::Integer(signed(before))])
    }

    /// The docs with the highest text keys below `before`, highest first.
    pub fn docs_before(&self, table: Table, before: Option<&str>, limit: usize) -> Result<Vec<(u64, Key, String)>> {
        let column = table.layout().key[0].name();
        let (condition, params) = match before {
            Some(before) => (format!("{column} < ?1"), vec![Value::Text(before.to_owned())]),
            None => ("1 = 1".to_owned(), Vec::new()),
        };
        self.collect_docs(table, &format!("{condition} ORDER BY {column} DESC LIMIT {limit}"), params)
    }

    fn docs(&self, table: Table, filter: &str, params: Vec<Value>) -> Result<Vec<(u64, Key, String)>> {
        self.collect_docs(table, &format!("{filter} ORDER BY position"), params)
    }

    fn collect_docs(&self, table: Table, filter: &str, params: Vec<Value>) -> Result<Vec<(u64, Key, String)>> {
        let mut docs = Vec::new();
        self.each_doc(table, filter, params, |position, key, doc| {
            docs.push((position, key, doc.to_owned()));
            Ok(())
        })?;
        Ok(docs)
    }

    /// Hands every doc of a table to `visit`, oldest first.
    pub fn all_docs(&self, table: Table, mut visit: impl FnMut(&str) -> Result<()>) -> Result<()> {
        self.each_doc(table, "1 = 1 ORDER BY position", Vec::new(), |_, _, doc| visit(doc))
    }

    fn each_doc(
        &self,
        table: Table,
        filter: &str,
        params: Vec<Value>,
        mut visit: impl FnMut(u64, Key, &str) -> Result<()>,
    ) -> Result<()> {
        let layout = table.layout();
        let names: Vec<_> = layout.key.iter().map(|column| column.name()).collect();
        let sql = format!("SELECT position, doc, {} FROM {} WHERE {filter}", names.join(", "), layout.name);
        self.each(&sql, params_from_iter(params), |row| {
            let position = number(row, 0).map_err(failed)?;
            let key = key_of(row, layout.key).map_err(failed)?;
            let doc = row
                .get_ref(1)
                .map_err(failed)?
                .as_str()
                .map_err(|error| Error::Row { what: format!("a row of {}", layout.name), found: error.to_string() })?;
            visit(position, key, doc).map(|()| true)
        })
    }

    /// The sum of pieces per product and kind, of one product or over the whole ledger.
    pub fn movement_sums(
        &self,
        product: Option<u64>,
        mut visit: impl FnMut(u64, &str, i64) -> Result<()>,
    ) -> Result<()> {
        let (condition, params) = match product {
            Some(product) => ("WHERE product_id = ?1", vec![Value::Integer(product.cast_signed())]),
            None => ("", Vec::new()),
        };
        let sql = format!(
            "SELECT product_id, kind, sum(doc ->> '$.qty') FROM stock_movement {condition} GROUP BY product_id, kind"
        );
        self.each(&sql, params_from_iter(params), |row| {
            let read = || Ok((number(row, 0)?, row.get::<_, String>(1)?, row.get(2)?));
            let (product, kind, sum) = read().map_err(failed)?;
            visit(product, &kind, sum).map(|()| true)
        })
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn equals(columns: &[Column]) -> String {
    let terms: Vec<_> =
        columns.iter().enumerate().map(|(index, column)| format!("{} = ?{}", column.name(), index + 1)).collect();
    terms.join(" AND ")
}

pub(super) fn values(table: Table, key: &Key) -> Result<Vec<Value>> {
    let layout = table.layout();
    key.values(layout.key).ok_or_else(|| Error::Row {
        what: format!("a key of {}", layout.name),
        found: "its bytes are not that table's columns".to_owned(),
    })
}

fn key_of(row: &Row<'_>, columns: &[Column]) -> rusqlite::Result<Key> {
    let mut key = Key::from_bytes(&[]);
    for (index, column) in columns.iter().enumerate() {
        key = match column {
            Column::Number(_) => key.and_number(number(row, index + 2)?),
            Column::Text(_) => key.and_text(&row.get::<_, String>(index + 2)?),
        };
    }
    Ok(key)
}
