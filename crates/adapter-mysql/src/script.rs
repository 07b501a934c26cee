//! Statements that go to the server together.
//!
//! What holds: a script is sent in as few packets as its size allows, mostly one, since a unit's time is mostly its waits
//! for the server. The server stops at the first statement that fails, so a COMMIT at the end is reached only if
//! everything before it was done.
//!
//! What must never happen: a packet larger than the servers were checked for (`Options::packet_bytes_min`).

use mysql_async::{Row, Value};
use std::sync::Arc;

use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::session::{Session, Statement};

/// Far below what every server takes. One row is an order or a message: a body of 64 KiB, six times that as JSON.
const PACKET_BYTES_MAX: usize = 4 << 20;

#[derive(Default)]
pub(crate) struct Script {
    statements: Vec<String>,
}

impl Script {
    pub fn add(&mut self, sql: impl Into<String>) {
        self.statements.push(sql.into());
    }

    /// An insert of many rows; nothing if there are none.
    pub fn rows(&mut self, statement: &Statement, rows: impl IntoIterator<Item = Vec<Value>>) {
        let mut sql = String::new();
        for row in rows {
            let row = list(row);
            if sql.len() + row.len() > PACKET_BYTES_MAX {
                self.end_of_rows(statement, std::mem::take(&mut sql));
            }
            if sql.is_empty() {
                sql = format!("{} VALUES (", statement.head);
            } else {
                sql += ",(";
            }
            sql += &row;
            sql += ")";
        }
        self.end_of_rows(statement, sql);
    }

    fn end_of_rows(&mut self, statement: &Statement, mut sql: String) {
        if !sql.is_empty() {
            sql += " ";
            sql += statement.tail;
            self.statements.push(sql);
        }
    }

    fn packets(self) -> Vec<String> {
        let mut packets: Vec<String> = Vec::new();
        for statement in self.statements {
            match packets.last_mut() {
                Some(packet) if packet.len() + statement.len() < PACKET_BYTES_MAX => {
                    packet.push_str("; ");
                    packet.push_str(&statement);
                }
                _ => packets.push(statement),
            }
        }
        packets
    }
}

impl Session {
    /// Runs a script whose statements have no rows to tell.
    pub async fn run(&mut self, script: Script) -> Result<(), Fault> {
        for packet in script.packets() {
            self.texts(&packet).await?;
        }
        Ok(())
    }

    /// The same with a COMMIT behind it. An [`Away`](Fault::Away) means that the outcome is unknown; after any other fault
    /// the statements behind it were not run, and the transaction is still open.
    pub async fn run_to_commit(&mut self, mut script: Script) -> Result<(), Fault> {
        script.add("COMMIT");
        let mut packets = script.packets();
        let last = packets.pop().expect("there is at least the COMMIT");
        for packet in packets {
            self.texts(&packet).await?;
        }
        self.texts_to_commit(&last).await
    }
}

impl Database {
    /// Begins a transaction on a connection that is alive and runs its first statements in the same packet. The rows of
    /// each.
    pub async fn begin_with(self: &Arc<Self>, sql: &str) -> Result<(Session, Vec<Vec<Row>>), Fault> {
        let sql = format!("START TRANSACTION; {sql}");
        loop {
            let mut session = self.session().await?;
            session.has_begun();
            match session.texts(&sql).await {
                Err(Fault::Away(_)) if session.reused => self.forget_idle(),
                begun => {
                    let mut sets = begun?;
                    // The first is the beginning itself.
                    sets.remove(0);
                    return Ok((session, sets));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATEMENT: Statement = Statement { head: "INSERT INTO t (a, b)", columns: 2, tail: "ON DUPLICATE KEY" };

    fn row(number: u64, text: &str) -> Vec<Value> {
        vec![number.into(), text.into()]
    }

    #[test]
    fn what_is_small_is_one_packet() {
        let mut script = Script::default();
        script.rows(&STATEMENT, [row(1, "x"), row(2, "it's")]);
        script.rows(&STATEMENT, []);
        script.add("COMMIT");
        let expected = r"INSERT INTO t (a, b) VALUES (1,'x'),(2,'it\'s') ON DUPLICATE KEY; COMMIT";
        assert_eq!(script.packets(), [expected]);
    }

    #[test]
    fn what_is_large_is_cut_and_no_row_is_lost() {
        let large = "x".repeat(400 << 10);
        let mut script = Script::default();
        script.rows(&STATEMENT, (0..30).map(|number| row(number, &large)));
        script.add("COMMIT");
        let packets = script.packets();
        assert!(packets.len() > 2, "{}", packets.len());
        assert!(packets.iter().all(|packet| packet.len() < 2 * PACKET_BYTES_MAX));
        assert_eq!(packets.iter().map(|packet| packet.matches(&large).count()).sum::<usize>(), 30);
        assert!(packets.iter().all(|packet| packet.starts_with(STATEMENT.head) || packet == "COMMIT"));
        assert!(packets.last().unwrap().ends_with("COMMIT"));
    }
}
