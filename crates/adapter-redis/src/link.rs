//! The connection to Redis, shared by everybody in the process, and how it comes back.
//!
//! What holds: all calls go down one multiplexed connection (in a cluster, one a node). Each has a deadline. A connection
//! that broke or let a deadline pass is given up; the next caller makes a new one. While Redis is away one caller at a
//! time goes to look, at most once a pause, and all others are refused at once. Everything sent may be sent twice, since
//! what is sent are scripts that know a repeat.
//!
//! What must never happen here: a blocking command (it would hold up everybody behind it), or a lost reply told as a
//! refusal: what was sent and not answered may have been done.

use doos_ports::clock::Clock;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, Script, ScriptInvocation,
};
use redis::{ServerErrorKind, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

use crate::address::{Address, InvalidAddress};

/// Refusals of a server that could not do it now, told before anything is written.
const AWAY_WORDS: [&str; 5] = ["OOM", "MISCONF", "NOREPLICAS", "BUSY", "UNKILLABLE"];
/// Refusals that our scripts make.
const OUR_WORDS: [&str; 2] = ["REBUILD", "STALE"];

#[derive(Clone, Debug)]
pub struct Options {
    pub address: Address,
    /// Of every key; shops that share a Redis have different ones.
    pub prefix: String,
    pub connect_timeout: Duration,
    /// After this a call counts as lost with its connection.
    pub response_timeout: Duration,
    /// So long a Redis that could not be reached is not asked again.
    pub away_pause: Duration,
}

impl Options {
    pub fn new(address: &str) -> Result<Self, InvalidAddress> {
        Ok(Self {
            address: address.parse()?,
            prefix: "doos".to_owned(),
            connect_timeout: Duration::from_millis(1_000),
            response_timeout: Duration::from_millis(500),
            away_pause: Duration::from_millis(200),
        })
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Nothing was done.
    #[error("{0}")]
    Away(String),
    /// It was sent, and may have been done.
    #[error("{0}")]
    Lost(String),
    /// A script of ours refused, for the time being.
    #[error("{cause}")]
    Refused { cause: String },
    /// Redis refuses this very call, and will again.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// As a port says it.
    pub fn at(self, engine: &'static str) -> doos_ports::Error {
        match self {
            Self::Away(cause) => doos_ports::Error::Unavailable { engine, cause },
            Self::Lost(cause) => doos_ports::Error::Unknown { engine, cause },
            Self::Refused { cause } => doos_ports::Error::Unavailable { engine, cause },
            Self::Broken(cause) => doos_ports::Error::Broken { engine, cause },
        }
    }

    /// As a port says it, where nothing was to be changed.
    pub fn undone(self, engine: &'static str) -> doos_ports::Error {
        match self {
            Self::Lost(cause) => doos_ports::Error::Unavailable { engine, cause },
            other => other.at(engine),
        }
    }
}

enum Target {
    Single(Client),
    /// It remembers which Sentinel answered last, so it is held by whoever asks.
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> redis::RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(cmd, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[derive(Default)]
struct State {
    open: Option<Connection>,
    /// Counts connections, so that only the one that failed is given up.
    number: u64,
    /// Set while the last look found nobody; nobody looks again before.
    away_until: Option<Duration>,
}

pub struct Link {
    target: Target,
    options: Options,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    dialling: tokio::sync::Mutex<()>,
}

impl Link {
    /// Connects to nobody yet.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Arc<Self>, InvalidAddress> {
        let target = target(&options).map_err(|error| InvalidAddress::from(&error))?;
        Ok(Arc::new(Self { target, options, clock, state: Mutex::default(), dialling: tokio::sync::Mutex::default() }))
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// A key of this shop. All of them carry the prefix as their hash tag, so that in a cluster one script may use them
    /// together; `kind` says which ones need to.
    pub(crate) fn key(&self, kind: &str, name: &str) -> String {
        format!("{{{}:{kind}}}:{name}", self.options.prefix)
    }

    /// Whether keys may lie on different servers.
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self.target, Target::Cluster(_))
    }

    /// Whether the last look found Redis away.
    pub fn is_away(&self) -> bool {
        self.state().away_until.is_some()
    }

    pub async fn ping(&self) -> doos_ports::Result<()> {
        let pinged: Result<String, Failure> = self.command(&redis::cmd("PING")).await;
        pinged.map(drop).map_err(|failure| failure.undone("redis"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn command<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, Failure> {
        self.exchange(Said::Command(cmd)).await.and_then(read)
    }

    /// By its hash; a server that does not know the script is given it.
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        args: &[String],
    ) -> Result<T, Failure> {
        let mut call = script.prepare_invoke();
        call.key(keys).arg(args);
        self.call(&call).await
    }

    pub(crate) async fn call<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Failure> {
        self.exchange(Said::Script(call)).await.and_then(read)
    }

    async fn exchange(&self, said: Said<'_>) -> Result<Value, Failure> {
        let mut again = true;
        loop {
            let (number, mut connection, fresh) = self.connection().await?;
            match timeout(self.options.response_timeout, said.to(&mut connection)).await {
                Err(_) => {
                    self.give_up(number);
                    let patience = self.options.response_timeout;
                    return Err(Failure::Lost(format!("{} did not answer within {patience:?}", self.options.address)));
                }
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => {
                    if is_of_the_connection(&error) {
                        self.give_up(number);
                        // It was open for long, and may have died long ago; what was sent may be sent again.
                        if again && !fresh && !error.is_timeout() {
                            again = false;
                            continue;
                        }
                    }
                    return Err(self.sort(&error));
                }
            }
        }
    }

    fn sort(&self, error: &RedisError) -> Failure {
        use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain};
        let said = format!("{}: {error}", self.options.address);
        match error.kind() {
            ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | ReadOnly | TryAgain) => Failure::Away(said),
            ErrorKind::ClusterConnectionNotFound | ErrorKind::AuthenticationFailed => Failure::Away(said),
            ErrorKind::Extension if AWAY_WORDS.contains(&error.code().unwrap_or_default()) => Failure::Away(said),
            ErrorKind::Extension if OUR_WORDS.contains(&error.code().unwrap_or_default()) => {
                Failure::Refused { cause: error.detail().unwrap_or_default().to_owned() }
            }
            _ if error.is_io_error() || error.is_unrecoverable_error() => Failure::Lost(said),
            _ => Failure::Broken(said),
        }
    }

    fn give_up(&self, number: u64) {
        let mut state = self.state();
        if state.number == number {
            state.open = None;
        }
    }

    /// The open connection and its number, or a new one, which the last value tells.
    async fn connection(&self) -> Result<(u64, Connection, bool), Failure> {
        let away = || Failure::Away(format!("{} could not be reached a moment ago", self.options.address));
        let was_away = {
            let state = self.state();
            if let Some(open) = &state.open {
                return Ok((state.number, open.clone(), false));
            }
            if state.away_until.is_some_and(|until| self.clock.monotonic() < until) {
                return Err(away());
            }
            state.away_until.is_some()
        };
        let _dialling = match self.dialling.try_lock() {
            Ok(dialling) => dialling,
            Err(_) if was_away => return Err(away()),
            Err(_) => self.dialling.lock().await,
        };
        {
            // Whoever was here before has found out for everybody.
            let state = self.state();
            if let Some(open) = &state.open {
                return Ok((state.number, open.clone(), true));
            }
            if state.away_until.is_some_and(|until| self.clock.monotonic() < until) {
                return Err(away());
            }
        }
        let dialled = match timeout(self.options.connect_timeout, self.dial()).await {
            Ok(dialled) => dialled.map_err(|error| error.to_string()),
            Err(_) => Err("it does not answer".to_owned()),
        };
        let mut state = self.state();
        match dialled {
            Ok(connection) => {
                state.number += 1;
                state.open = Some(connection.clone());
                state.away_until = None;
                Ok((state.number, connection, true))
            }
            Err(cause) => {
                state.away_until = Some(self.clock.monotonic() + self.options.away_pause);
                Err(Failure::Away(format!("{}: {cause}", self.options.address)))
            }
        }
    }

    async fn dial(&self) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.connect_timeout))
            .set_response_timeout(Some(self.options.response_timeout));
        match &self.target {
            Target::Single(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::One)
            }
            // Every new connection asks who the master is now.
            Target::Sentinel(client) => {
                client.lock().await.get_async_connection_with_config(&config).await.map(Connection::One)
            }
            Target::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }
}

/// Whether another connection could do better: this one broke, or its server has become a replica.
fn is_of_the_connection(error: &RedisError) -> bool {
    let is_demoted = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
    error.is_io_error() || error.is_unrecoverable_error() || is_demoted
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, Failure> {
    T::from_redis_value(value).map_err(|error| Failure::Broken(format!("an answer cannot be read: {error}")))
}

/// What is said in one exchange.
enum Said<'a> {
    Command(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
}

impl Said<'_> {
    async fn to(&self, connection: &mut Connection) -> RedisResult<Value> {
        match self {
            Self::Command(cmd) => cmd.query_async(connection).await,
            Self::Script(call) => call.invoke_async(connection).await,
        }
    }
}

impl From<&RedisError> for InvalidAddress {
    fn from(error: &RedisError) -> Self {
        crate::address::invalid(error.to_string())
    }
}

fn target(options: &Options) -> RedisResult<Target> {
    Ok(match &options.address {
        Address::Single(server) => Target::Single(Client::open(server.clone())?),
        Address::Sentinel { sentinels, master, server } => {
            let node = SentinelNodeConnectionInfo::default().set_redis_connection_info(server.clone());
            let kind = SentinelServerType::Master;
            let client = SentinelClient::build(sentinels.clone(), master.clone(), Some(node), kind)?;
            Target::Sentinel(Box::new(tokio::sync::Mutex::new(client)))
        }
        Address::Cluster { nodes, .. } => {
            // What the deadline of a call allows; the library's own patience is longer.
            let client = ClusterClientBuilder::new(nodes.clone())
                .connection_timeout(options.connect_timeout)
                .response_timeout(options.response_timeout)
                .retries(3)
                .build()?;
            Target::Cluster(Box::new(client))
        }
    })
}
