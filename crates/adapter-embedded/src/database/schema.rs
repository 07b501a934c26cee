//! The tables and how the database is opened.
//!
//! Tables are STRICT; texts are JSON of the domain's types, the columns beside them are what is searched by. The
//! schema has a number, and a database with a higher one is refused. What an older program of the same number can leave
//! alone, an index or a table of its own, is added when it is missing.

use doos_domain::ids::{EPOCH_MILLIS, OrderId};
use doos_domain::time::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::Path;

use crate::error::{Error, Result};
use crate::record::ID_AHEAD_MAX_MS;
use crate::table::{Column, Owner, Table};

pub(crate) const FILE_NAME: &str = "store.sqlite";
pub(crate) const FOLDED: &str = "folded_position";
/// No consumer had an unread message before this position when the fold was made.
pub(crate) const UNREAD_FLOOR: &str = "unread_floor";
/// No order had changed after this position when the fold was made.
pub(crate) const NEWEST_CHANGE: &str = "newest_change";
/// The time by which answers grow old, and the highest time that an answer has told.
pub(crate) const ANSWER_TIME: &str = "answer_time_ms";
pub(crate) const ANSWER_NEWEST: &str = "answer_newest_ms";
const SCHEMA: i64 = 1;
/// Something is put away here: a program that does not look there must not open it.
const ARCHIVED_SCHEMA: i64 = 2;
/// The highest number that this program knows.
pub const SCHEMA_NEWEST: i64 = ARCHIVED_SCHEMA;
const STATEMENTS_KEPT: usize = 96;
/// Orders arrive nearly in the order of their ids, so what is written again is mostly among the latest pages.
const FOLDER_CACHE_KIB: i64 = 32 << 10;
/// A page that is written again and again between two checkpoints is copied once: 32 MiB of log at four KiB a page.
const CHECKPOINT_PAGES: i64 = 8 << 10;

const FIXED_TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, status INTEGER NOT NULL, version INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, doc TEXT NOT NULL
) STRICT;
CREATE INDEX orders_by_user ON orders (user_id);
CREATE INDEX orders_by_status ON orders (status);
CREATE TABLE messages (
  position INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, consumer TEXT NOT NULL, asks_for_stock INTEGER NOT NULL,
  with_order INTEGER NOT NULL, doc TEXT NOT NULL
) STRICT;
CREATE INDEX messages_by_order ON messages (order_id);
CREATE TABLE answers (
  position INTEGER PRIMARY KEY, hash INTEGER NOT NULL, at_ms INTEGER NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL,
  doc TEXT NOT NULL
) STRICT;
CREATE INDEX answers_by_hash ON answers (hash);
CREATE TABLE voids (order_id INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT;
";

/// [`runs_ahead`](crate::record::runs_ahead) in SQL; the index and who reads by it must say it in the same words.
pub(super) fn runs_ahead_sql() -> String {
    let shift = OrderId::floor_at(Timestamp::from_millis(EPOCH_MILLIS + 1)).trailing_zeros();
    format!("(id >> {shift}) + {EPOCH_MILLIS} - created_ms > {ID_AHEAD_MAX_MS}")
}

/// An index of the few orders whose ids tell no time, the marks by which answers grow old, and tables younger than the
/// first schema.
fn additions() -> String {
    let ahead = runs_ahead_sql();
    let actions = docs_table(Table::Action);
    let archive = super::shelf::TABLES;
    format!(
        "{actions}
         {archive}
         CREATE INDEX IF NOT EXISTS orders_ahead ON orders (status, id, created_ms) WHERE {ahead};
         CREATE INDEX IF NOT EXISTS orders_archive_ahead ON orders_archive (status, id, created_ms) WHERE {ahead};
         CREATE TABLE IF NOT EXISTS answer_marks (time_ms INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT;"
    )
}

fn docs_table(table: Table) -> String {
    let layout = table.layout();
    let mut columns: Vec<String> = Vec::new();
    let mut key: Vec<&str> = Vec::new();
    for column in layout.key {
        let kind = match column {
            Column::Number(_) => "INTEGER",
            Column::Text(_) => "TEXT",
        };
        columns.push(format!("{} {kind} NOT NULL", column.name()));
        key.push(column.name());
    }
    if let Owner::Column(name) = layout.owner {
        columns.push(format!("{name} INTEGER NOT NULL"));
    }
    let (name, columns, key) = (layout.name, columns.join(", "), key.join(", "));
    let mut sql = format!(
        "CREATE TABLE IF NOT EXISTS {name} ({columns}, position INTEGER NOT NULL, doc TEXT NOT NULL, PRIMARY KEY ({key})) STRICT;\n"
    );
    if let Some(owner) = layout.owner.column() {
        sql.push_str(&format!("CREATE INDEX {name}_by_{owner} ON {name} ({owner}, position);\n"));
    }
    sql
}

/// The one connection that writes; makes the tables if there are none.
pub(crate) fn open_for_folding(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path).map_err(Error::database("open"))?;
    configure(&connection).map_err(Error::database("configure"))?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(Error::database("configure"))?;
    connection.pragma_update(None, "synchronous", "normal").map_err(Error::database("configure"))?;
    connection.pragma_update(None, "cache_size", -FOLDER_CACHE_KIB).map_err(Error::database("configure"))?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(Error::database("configure"))?;
    match version_of(&connection)? {
        0 => create(&connection).map_err(Error::database("make the tables of"))?,
        SCHEMA | ARCHIVED_SCHEMA => {}
        found => return Err(Error::Schema { found, known: ARCHIVED_SCHEMA }),
    }
    connection.execute_batch(&additions()).map_err(Error::database("add what is new to"))?;
    Ok(connection)
}

/// A connection that cannot write, also beside a running server in another process.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection> {
    // Not the read-only flag: to read beside a writer one must take part in the shared index of the log file.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(Error::database("open"))?;
    configure(&connection).map_err(Error::database("configure"))?;
    stand_in_for_archive(&connection).map_err(Error::database("configure"))?;
    connection.pragma_update(None, "query_only", true).map_err(Error::database("configure"))?;
    match version_of(&connection)? {
        0 | SCHEMA | ARCHIVED_SCHEMA => Ok(connection),
        found => Err(Error::Schema { found, known: ARCHIVED_SCHEMA }),
    }
}

/// A database that only an older program has opened has no archive; an empty one of this connection's own stands for it.
fn stand_in_for_archive(connection: &Connection) -> rusqlite::Result<()> {
    if has_table(connection, "orders")? && !has_table(connection, "orders_archive")? {
        let tables = super::shelf::TABLES.replace("CREATE TABLE", "CREATE TEMP TABLE");
        let ahead = runs_ahead_sql();
        let tables = tables.replace("INDEX IF NOT EXISTS ", "INDEX IF NOT EXISTS temp.");
        connection.execute_batch(&format!(
            "{tables}
             CREATE INDEX temp.orders_archive_ahead ON orders_archive (status, id, created_ms) WHERE {ahead};"
        ))?;
    }
    Ok(())
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM main.sqlite_master WHERE type = 'table' AND name = ?1";
    connection.query_row(sql, [name], |row| row.get::<_, i64>(0)).map(|count| count > 0)
}

/// A connection that writes beside the folder's, in transactions of its own.
pub(crate) fn open_beside(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(Error::database("open"))?;
    configure(&connection).map_err(Error::database("configure"))?;
    connection.pragma_update(None, "synchronous", "normal").map_err(Error::database("configure"))?;
    match version_of(&connection)? {
        SCHEMA | ARCHIVED_SCHEMA => {}
        found => return Err(Error::Schema { found, known: ARCHIVED_SCHEMA }),
    }
    connection.execute_batch(&additions()).map_err(Error::database("add what is new to"))?;
    Ok(connection)
}

/// From here on only programs that know the archive may open the database.
pub(crate) fn lock_out_older(connection: &Connection) -> Result<()> {
    if version_of(connection)? < ARCHIVED_SCHEMA {
        connection.pragma_update(None, "user_version", ARCHIVED_SCHEMA).map_err(Error::database("mark"))?;
    }
    Ok(())
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Only a checkpoint ever makes anybody wait, and never for long.
    connection.busy_timeout(std::time::Duration::from_secs(10))
}

fn version_of(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(Error::database("read the schema of"))
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    let docs: String = Table::ALL.into_iter().map(docs_table).collect();
    connection.execute_batch(&format!("BEGIN IMMEDIATE;\n{FIXED_TABLES}{docs}PRAGMA user_version = {SCHEMA};\nCOMMIT;"))
}

/// A number from the table of such; 0 if it was never written.
pub(crate) fn meta(connection: &Connection, name: &str) -> Result<u64> {
    meta_of(connection, name).map_err(Error::database("read a position of"))
}

pub(super) fn meta_of(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    let value: Option<i64> = statement.query_row([name], |row| row.get(0)).optional()?;
    Ok(value.unwrap_or_default().cast_unsigned())
}

pub(crate) fn put_meta(connection: &Connection, name: &str, value: u64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )?;
    statement.execute((name, value.cast_signed())).map(drop)
}
