//! One database: its few connections, and the statements that run on them.
//!
//! What holds: a connection is lent to one caller at a time and returns only if it is clean, that is, outside of a
//! transaction and with its last reply read; any other is closed, which makes the server roll back. Every statement has
//! a deadline. A database that could not be reached is left alone for a moment, so that its callers are refused fast.
//!
//! What must never happen: a second caller inside the first one's transaction, or a cancelled caller's half statement
//! in front of the next one's.

use doos_ports::clock::Clock;
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::dialect::Dialect;
use crate::error::{Error, Fault};
use crate::options::Options;
use crate::session::{Open, Session, decode};

/// The session looks the same whatever the server's defaults are.
const SESSION: &str = "SET NAMES utf8mb4, time_zone = '+00:00', autocommit = 1, innodb_lock_wait_timeout = 8, \
     sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

pub(crate) struct Database {
    /// Where it is, without the password.
    pub name: String,
    pub clock: Arc<dyn Clock>,
    opts: Opts,
    idle: Mutex<Vec<Open>>,
    room: Arc<Semaphore>,
    limits: Limits,
    bulk_writes: bool,
    /// Monotonic time until which it counts as away.
    away_until_ms: AtomicU64,
}

#[derive(Clone, Copy)]
struct Limits {
    connect: Duration,
    statement: Duration,
    away_pause: Duration,
}

impl Database {
    pub fn new(option: &str, address: &str, options: &Options, clock: Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        let refused = |cause: String| Error::Address { option: option.to_owned(), cause };
        let opts = Opts::from_url(address).map_err(|error| refused(error.to_string()))?;
        let Some(database) = opts.db_name().map(str::to_owned) else {
            return Err(refused("it names no database".to_owned()));
        };
        let name = format!("{}:{}/{database}", opts.ip_or_hostname(), opts.tcp_port());
        let opts = OptsBuilder::from_opts(opts)
            .setup(vec![SESSION.to_owned(), ISOLATION.to_owned()])
            .prefer_socket(false)
            .tcp_nodelay(true)
            .stmt_cache_size(256);
        let limits = Limits {
            connect: options.connect_timeout,
            statement: options.statement_timeout,
            away_pause: options.away_pause,
        };
        Ok(Arc::new(Self {
            name,
            clock,
            opts: opts.into(),
            idle: Mutex::default(),
            room: Arc::new(Semaphore::new(options.connections_max.max(1))),
            limits,
            bulk_writes: options.bulk_writes,
            away_until_ms: AtomicU64::new(0),
        }))
    }

    /// A connection for one piece of work: one that is open, if there is.
    pub async fn session(self: &Arc<Self>) -> Result<Session, Fault> {
        let waited = timeout(self.limits.statement, Arc::clone(&self.room).acquire_owned()).await;
        let room = waited.map_err(|_| Fault::Contended(format!("all connections to {} are busy", self.name)))?;
        let room = room.expect("nobody closes the semaphore");
        let idle = self.idle().pop();
        let reused = idle.is_some();
        let open = match idle {
            Some(open) => open,
            None => self.connect().await?,
        };
        Ok(Session::lent(self, open, Some(room), reused))
    }

    /// A new connection that its owner keeps, outside of the count.
    pub async fn own_session(self: &Arc<Self>) -> Result<Session, Fault> {
        Ok(Session::lent(self, self.connect().await?, None, false))
    }

    /// Makes the database on a server that does not have it.
    pub async fn make(&self) -> Result<(), Fault> {
        let name = self.opts.db_name().expect("an address without a database is refused").replace('`', "``");
        let server: Opts = OptsBuilder::from_opts(self.opts.clone()).db_name(None::<String>).into();
        let connected = timeout(self.limits.connect, Conn::new(server)).await;
        let mut conn = connected.map_err(|_| Fault::Away(format!("{} does not answer", self.name)))??;
        let there = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";
        // Whoever may not make databases has had it made by somebody else.
        if conn.exec_first::<i64, _, _>(there, (&name,)).await? != Some(1) {
            tracing::info!(database = %self.name, "making the database");
            let sql = format!("CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
            conn.query_drop(sql).await?;
        }
        Ok(conn.disconnect().await?)
    }

    /// Keeps a clean connection for the next caller.
    pub fn take_back(&self, open: Open) {
        self.idle().push(open);
    }

    pub const fn statement_timeout(&self) -> Duration {
        self.limits.statement
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the connections that were open before the server went.
    pub fn forget_idle(&self) {
        let old = std::mem::take(&mut *self.idle());
        drop(old);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    async fn connect(&self) -> Result<Open, Fault> {
        if self.now_ms() < self.away_until_ms.load(Ordering::Relaxed) {
            return Err(Fault::Away(format!("{} could not be reached a moment ago", self.name)));
        }
        let connected = match timeout(self.limits.connect, Conn::new(self.opts.clone())).await {
            Ok(connected) => connected.map_err(Fault::from),
            Err(_) => Err(Fault::Away(format!("{} does not answer", self.name))),
        };
        match connected {
            Ok(mut conn) => {
                let version: Option<String> = conn.query_first("SELECT VERSION()").await?;
                let dialect = if self.bulk_writes { Dialect::of(&version.unwrap_or_default()) } else { Dialect::MySql };
                Ok(Open { conn, dialect })
            }
            Err(Fault::Away(cause)) => {
                let pause_ms = u64::try_from(self.limits.away_pause.as_millis()).unwrap_or(u64::MAX);
                self.away_until_ms.store(self.now_ms().saturating_add(pause_ms), Ordering::Relaxed);
                Err(Fault::Away(cause))
            }
            Err(refused) => Err(refused),
        }
    }

    /// Rows of one statement outside of any transaction. A connection that turns out to be dead is replaced once.
    pub async fn read<T: FromRow>(
        self: &Arc<Self>,
        what: &str,
        sql: &str,
        params: Vec<Value>,
    ) -> Result<Vec<T>, Fault> {
        loop {
            let mut session = self.session().await?;
            match session.exec(sql, params.clone()).await {
                Err(Fault::Away(_)) if session.reused => self.forget_idle(),
                rows => return decode(what, rows?),
            }
        }
    }

    /// As [`read`](Self::read), for statements written out in full.
    pub async fn read_text<T: FromRow>(self: &Arc<Self>, what: &str, sql: &str) -> Result<Vec<T>, Fault> {
        loop {
            let mut session = self.session().await?;
            match session.text(sql).await {
                Err(Fault::Away(_)) if session.reused => self.forget_idle(),
                rows => return decode(what, rows?),
            }
        }
    }

    /// Several statements in one packet, with the rows of each.
    pub async fn read_texts(self: &Arc<Self>, sql: &str) -> Result<Vec<Vec<Row>>, Fault> {
        loop {
            let mut session = self.session().await?;
            match session.texts(sql).await {
                Err(Fault::Away(_)) if session.reused => self.forget_idle(),
                sets => return sets,
            }
        }
    }

    /// One statement that commits itself. Returns the number of rows it changed. Run again if the connection had died
    /// before, so it must be one that may be repeated.
    pub async fn write_text(self: &Arc<Self>, sql: &str) -> Result<u64, Fault> {
        loop {
            let mut session = self.session().await?;
            match session.text(sql).await {
                Err(Fault::Away(_)) if session.reused => self.forget_idle(),
                done => return done.map(|_| session.affected_rows()),
            }
        }
    }

    /// Begins a transaction on a connection that is alive.
    pub async fn begin(self: &Arc<Self>) -> Result<Session, Fault> {
        loop {
            let mut session = self.session().await?;
            match session.begin().await {
                Err(Fault::Away(_)) if session.reused => self.forget_idle(),
                begun => return begun.map(|()| session),
            }
        }
    }
}
