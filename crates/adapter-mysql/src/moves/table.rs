//! Copying and comparing the rows of some buckets, in windows of bounded size.
//!
//! What holds: a window is a range of keys with a bounded number of rows of any bucket, so no statement is long, however
//! few of them move. What was written is read again and compared with what was read, value by value.

use mysql_async::{Row, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::numbers;
use super::record::{self, BucketMove};
use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::session::{Session, Statement};
use crate::topology::{COMING, MOVED, READY};

/// Rows of one window. Each may be as large as a request, and all of them are in memory.
const WINDOW_ROWS: usize = 1_000;
const KEYS_AT_ONCE: usize = 500;
/// Well below the smallest packet that a server must take.
const PART_BYTES: usize = 4 << 20;

/// A table that moves with its buckets. Its first column is its key.
pub(super) struct Table {
    pub name: &'static str,
    columns: &'static str,
    key: KeyKind,
    write: Statement,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Number,
    Bytes,
}

/// Keys as they are kept: numbers with the highest byte first.
pub(super) type Key = Vec<u8>;
type Cells = Vec<Value>;

pub(super) const ORDERS: Table = Table {
    name: "t_order",
    columns: "id, user_id, bucket, status, version, total_amount, currency, items, address, quote, detail, history, \
              created_at, updated_at",
    key: KeyKind::Number,
    write: Statement {
        head: "INSERT INTO t_order (id, user_id, bucket, status, version, total_amount, currency, items, address, quote, \
               detail, history, created_at, updated_at)",
        columns: 14,
        tail: "ON DUPLICATE KEY UPDATE user_id = VALUES(user_id), bucket = VALUES(bucket), status = VALUES(status), \
               version = VALUES(version), total_amount = VALUES(total_amount), currency = VALUES(currency), \
               items = VALUES(items), address = VALUES(address), quote = VALUES(quote), detail = VALUES(detail), \
               history = VALUES(history), created_at = VALUES(created_at), updated_at = VALUES(updated_at)",
    },
};

pub(super) const VOIDS: Table = Table {
    name: "t_void",
    columns: "id, bucket",
    key: KeyKind::Number,
    write: Statement {
        head: "INSERT INTO t_void (id, bucket)",
        columns: 2,
        tail: "ON DUPLICATE KEY UPDATE bucket = VALUES(bucket)",
    },
};

pub(super) const ANSWERS: Table = Table {
    name: "t_answer",
    columns: "id, bucket, scope, idempotency_key, fingerprint, status, body, created_at",
    key: KeyKind::Bytes,
    write: Statement {
        head: "INSERT INTO t_answer (id, bucket, scope, idempotency_key, fingerprint, status, body, created_at)",
        columns: 8,
        tail: "ON DUPLICATE KEY UPDATE bucket = VALUES(bucket), scope = VALUES(scope), \
               idempotency_key = VALUES(idempotency_key), fingerprint = VALUES(fingerprint), status = VALUES(status), \
               body = VALUES(body), created_at = VALUES(created_at)",
    },
};

/// What is put away moves as it is, packed.
pub(super) const ARCHIVED: Table = Table {
    name: "t_order_archive",
    columns: "id, user_id, bucket, status, version, created_at, body",
    key: KeyKind::Number,
    write: crate::rows::ARCHIVED_ORDERS,
};

/// Only walked: consumed messages follow after the switch.
pub(super) const MESSAGES: Table = Table {
    name: "t_local_message",
    columns: "id, message_id, tx_id, bucket, topic, payload, retry_count, next_retry, created_at",
    key: KeyKind::Number,
    write: Statement {
        head: "INSERT INTO t_local_message (message_id, tx_id, bucket, topic, payload, retry_count, next_retry, \
               created_at, status)",
        columns: 9,
        tail: "ON DUPLICATE KEY UPDATE message_id = t_local_message.message_id",
    },
};

fn cell(key: &[u8], kind: KeyKind) -> Value {
    match (kind, <[u8; 8]>::try_from(key)) {
        (KeyKind::Number, Ok(bytes)) => Value::UInt(u64::from_be_bytes(bytes)),
        (KeyKind::Number, Err(_)) => Value::UInt(0),
        (KeyKind::Bytes, _) => Value::Bytes(key.to_vec()),
    }
}

fn key_of(cells: &[Value]) -> Key {
    match cells.first() {
        Some(Value::UInt(number)) => number.to_be_bytes().to_vec(),
        Some(Value::Int(number)) => number.to_be_bytes().to_vec(),
        Some(Value::Bytes(bytes)) => bytes.clone(),
        _ => Key::new(),
    }
}

/// A range of keys, its end included; without an end it is the last.
pub(super) struct Window {
    pub after: Key,
    pub end: Option<Key>,
}

impl Table {
    fn literal(&self, key: &[u8]) -> String {
        cell(key, self.key).as_sql(false)
    }

    pub async fn window(&self, source: &Arc<Database>, after: &[u8]) -> Result<Window, Fault> {
        let sql = format!("SELECT id FROM {} WHERE id > ? ORDER BY id LIMIT 1 OFFSET {}", self.name, WINDOW_ROWS - 1);
        let rows: Vec<Row> = source.read(self.name, &sql, vec![cell(after, self.key)]).await?;
        let end = rows.into_iter().next().map(|row| key_of(&row.unwrap()));
        Ok(Window { after: after.to_vec(), end })
    }

    fn within(&self, window: &Window, buckets: &[u16]) -> String {
        let end = window.end.as_ref().map_or_else(String::new, |end| format!(" AND id <= {}", self.literal(end)));
        format!("id > {}{end} AND bucket IN ({})", self.literal(&window.after), numbers(buckets))
    }

    async fn rows(&self, database: &Arc<Database>, condition: &str) -> Result<BTreeMap<Key, Cells>, Fault> {
        let sql = format!("SELECT {} FROM {} WHERE {condition}", self.columns, self.name);
        let rows: Vec<Row> = database.read(self.name, &sql, Vec::new()).await?;
        Ok(rows.into_iter().map(Row::unwrap).map(|cells| (key_of(&cells), cells)).collect())
    }

    /// Copies a window's rows; how many there were.
    pub async fn copy(&self, ends: &Ends<'_>, window: &Window) -> Result<u64, Fault> {
        let rows = self.rows(ends.source, &self.within(window, &ends.moving.buckets)).await?;
        self.write(ends, rows.values().cloned().collect(), &[]).await?;
        Ok(rows.len() as u64)
    }

    /// Compares a window's rows; what differs, since it was written meanwhile, is copied once more. How many there were.
    pub async fn verify(&self, ends: &Ends<'_>, window: &Window) -> Result<u64, Fault> {
        let condition = self.within(window, &ends.moving.buckets);
        let source = self.rows(ends.source, &condition).await?;
        let mut target = self.rows(ends.target, &condition).await?;
        let mut differ = Vec::new();
        for (key, cells) in &source {
            if target.remove(key).as_ref() != Some(cells) {
                differ.push(key.clone());
            }
        }
        differ.extend(target.into_keys());
        self.carry(ends, &differ).await?;
        Ok(source.len() as u64)
    }

    /// Makes the target's rows under these keys what the source's are, and proves it.
    pub async fn carry(&self, ends: &Ends<'_>, keys: &[Key]) -> Result<(), Fault> {
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let condition = format!("id IN ({})", list(keys.iter().map(|key| cell(key, self.key))));
            let rows = self.rows(ends.source, &condition).await?;
            let gone: Vec<&Key> = keys.iter().filter(|key| !rows.contains_key(*key)).collect();
            self.write(ends, rows.values().cloned().collect(), &gone).await?;
            let copied = self.rows(ends.target, &condition).await?;
            if copied != rows {
                let at = keys.iter().find(|key| copied.get(*key) != rows.get(*key)).map(|key| self.literal(key));
                let at = at.unwrap_or_default();
                return Err(Fault::Refused(format!("the copy of {} differs at id {at}", self.name)));
            }
        }
        Ok(())
    }

    async fn write(&self, ends: &Ends<'_>, rows: Vec<Cells>, gone: &[&Key]) -> Result<(), Fault> {
        if rows.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let mut session = ends.target.begin().await?;
        record::fence(&mut session, &ends.moving.id, ends.mover).await?;
        if !gone.is_empty() {
            let keys = list(gone.iter().map(|key| cell(key, self.key)));
            session.text(&format!("DELETE FROM {} WHERE id IN ({keys})", self.name)).await?;
        }
        write_in_parts(&mut session, &self.write, rows).await?;
        session.commit().await
    }

    /// Removes the source's rows in a window.
    pub async fn clear(&self, ends: &Ends<'_>, window: &Window) -> Result<(), Fault> {
        let mut session = ends.source.begin().await?;
        record::fence(&mut session, &ends.moving.id, ends.mover).await?;
        let buckets = numbers(&ends.moving.buckets);
        let given_up = format!("SELECT bucket FROM t_bucket WHERE bucket IN ({buckets}) AND state = {MOVED}");
        if session.text(&given_up).await?.len() != ends.moving.buckets.len() {
            return Err(Fault::Refused("these buckets have not moved away; nothing is removed".to_owned()));
        }
        let condition = self.within(window, &ends.moving.buckets);
        session.text(&format!("DELETE FROM {} WHERE {condition}", self.name)).await?;
        session.commit().await
    }

    /// Removes the target's copies in a window.
    pub async fn forget(&self, ends: &Ends<'_>, window: &Window) -> Result<(), Fault> {
        let mut session = ends.target.begin().await?;
        record::fence(&mut session, &ends.moving.id, ends.mover).await?;
        refuse_served(&mut session, &ends.moving.buckets).await?;
        let condition = self.within(window, &ends.moving.buckets);
        session.text(&format!("DELETE FROM {} WHERE {condition}", self.name)).await?;
        session.commit().await
    }
}

/// Before anything of these buckets is removed here: none may be one that this shard serves.
pub(super) async fn refuse_served(session: &mut Session, buckets: &[u16]) -> Result<(), Fault> {
    let sql = format!(
        "SELECT bucket FROM t_bucket WHERE bucket IN ({}) AND state NOT IN ({MOVED}, {COMING}, {READY}) LIMIT 1 \
         FOR UPDATE",
        numbers(buckets)
    );
    match session.text(&sql).await?.is_empty() {
        true => Ok(()),
        false => {
            Err(Fault::Refused("one of these buckets is served by the shard that it should not move to".to_owned()))
        }
    }
}

/// Takes a window's messages along as consumed; those that the target has stay as they are there.
pub(super) async fn copy_consumed(ends: &Ends<'_>, window: &Window) -> Result<u64, Fault> {
    let rows = MESSAGES.rows(ends.source, &MESSAGES.within(window, &ends.moving.buckets)).await?;
    let count = rows.len() as u64;
    let consumed = rows.into_values().map(|mut cells| {
        cells.remove(0);
        cells.push(u64::from(crate::outbox::CONSUMED).into());
        cells
    });
    MESSAGES.write(ends, consumed.collect(), &[]).await?;
    Ok(count)
}

/// Many rows in as many packets as the servers' limit wants, whatever the size of a row.
pub(crate) async fn write_in_parts(
    session: &mut Session,
    statement: &Statement,
    rows: Vec<Vec<Value>>,
) -> Result<(), Fault> {
    let (mut part, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let row_bytes: usize = row.iter().map(|cell| if let Value::Bytes(text) = cell { text.len() } else { 8 }).sum();
        if !part.is_empty() && bytes + row_bytes > PART_BYTES {
            session.write_rows(statement, std::mem::take(&mut part)).await?;
            bytes = 0;
        }
        bytes += row_bytes;
        part.push(row);
    }
    session.write_rows(statement, part).await
}

/// A move and its two shards.
pub(super) struct Ends<'a> {
    pub moving: &'a BucketMove,
    pub source: &'a Arc<Database>,
    pub target: &'a Arc<Database>,
    pub mover: u64,
}
