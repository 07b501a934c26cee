//! One order shard's server: asking where its binlog begins and ends, and opening it for reading.
//!
//! What holds: whoever finds it away waits a pause that doubles, and all readers share it. What must never happen: a
//! reader under a server id that another one uses, since the server would cut the other off.

use doos_ports::clock::Clock;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, Opts, OptsBuilder, Row};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

use crate::error::{Error, Fault};
use crate::options::Options;
use crate::place::Place;

/// Upper half of the ids, away from those that people give to servers.
const READER_ID: u64 = 1 << 31;

pub(crate) struct Server {
    /// Host, port and database, for logs.
    pub name: String,
    pub database: String,
    pub heartbeat: Duration,
    pub clock: Arc<dyn Clock>,
    opts: Opts,
    options: Options,
    /// What the names of its binlog files begin with.
    base: OnceLock<String>,
    /// A connection for questions.
    asking: Mutex<Option<Conn>>,
    away: Mutex<Away>,
    /// The furthest that any reader has come; for numbers.
    read_to: AtomicU64,
}

#[derive(Default)]
struct Away {
    pause: Duration,
    until: Duration,
}

/// A server's binlogs: the first place there is and the one after the last event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub first: Place,
    pub end: Place,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    pub fn new(number: usize, options: &Options, clock: Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        let refused = |cause: String| Error::Address { number, cause };
        let opts = Opts::from_url(&options.shards[number]).map_err(|error| refused(error.to_string()))?;
        let database = opts.db_name().map(str::to_owned).ok_or_else(|| refused("it names no database".to_owned()))?;
        let name = format!("{}:{}/{database}", opts.ip_or_hostname(), opts.tcp_port());
        let heartbeat_ns = options.heartbeat.as_nanos();
        // The fourth capability: events of MariaDB come as they are, and not rewritten for older readers.
        let setup = format!(
            "SET @mariadb_slave_capability = 4, @master_heartbeat_period = {heartbeat_ns}, \
             @source_heartbeat_period = {heartbeat_ns}"
        );
        let opts = OptsBuilder::from_opts(opts)
            .setup(vec![setup])
            .prefer_socket(false)
            .tcp_nodelay(true)
            .max_allowed_packet(Some(options.packet_bytes_max))
            .into();
        Ok(Arc::new(Self {
            name,
            database,
            heartbeat: options.heartbeat,
            clock,
            opts,
            options: options.clone(),
            base: OnceLock::new(),
            asking: Mutex::default(),
            away: Mutex::default(),
            read_to: AtomicU64::new(0),
        }))
    }

    pub fn has_read_to(&self, place: Place) {
        self.read_to.fetch_max(place.linear(), Ordering::Relaxed);
    }

    pub fn read_to(&self) -> Place {
        Place::from_linear(self.read_to.load(Ordering::Relaxed))
    }

    /// Its log began anew.
    pub fn forget_read(&self) {
        self.read_to.store(0, Ordering::Relaxed);
    }

    /// How long nobody should try again.
    pub fn pause_left(&self) -> Duration {
        lock(&self.away).until.saturating_sub(self.clock.monotonic())
    }

    async fn connect(&self) -> Result<Conn, Fault> {
        if !self.pause_left().is_zero() {
            return Err(Fault::Away(format!("{} could not be reached a moment ago", self.name)));
        }
        let failed = match timeout(self.options.connect_timeout, Conn::new(self.opts.clone())).await {
            Ok(Ok(conn)) => {
                *lock(&self.away) = Away::default();
                return Ok(conn);
            }
            Ok(Err(error)) => format!("{} cannot be reached: {error}", self.name),
            Err(_) => format!("{} does not answer", self.name),
        };
        Err(self.found_away(failed))
    }

    /// Everybody leaves it alone for a while.
    fn found_away(&self, cause: String) -> Fault {
        let mut away = lock(&self.away);
        if away.pause.is_zero() {
            tracing::warn!(shard = %self.name, cause, "the change feed has lost a shard");
        }
        away.pause = (away.pause * 2).clamp(self.options.away_pause, self.options.away_pause_max);
        away.until = self.clock.monotonic() + away.pause;
        Fault::Away(cause)
    }

    /// A connection that died since the last question is replaced once.
    async fn ask(&self, sql: &str) -> Result<Vec<Row>, Fault> {
        loop {
            let reused = lock(&self.asking).take();
            let was_reused = reused.is_some();
            let mut conn = match reused {
                Some(conn) => conn,
                None => self.connect().await?,
            };
            match timeout(self.options.connect_timeout, conn.query(sql)).await {
                Ok(Ok(rows)) => {
                    *lock(&self.asking) = Some(conn);
                    return Ok(rows);
                }
                Ok(Err(_)) if was_reused => {}
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(self.found_away(format!("{} does not answer", self.name))),
            }
        }
    }

    /// The place after the last event.
    pub async fn end(&self) -> Result<Place, Fault> {
        Ok(self.kept().await?.end)
    }

    pub async fn kept(&self) -> Result<Kept, Fault> {
        let rows = self.ask("SHOW BINARY LOGS").await?;
        let place = |row: &Row| {
            let (name, size): (String, u64) = (row.get(0)?, row.get(1)?);
            let (base, number) = name.rsplit_once('.')?;
            let _ = self.base.set(base.to_owned());
            Some((number.parse().ok()?, u32::try_from(size).ok()?))
        };
        let found = rows.first().and_then(place).zip(rows.last().and_then(place));
        let Some(((first, _), (file, offset))) = found else {
            return Err(Fault::Broken(format!("{} has no binlog that can be read: set `log_bin = binlog`", self.name)));
        };
        let first = Place { file: first, offset: Place::START_OF_FILE };
        Ok(Kept { first, end: Place { file, offset } })
    }

    pub async fn has_orders(&self) -> Result<bool, Fault> {
        Ok(!self.ask("SELECT 1 FROM t_order LIMIT 1").await?.is_empty())
    }

    /// The number in a file's name.
    pub fn file_number(&self, name: &str) -> Option<u32> {
        name.strip_prefix(self.base.get()?.as_str())?.strip_prefix('.')?.parse().ok()
    }

    pub async fn open(&self, at: Place) -> Result<BinlogStream, Fault> {
        if self.base.get().is_none() {
            self.kept().await?;
        }
        let base = self.base.get().map(String::as_str).unwrap_or_default();
        let file = format!("{base}.{:06}", at.file);
        let conn = self.connect().await?;
        let id = READER_ID | (self.clock.random() ^ u64::from(conn.id()).wrapping_mul(0x9e37_79b9)) & (READER_ID - 1);
        let id = u32::try_from(id).expect("it has 32 bits");
        let request = BinlogStreamRequest::new(id).with_filename(file.as_bytes()).with_pos(u64::from(at.offset));
        match timeout(self.options.connect_timeout, conn.get_binlog_stream(request)).await {
            Ok(stream) => Ok(stream?),
            Err(_) => Err(Fault::Away(format!("{} does not answer", self.name))),
        }
    }
}
