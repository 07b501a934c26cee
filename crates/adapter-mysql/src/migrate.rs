//! The tables of every database, brought up to date step by step.
//!
//! What holds: each step is applied once, under a lock of its database, and remembered with the checksum of its
//! statements; steps only add, so that the program before this one still works on the new tables. A database that knows
//! a newer step than this program is refused. Statements are such that a step that died half way may be run again,
//! since no server takes table definitions back.
//!
//! What must never happen: a step edited after it has been released; the checksum would refuse it everywhere.

use doos_domain::time::Timestamp;
use mysql_async::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;

use crate::database::Database;
use crate::error::{Error, Fault};
use crate::session::Session;

/// Which tables a database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    Shard,
    Inventory,
    Catalog,
    Identity,
    Payment,
    Shipping,
    Statistics,
}

/// One released step; versions count from 1 without gaps.
pub(crate) struct Step {
    pub version: u32,
    pub name: &'static str,
    pub sql: &'static str,
}

const MAILBOX: &str = include_str!("sql/mailbox_1.sql");

const fn step(version: u32, name: &'static str, sql: &'static str) -> Step {
    Step { version, name, sql }
}

impl Schema {
    pub(crate) const fn steps(self) -> &'static [Step] {
        const SHARD: &[Step] = &[
            step(1, "orders", include_str!("sql/shard_1.sql")),
            step(2, "outbox and inbox", MAILBOX),
            step(3, "gate epoch", include_str!("sql/gate_epoch_1.sql")),
            step(4, "moves of buckets", include_str!("sql/moves_1.sql")),
            step(5, "archive of orders", include_str!("sql/archive_1.sql")),
        ];
        const INVENTORY: &[Step] = &[
            step(1, "stock ledger", include_str!("sql/inventory_1.sql")),
            step(2, "outbox and inbox", MAILBOX),
            step(3, "answers", include_str!("sql/answers_1.sql")),
            step(4, "stock gates", include_str!("sql/gates_1.sql")),
        ];
        const CATALOG: &[Step] = &[
            step(1, "products", include_str!("sql/catalog_1.sql")),
            step(2, "answers", include_str!("sql/answers_1.sql")),
            step(3, "actions", include_str!("sql/actions_1.sql")),
        ];
        const IDENTITY: &[Step] = &[step(1, "names", include_str!("sql/identity_1.sql"))];
        const PAYMENT: &[Step] =
            &[step(1, "money", include_str!("sql/payment_1.sql")), step(2, "outbox and inbox", MAILBOX)];
        const SHIPPING: &[Step] =
            &[step(1, "parcels", include_str!("sql/shipping_1.sql")), step(2, "outbox and inbox", MAILBOX)];
        const STATISTICS: &[Step] = &[step(1, "sums", include_str!("sql/statistics_1.sql"))];
        match self {
            Self::Shard => SHARD,
            Self::Inventory => INVENTORY,
            Self::Catalog => CATALOG,
            Self::Identity => IDENTITY,
            Self::Payment => PAYMENT,
            Self::Shipping => SHIPPING,
            Self::Statistics => STATISTICS,
        }
    }

    pub fn newest(self) -> u32 {
        self.steps().last().map_or(0, |step| step.version)
    }
}

/// Where one database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub database: String,
    pub schema: Schema,
    pub applied: u32,
    /// Versions and names still to come.
    pub pending: Vec<(u32, &'static str)>,
}

const JOURNAL: &str = "CREATE TABLE IF NOT EXISTS t_schema (version INT UNSIGNED NOT NULL, name VARCHAR(190) NOT NULL, \
     checksum CHAR(64) NOT NULL, applied_at BIGINT NOT NULL, PRIMARY KEY (version)) \
     ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
const LOCK_WAIT_SECONDS: u64 = 20;

/// Looks, and refuses what this program cannot work on: a newer version, or a step with another content.
pub(crate) async fn standing(database: &Arc<Database>, schema: Schema) -> Result<Standing, Error> {
    let mut session = database.session().await.map_err(|fault| failed(database, &fault))?;
    let applied = applied(&mut session).await.map_err(|fault| failed(database, &fault))?;
    compare(&database.name, schema, &applied)
}

/// Applies what is missing, under the database's lock.
pub(crate) async fn up(database: &Arc<Database>, schema: Schema, now: Timestamp) -> Result<Standing, Error> {
    database.make().await.map_err(|fault| failed(database, &fault))?;
    let mut session = database.own_session().await.map_err(|fault| failed(database, &fault))?;
    lock(&mut session, "doos_migrate").await.map_err(|fault| failed(database, &fault)).and_then(|taken| {
        if taken { Ok(()) } else { Err(Error::MigrationLocked { database: database.name.clone() }) }
    })?;
    session.text(JOURNAL).await.map_err(|fault| failed(database, &fault))?;
    let found = applied(&mut session).await.map_err(|fault| failed(database, &fault))?;
    let standing = compare(&database.name, schema, &found)?;
    for step in schema.steps().iter().filter(|step| step.version > standing.applied) {
        tracing::info!(database = %database.name, version = step.version, name = step.name, "migrating");
        apply(&mut session, step, now).await.map_err(|fault| failed(database, &fault))?;
    }
    // The lock goes with the session, which is not lent to anybody else.
    Ok(Standing { applied: schema.newest(), pending: Vec::new(), ..standing })
}

/// Takes a lock by name, for this database and as long as the session lives.
pub(crate) async fn lock(session: &mut Session, name: &str) -> Result<bool, Fault> {
    let sql = "SELECT GET_LOCK(CONCAT(?, '/', DATABASE()), ?)";
    // A statement's patience is shorter than that of whoever waits for a long migration.
    let rows: Vec<Option<i64>> =
        session.patiently(LOCK_WAIT_SECONDS).fetch("a lock", sql, vec![name.into(), LOCK_WAIT_SECONDS.into()]).await?;
    Ok(rows.first().copied().flatten() == Some(1))
}

async fn apply(session: &mut Session, step: &Step, now: Timestamp) -> Result<(), Fault> {
    for statement in statements(step.sql) {
        session.text(statement).await?;
    }
    let row: Vec<Value> =
        vec![step.version.into(), step.name.into(), checksum(step.sql).into(), now.as_millis().into()];
    session.exec("INSERT INTO t_schema (version, name, checksum, applied_at) VALUES (?,?,?,?)", row).await.map(drop)
}

async fn applied(session: &mut Session) -> Result<Vec<(u32, String)>, Fault> {
    let there =
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't_schema'";
    let count: Vec<i64> = session.fetch("the tables", there, Vec::new()).await?;
    if count.first() != Some(&1) {
        return Ok(Vec::new());
    }
    session.fetch("t_schema", "SELECT version, checksum FROM t_schema ORDER BY version", Vec::new()).await
}

fn compare(database: &str, schema: Schema, applied: &[(u32, String)]) -> Result<Standing, Error> {
    let newest = applied.last().map_or(0, |(version, _)| *version);
    if newest > schema.newest() {
        return Err(Error::SchemaTooNew { database: database.to_owned(), found: newest, known: schema.newest() });
    }
    for (step, (version, stored)) in schema.steps().iter().zip(applied) {
        if step.version != *version || checksum(step.sql) != *stored {
            return Err(Error::SchemaChanged { database: database.to_owned(), version: *version });
        }
    }
    let pending = schema.steps().iter().filter(|step| step.version > newest).map(|step| (step.version, step.name));
    Ok(Standing { database: database.to_owned(), schema, applied: newest, pending: pending.collect() })
}

fn failed(database: &Database, fault: &Fault) -> Error {
    Error::Database { database: database.name.clone(), cause: fault.to_string() }
}

/// Statements end with a semicolon at the end of a line; nothing else in these files does.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    let only_remarks = |part: &&str| part.lines().any(|line| !line.trim().is_empty() && !line.starts_with("--"));
    sql.split(";\n").filter(only_remarks)
}

fn checksum(sql: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(sql.as_bytes()) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Schema; 7] = [
        Schema::Shard,
        Schema::Inventory,
        Schema::Catalog,
        Schema::Identity,
        Schema::Payment,
        Schema::Shipping,
        Schema::Statistics,
    ];

    #[test]
    fn versions_count_from_one_without_gaps() {
        for schema in ALL {
            let versions: Vec<u32> = schema.steps().iter().map(|step| step.version).collect();
            assert_eq!(versions, (1..=schema.newest()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_step_may_be_run_again() {
        for step in ALL.into_iter().flat_map(Schema::steps) {
            for statement in statements(step.sql) {
                let again = statement.contains("IF NOT EXISTS") || statement.contains("INSERT IGNORE");
                assert!(again, "{}: {statement}", step.name);
            }
        }
    }

    fn applied(schema: Schema) -> Vec<(u32, String)> {
        schema.steps().iter().map(|step| (step.version, checksum(step.sql))).collect()
    }

    #[test]
    fn a_newer_or_another_version_is_refused() {
        let mut newer = applied(Schema::Shard);
        let known = Schema::Shard.newest();
        newer.push((known + 1, "unknown".to_owned()));
        let refused = compare("d", Schema::Shard, &newer);
        assert!(matches!(refused, Err(Error::SchemaTooNew { found, .. }) if found == known + 1), "{refused:?}");
        let mut other = applied(Schema::Shard);
        other[0].1 = "0".repeat(64);
        assert!(matches!(compare("d", Schema::Shard, &other), Err(Error::SchemaChanged { version: 1, .. })));
        let part = compare("d", Schema::Shard, &applied(Schema::Shard)[..1]).unwrap();
        assert_eq!((part.applied, part.pending[0]), (1, (2, "outbox and inbox")));
    }
}
