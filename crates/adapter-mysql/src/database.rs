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
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::dialect::Dialect;
use crate::error::{Error, Fault};
use crate::options::Options;

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
    /// Monotonic time until which it counts as away.
    away_until_ms: AtomicU64,
}

#[derive(Clone, Copy)]
struct Limits {
    connect: Duration,
    statement: Duration,
    away_pause: Duration,
}

struct Open {
    conn: Conn,
    dialect: Dialect,
}

/// A connection on loan.
pub(crate) struct Session {
    open: Option<Open>,
    home: Arc<Database>,
    statement_timeout: Duration,
    /// Nothing is half done on it.
    clean: bool,
    in_transaction: bool,
    /// It was open before; a failure of the first statement may only mean that the server has closed it.
    pub reused: bool,
    /// Its place among the lent ones; those that have none are kept by their owner and never returned.
    room: Option<OwnedSemaphorePermit>,
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
        Ok(self.lend(open, Some(room), reused))
    }

    /// A new connection that its owner keeps, outside of the count.
    pub async fn own_session(self: &Arc<Self>) -> Result<Session, Fault> {
        Ok(self.lend(self.connect().await?, None, false))
    }

    fn lend(self: &Arc<Self>, open: Open, room: Option<OwnedSemaphorePermit>, reused: bool) -> Session {
        Session {
            open: Some(open),
            home: Arc::clone(self),
            statement_timeout: self.limits.statement,
            clean: true,
            in_transaction: false,
            reused,
            room,
        }
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
                Ok(Open { conn, dialect: Dialect::of(&version.unwrap_or_default()) })
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

    /// One statement that commits itself. Returns the number of rows it changed. Run again if the connection had died
    /// before, so it must be one that may be repeated.
    pub async fn write_text(self: &Arc<Self>, sql: &str) -> Result<u64, Fault> {
        loop {
            let mut session = self.session().await?;
            match session.text(sql).await {
                Err(Fault::Away(_)) if session.reused => self.forget_idle(),
                done => return done.map(|_| session.open().conn.affected_rows()),
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

pub(crate) fn decode<T: FromRow>(what: &str, rows: Vec<Row>) -> Result<Vec<T>, Fault> {
    rows.into_iter().map(|row| T::from_row_opt(row).map_err(|error| Fault::row(what, error))).collect()
}

impl Session {
    fn open(&mut self) -> &mut Open {
        self.open.as_mut().expect("a session has its connection until it is dropped")
    }

    pub fn dialect(&self) -> Dialect {
        self.open.as_ref().expect("a session has its connection until it is dropped").dialect
    }

    /// The server's number for this connection, to end it by.
    pub fn id(&self) -> u32 {
        self.open.as_ref().expect("a session has its connection until it is dropped").conn.id()
    }

    /// Runs one exchange with the server under the deadline. Whoever stops listening half way leaves it unclean.
    async fn exchange<T>(&mut self, work: impl AsyncFnOnceSend<T>) -> Result<T, Fault> {
        self.clean = false;
        let (patience, name) = (self.statement_timeout, self.home.name.clone());
        let done = timeout(patience, work.call(&mut self.open().conn)).await;
        let result = match done {
            Ok(result) => result.map_err(Fault::from),
            Err(_) => return Err(Fault::Away(format!("{name} did not answer within {patience:?}"))),
        };
        self.clean = !matches!(result, Err(Fault::Away(_)));
        result
    }

    /// One statement as text; for several, the rows of the first one.
    pub async fn text(&mut self, sql: &str) -> Result<Vec<Row>, Fault> {
        self.exchange(Text(sql)).await
    }

    /// Several statements in one packet, with the rows of each.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Row>>, Fault> {
        self.exchange(Texts(sql)).await
    }

    pub async fn exec(&mut self, sql: &str, params: Vec<Value>) -> Result<Vec<Row>, Fault> {
        let params = if params.is_empty() { Params::Empty } else { Params::Positional(params) };
        self.exchange(Exec(sql, params)).await
    }

    pub async fn fetch<T: FromRow>(&mut self, what: &str, sql: &str, params: Vec<Value>) -> Result<Vec<T>, Fault> {
        decode(what, self.exec(sql, params).await?)
    }

    /// Many rows through one statement, in as few round trips as the server's dialect allows.
    pub async fn write_rows(&mut self, statement: &Statement, rows: Vec<Vec<Value>>) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        match self.dialect() {
            Dialect::MariaDb => self.exchange(Bulk(statement.for_rows(1), rows)).await,
            Dialect::MySql => {
                for (sql, params) in crate::dialect::batches(statement, rows) {
                    self.exec(&sql, params).await?;
                }
                Ok(())
            }
        }
    }

    /// Gives the next statements that many seconds more than any statement has.
    pub fn patiently(&mut self, seconds: u64) -> &mut Self {
        self.statement_timeout = self.home.limits.statement + Duration::from_secs(seconds);
        self
    }

    pub async fn begin(&mut self) -> Result<(), Fault> {
        self.in_transaction = true;
        self.text("START TRANSACTION").await.map(drop)
    }

    /// Says that a transaction was begun inside of a longer text.
    pub fn has_begun(&mut self) {
        self.in_transaction = true;
    }

    /// An [`Away`](Fault::Away) from here means that the outcome is unknown.
    pub async fn commit(&mut self) -> Result<(), Fault> {
        self.text("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    pub async fn rollback(&mut self) -> Result<(), Fault> {
        self.text("ROLLBACK").await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Whether it could serve the next piece of work.
    pub const fn is_usable(&self) -> bool {
        self.clean && !self.in_transaction
    }

    pub async fn affected_by(&mut self, sql: &str, params: Vec<Value>) -> Result<u64, Fault> {
        self.exec(sql, params).await?;
        Ok(self.open().conn.affected_rows())
    }

    pub async fn id_made_by(&mut self, sql: &str, params: Vec<Value>) -> Result<u64, Fault> {
        self.exec(sql, params).await?;
        self.open().conn.last_insert_id().ok_or_else(|| Fault::Refused("the server gave no number".to_owned()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_usable()
            && self.room.is_some()
            && let Some(open) = self.open.take()
        {
            self.home.idle().push(open);
        }
    }
}

/// What is said to the server in one exchange. A closure could not promise that its future may change threads.
trait AsyncFnOnceSend<T>: Send {
    fn call(self, conn: &mut Conn) -> impl Future<Output = mysql_async::Result<T>> + Send;
}

struct Text<'a>(&'a str);
struct Texts<'a>(&'a str);
struct Exec<'a>(&'a str, Params);
struct Bulk(String, Vec<Vec<Value>>);

impl AsyncFnOnceSend<Vec<Row>> for Text<'_> {
    async fn call(self, conn: &mut Conn) -> mysql_async::Result<Vec<Row>> {
        conn.query(self.0).await
    }
}

impl AsyncFnOnceSend<Vec<Vec<Row>>> for Texts<'_> {
    async fn call(self, conn: &mut Conn) -> mysql_async::Result<Vec<Vec<Row>>> {
        let mut results = conn.query_iter(self.0).await?;
        let mut sets = Vec::new();
        while !results.is_empty() || sets.is_empty() {
            sets.push(results.collect::<Row>().await?);
            if results.is_empty() {
                break;
            }
        }
        results.drop_result().await?;
        Ok(sets)
    }
}

impl AsyncFnOnceSend<Vec<Row>> for Exec<'_> {
    async fn call(self, conn: &mut Conn) -> mysql_async::Result<Vec<Row>> {
        conn.exec(self.0, self.1).await
    }
}

impl AsyncFnOnceSend<()> for Bulk {
    async fn call(self, conn: &mut Conn) -> mysql_async::Result<()> {
        conn.exec_batch(self.0, self.1.into_iter().map(Params::Positional)).await
    }
}

/// An INSERT whose row of question marks can be repeated.
pub(crate) struct Statement {
    pub head: &'static str,
    pub columns: usize,
    pub tail: &'static str,
}

impl Statement {
    pub fn for_rows(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns].join(","));
        format!("{} VALUES {} {}", self.head, vec![row; rows].join(","), self.tail)
    }
}
