//! One projection's file: its tables, its standing, one connection that writes and a few that read.
//!
//! What holds: the standing in memory is the one last committed. A file that turns out to be damaged is let go, and
//! made anew when somebody next asks for its standing, under a new epoch, so that whoever still applies to the old one
//! is refused.

use doos_domain::ids::OrderId;
use doos_ports::projection::{Standing, Walk};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Error;
use crate::locks::lock;

const STATEMENTS_KEPT: usize = 32;
const CACHE_KIB: i64 = 16 << 10;
/// 16 MiB of log at four KiB a page.
const CHECKPOINT_PAGES: i64 = 4 << 10;
const EPOCH: &str = "epoch";
/// Where places stood when they were numbers alone.
const POSITION: &str = "position";
/// 0: done, 1: everything is still to come, 2: what is below `WALK_BELOW`.
const WALK: &str = "walk";
const WALK_BELOW: &str = "walk_below";
const META: &str = "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;";
/// One row: the feed's token of the place that the file stands at.
const PLACE: &str =
    "CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), token TEXT NOT NULL) STRICT;";

/// What a file must look like to be taken as it is.
pub(super) struct Shape {
    pub engine: &'static str,
    pub file_name: &'static str,
    pub schema: i64,
    pub tables: &'static str,
}

pub(super) struct File {
    shape: &'static Shape,
    path: PathBuf,
    /// Numbers that must be found in the file, or it was made for something else.
    settings: Vec<(&'static str, i64)>,
    writer: Mutex<Option<Connection>>,
    standing: Mutex<Standing>,
    /// Grows when the file is made anew; connections of an earlier one are closed.
    generation: AtomicU64,
    idle: Mutex<Vec<(u64, Connection)>>,
    kept_max: usize,
}

impl File {
    pub fn open(
        dir: &Path,
        shape: &'static Shape,
        settings: Vec<(&'static str, i64)>,
        kept_max: usize,
    ) -> Result<Self, Error> {
        let path = dir.join(shape.file_name);
        let found = if path.exists() { take(&path, shape, &settings) } else { Ok(None) };
        let (connection, standing) = match found {
            Ok(Some(taken)) => taken,
            other => {
                if let Err(error) = other {
                    tracing::warn!(file = shape.file_name, %error, "a projection cannot be read and is made anew");
                }
                make(&path, shape, &settings, Standing { epoch: 1, ..Standing::default() })?
            }
        };
        Ok(Self {
            shape,
            path,
            settings,
            writer: Mutex::new(Some(connection)),
            standing: Mutex::new(standing),
            generation: AtomicU64::new(0),
            idle: Mutex::default(),
            kept_max,
        })
    }

    pub fn engine(&self) -> &'static str {
        self.shape.engine
    }

    pub fn standing(&self) -> doos_ports::Result<Standing> {
        // While somebody writes, the file is not gone.
        let is_gone = self.writer.try_lock().is_ok_and(|writer| writer.is_none());
        if is_gone {
            let epoch = lock(&self.standing).epoch + 1;
            self.make_anew(Standing { epoch, ..Standing::default() })?;
        }
        Ok(lock(&self.standing).clone())
    }

    /// Rows and standing in one transaction.
    pub fn apply(
        &self,
        standing: Standing,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> doos_ports::Result<()> {
        self.write(
            |transaction| {
                work(transaction)?;
                put_standing(transaction, &standing)
            },
            Some(&standing),
        )
    }

    /// Rows alone.
    pub fn change(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> doos_ports::Result<()> {
        self.write(work, None)
    }

    fn write(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
        standing: Option<&Standing>,
    ) -> doos_ports::Result<()> {
        let mut writer = lock(&self.writer);
        let epoch = lock(&self.standing).epoch;
        let Some(connection) = writer.as_mut() else { return Err(self.unavailable("it is being made anew")) };
        if standing.is_some_and(|standing| standing.epoch != epoch) {
            return Err(self.unavailable("it has begun anew meanwhile"));
        }
        let write = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            work(&transaction)?;
            transaction.commit()
        };
        match write() {
            Ok(()) => {
                if let Some(standing) = standing {
                    lock(&self.standing).clone_from(standing);
                }
                Ok(())
            }
            Err(error) => {
                if is_damage(&error) {
                    tracing::error!(engine = self.engine(), %error, "a projection is damaged and will be made anew");
                    *writer = None;
                }
                Err(self.unavailable(&error.to_string()))
            }
        }
    }

    /// Everything is forgotten; an epoch that is not newer changes nothing.
    pub fn begin_anew(&self, standing: Standing) -> doos_ports::Result<()> {
        if standing.epoch <= lock(&self.standing).epoch {
            return Ok(());
        }
        self.make_anew(standing)
    }

    fn make_anew(&self, standing: Standing) -> doos_ports::Result<()> {
        let mut writer = lock(&self.writer);
        // Closed before its file goes.
        *writer = None;
        let made = make(&self.path, self.shape, &self.settings, standing);
        let (connection, standing) = made.map_err(|error| self.unavailable(&error.in_full()))?;
        *writer = Some(connection);
        *lock(&self.standing) = standing;
        self.generation.fetch_add(1, Ordering::AcqRel);
        lock(&self.idle).clear();
        Ok(())
    }

    /// Runs reads in one transaction.
    pub fn read<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> doos_ports::Result<T> {
        let generation = self.generation.load(Ordering::Acquire);
        let idle = lock(&self.idle).pop().filter(|(of, _)| *of == generation);
        let outcome = (|| {
            let mut connection = match idle {
                Some((_, connection)) => connection,
                None => open_to_read(&self.path)?,
            };
            let value = {
                let transaction = connection.transaction()?;
                work(&transaction)?
            };
            Ok((connection, value))
        })();
        match outcome {
            Ok((connection, value)) => {
                let mut idle = lock(&self.idle);
                if idle.len() < self.kept_max {
                    idle.push((generation, connection));
                }
                Ok(value)
            }
            Err(error) => {
                if is_damage(&error) {
                    *lock(&self.writer) = None;
                }
                Err(self.unavailable(&error.to_string()))
            }
        }
    }

    fn unavailable(&self, cause: &str) -> doos_ports::Error {
        doos_ports::Error::Unavailable { engine: self.engine(), cause: cause.to_owned() }
    }
}

/// Takes the file as it is, unless it was made for something else.
fn take(
    path: &Path,
    shape: &Shape,
    settings: &[(&'static str, i64)],
) -> rusqlite::Result<Option<(Connection, Standing)>> {
    let connection = open_to_write(path)?;
    let schema: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if schema != shape.schema {
        return Ok(None);
    }
    for (name, value) in settings {
        if meta(&connection, name)? != Some(*value) {
            return Ok(None);
        }
    }
    name_place(&connection)?;
    let standing = standing_of(&connection)?;
    Ok(standing.map(|standing| (connection, standing)))
}

/// Makes a token of the number that a file of an earlier version has for a place: what the journal calls it, too.
fn name_place(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(PLACE)?;
    let name = "INSERT OR IGNORE INTO place (one, token) SELECT 1, CAST(value AS TEXT) FROM meta WHERE name = ?1";
    connection.execute(name, [POSITION]).map(drop)
}

fn make(
    path: &Path,
    shape: &Shape,
    settings: &[(&'static str, i64)],
    standing: Standing,
) -> Result<(Connection, Standing), Error> {
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        match std::fs::remove_file(PathBuf::from(name)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io { action: "remove a projection", source });
            }
            _ => {}
        }
    }
    let create = || {
        let mut connection = open_to_write(path)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction
            .execute_batch(&format!("{META}\n{PLACE}\n{}\nPRAGMA user_version = {};", shape.tables, shape.schema))?;
        for (name, value) in settings {
            put_meta(&transaction, name, *value)?;
        }
        put_standing(&transaction, &standing)?;
        transaction.commit()?;
        Ok(connection)
    };
    let connection = create().map_err(Error::database("make"))?;
    Ok((connection, standing))
}

fn open_to_write(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(connection)
}

fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    // Not the read-only flag: to read beside a writer one must take part in the shared index of the log file.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    if matches!(error, rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..)) {
        return true;
    }
    error.sqlite_error().is_some_and(|refusal| matches!(refusal.code, DatabaseCorrupt | NotADatabase))
}

pub(super) fn meta(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

pub(super) fn put_meta(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )?;
    statement.execute((name, value)).map(drop)
}

fn put_standing(connection: &Connection, standing: &Standing) -> rusqlite::Result<()> {
    let (walk, below) = match standing.walk {
        Walk::Done => (0, 0),
        Walk::Below(None) => (1, 0),
        Walk::Below(Some(id)) => (2, id.get().cast_signed()),
    };
    put_meta(connection, EPOCH, standing.epoch.cast_signed())?;
    put_meta(connection, WALK, walk)?;
    put_meta(connection, WALK_BELOW, below)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO place (one, token) VALUES (1, ?1)")?
        .execute([&standing.token])
        .map(drop)
}

fn standing_of(connection: &Connection) -> rusqlite::Result<Option<Standing>> {
    let place = "SELECT token FROM place WHERE one = 1";
    let token: Option<String> = connection.prepare_cached(place)?.query_row([], |row| row.get(0)).optional()?;
    let (Some(epoch), Some(token)) = (meta(connection, EPOCH)?, token) else { return Ok(None) };
    let below = meta(connection, WALK_BELOW)?.unwrap_or_default().cast_unsigned();
    let walk = match meta(connection, WALK)? {
        Some(0) => Walk::Done,
        Some(2) => Walk::Below(OrderId::new(below)),
        // Whatever else stands there: everything is walked, which costs time and loses nothing.
        _ => Walk::Below(None),
    };
    Ok(Some(Standing { epoch: epoch.cast_unsigned(), token, walk }))
}
