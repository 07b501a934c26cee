//! Raw SQLite: the same records as rows, one transaction a group, synced before the next begins.

use anyhow::Result;
use rusqlite::Connection;
use std::path::Path;

use super::records::Unit;
use crate::clock::Clock;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, record BLOB NOT NULL);
    CREATE INDEX orders_of_user ON orders (user_id, id);
    CREATE TABLE messages (id INTEGER PRIMARY KEY, record BLOB NOT NULL);";

/// Orders made durable a second, in transactions of so many.
pub fn orders_per_s(file: &Path, units: &[Unit], group_len: usize, seconds: f64) -> Result<f64> {
    let mut database = Connection::open(file)?;
    database.execute_batch(SCHEMA)?;
    let mut placed = 0_u64;
    let mut units = units.iter().cycle();
    let clock = Clock::start();
    while clock.seconds() < seconds {
        let transaction = database.transaction()?;
        {
            let mut order = transaction.prepare_cached("INSERT INTO orders VALUES (?1, ?2, ?3)")?;
            let mut message = transaction.prepare_cached("INSERT INTO messages VALUES (?1, ?2)")?;
            for [order_record, message_record] in units.by_ref().take(group_len) {
                placed += 1;
                let id = i64::try_from(placed)?;
                order.execute((id, id, order_record))?;
                message.execute((id, message_record))?;
            }
        }
        transaction.commit()?;
    }
    Ok(placed as f64 / clock.seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_stores_take_the_records_again_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let units: Vec<Unit> = vec![[b"order".to_vec(), b"message".to_vec()]; 3];
        assert!(orders_per_s(&dir.path().join("raw.db"), &units, 8, 0.05).unwrap() > 0.0);
        assert!(super::super::journal_orders_per_s(&dir.path().join("raw"), &units, 8, 0.05).unwrap() > 0.0);
        assert!(super::super::sync_latency(dir.path(), 0.05).unwrap().count() > 0);
    }
}
