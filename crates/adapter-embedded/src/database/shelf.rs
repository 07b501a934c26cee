//! The table of orders that are put away: each packed, beside the table of those in use.
//!
//! What holds: an order is in one of the two tables, and goes from one to the other in one transaction: out of use by
//! [`put_away`], and back by the fold that brings a later version. Readers look into both with one statement
//! (`rows.rs`), so they find it at every instant, also beside another process that puts orders away.
//!
//! What must never happen: a row taken out of use whose packed form was not read back.

use doos_domain::ids::OrderId;
use doos_domain::order::Order;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::io::{Read, Write};

use crate::error::{Error, Result};

/// The tables that a database gets when it has none of them yet.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS orders_archive (
  id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, status INTEGER NOT NULL, version INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, doc BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS orders_archive_by_user ON orders_archive (user_id);
CREATE INDEX IF NOT EXISTS orders_archive_by_status ON orders_archive (status);
CREATE TABLE IF NOT EXISTS archived_months (
  month INTEGER PRIMARY KEY, orders INTEGER NOT NULL, began_ms INTEGER NOT NULL, ended_ms INTEGER
) STRICT;";

/// The form of a packed order: its JSON, deflated. A byte in front of it, so that others can follow.
const DEFLATED_JSON: u8 = 1;
/// Far above what an order can be; one that claims more is damaged.
const JSON_BYTES_MAX: u64 = 64 << 20;
/// Orders of one transaction; the folder waits for it.
const CHUNK_ROWS: u32 = 500;

fn pack(json: &str) -> Vec<u8> {
    let mut packed = DeflateEncoder::new(vec![DEFLATED_JSON], Compression::default());
    packed.write_all(json.as_bytes()).and_then(|()| packed.finish()).expect("memory takes all that is written")
}

fn unpack(packed: &[u8]) -> std::result::Result<String, String> {
    let Some((&DEFLATED_JSON, deflated)) = packed.split_first() else {
        return Err(format!("this program does not know form {:?}", packed.first()));
    };
    let mut json = String::new();
    DeflateDecoder::new(deflated).take(JSON_BYTES_MAX).read_to_string(&mut json).map_err(|error| error.to_string())?;
    Ok(json)
}

/// An order's JSON, from either table.
pub(super) fn json_of(id: u64, doc: ValueRef<'_>) -> Result<String> {
    let found = |found: String| Error::Row { what: format!("order {id}"), found };
    match doc {
        ValueRef::Text(json) => String::from_utf8(json.to_vec()).map_err(|error| found(error.to_string())),
        ValueRef::Blob(packed) => unpack(packed).map_err(found),
        other => Err(found(format!("{:?} is no order", other.data_type()))),
    }
}

/// What one transaction has put away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PutAway {
    pub orders: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    /// The last order that was looked at; `None` if there was none.
    pub last: Option<u64>,
}

struct Row {
    id: i64,
    user: i64,
    status: i64,
    version: i64,
    created_ms: i64,
    json: String,
}

fn failed(source: rusqlite::Error) -> Error {
    Error::Database { action: "put orders away in", source }
}

/// Orders in use from an id on, below another; the next ones, with what is in their rows.
fn next_rows(connection: &Connection, from: u64, below: u64, limit: u32) -> Result<Vec<Row>> {
    let sql = "SELECT id, user_id, status, version, created_ms, doc FROM orders WHERE id >= ?1 AND id < ?2
               ORDER BY id LIMIT ?3";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map((from.cast_signed(), below.cast_signed(), limit), |row| {
        Ok(Row {
            id: row.get(0)?,
            user: row.get(1)?,
            status: row.get(2)?,
            version: row.get(3)?,
            created_ms: row.get(4)?,
            json: row.get(5)?,
        })
    });
    rows.map_err(failed)?.collect::<rusqlite::Result<_>>().map_err(failed)
}

fn order_of(row: &Row) -> Result<Order> {
    let what = || format!("order {}", row.id);
    serde_json::from_str(&row.json).map_err(|error| Error::Row { what: what(), found: error.to_string() })
}

/// Hands every order in use of a span to `visit`.
pub(crate) fn each_in_use(
    connection: &Connection,
    low: u64,
    end: u64,
    mut visit: impl FnMut(OrderId, &Order),
) -> Result<()> {
    let mut from = low;
    loop {
        let rows = next_rows(connection, from, end, CHUNK_ROWS)?;
        let Some(last) = rows.last() else { return Ok(()) };
        from = last.id.cast_unsigned() + 1;
        for row in &rows {
            let order = order_of(row)?;
            visit(order.id, &order);
        }
    }
}

/// The lowest id in use from this one on.
pub(crate) fn first_in_use(connection: &Connection, from: u64) -> Result<Option<u64>> {
    let mut statement = connection.prepare_cached("SELECT min(id) FROM orders WHERE id >= ?1").map_err(failed)?;
    let first: Option<i64> = statement.query_row([from.cast_signed()], |row| row.get(0)).map_err(failed)?;
    Ok(first.map(i64::cast_unsigned))
}

/// Puts the next closed orders of a span away, in one transaction that counts them for their month.
pub(crate) fn put_away(
    connection: &mut Connection,
    (from, end): (u64, u64),
    month: i64,
    is_closed: impl Fn(&Order) -> bool,
) -> Result<PutAway> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let rows = next_rows(&transaction, from, end, CHUNK_ROWS)?;
    let mut done = PutAway { last: rows.last().map(|row| row.id.cast_unsigned()), ..PutAway::default() };
    for row in &rows {
        if !is_closed(&order_of(row)?) {
            continue;
        }
        let packed = pack(&row.json);
        let run = |sql: &str, params: &dyn Fn(&mut rusqlite::CachedStatement<'_>) -> rusqlite::Result<usize>| {
            transaction.prepare_cached(sql).and_then(|mut statement| params(&mut statement)).map_err(failed)
        };
        run(
            "INSERT OR REPLACE INTO orders_archive (id, user_id, status, version, created_ms, doc)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &|statement| statement.execute((row.id, row.user, row.status, row.version, row.created_ms, &packed)),
        )?;
        let mut find = transaction.prepare_cached("SELECT doc FROM orders_archive WHERE id = ?1").map_err(failed)?;
        let written: Option<Vec<u8>> = find.query_row([row.id], |found| found.get(0)).optional().map_err(failed)?;
        if written.as_deref().map(unpack) != Some(Ok(row.json.clone())) {
            let found = "it is not read from the archive as it was written there".to_owned();
            return Err(Error::Row { what: format!("order {}", row.id), found });
        }
        if run("DELETE FROM orders WHERE id = ?1", &|statement| statement.execute([row.id]))? != 1 {
            return Err(Error::Row { what: format!("order {}", row.id), found: "it was not in use".to_owned() });
        }
        done.orders += 1;
        done.bytes_before += row.json.len() as u64;
        done.bytes_after += packed.len() as u64;
    }
    transaction
        .execute("UPDATE archived_months SET orders = orders + ?2 WHERE month = ?1", (month, done.orders.cast_signed()))
        .map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_as_it_was() {
        for json in ["{}", "{\"address\":\"Ünder \u{1F6B2} \\u0000\"}", &"x".repeat(100_000)] {
            assert_eq!(unpack(&pack(json)).as_deref(), Ok(json));
        }
        assert!(pack(&"abc".repeat(1_000)).len() < 100);
    }

    #[test]
    fn a_form_of_a_later_program_and_a_damaged_one_are_refused() {
        assert!(unpack(&[]).is_err());
        assert!(unpack(&[9, 1, 2]).unwrap_err().contains("form Some(9)"));
        let mut cut = pack("{\"a\":1}");
        cut.pop();
        assert!(unpack(&cut).is_err());
    }
}
