//! The gates that are compared, and how each is opened for a run.

use async_trait::async_trait;
use doos_adapter_embedded::MemoryGate;
use doos_adapter_mysql::{Addresses, Options as SqlOptions, SqlGate, Way};
use doos_adapter_peer::{Owner, RemoteGate, RemoteOptions, Seat, service};
use doos_adapter_redis::{GateOptions, Link, LockOptions, Options as RedisOptions, RedisGate, RedisLock};
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::stock_gate::StockGate;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;

use super::afar::Afar;
use super::{DATABASE, GatesOptions};

/// What a caller may wait for before it counts the engine as away.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections of a SQL gate, as a node has them by default.
const CONNECTIONS: usize = 16;

#[derive(Clone, Copy)]
pub enum Contender {
    /// As on one machine: the caller's own process.
    Memory,
    /// As in a cluster: the owner's process, asked over gRPC in groups.
    MemoryOverGrpc,
    Redis,
    Optimistic,
    OptimisticNoRetry,
    RowLock,
    DistributedLock,
    Queue,
}

/// A gate that is ready, and what must live as long.
pub struct Opened {
    gate: Arc<dyn StockGate>,
    /// Ends when this is dropped.
    _serving: JoinSet<()>,
}

impl Opened {
    fn new(gate: impl StockGate + 'static) -> Self {
        Self { gate: Arc::new(gate), _serving: JoinSet::new() }
    }

    pub fn gate(&self) -> Arc<dyn StockGate> {
        Arc::clone(&self.gate)
    }
}

impl Contender {
    pub const ALL: [Self; 8] = [
        Self::Memory,
        Self::MemoryOverGrpc,
        Self::Redis,
        Self::Optimistic,
        Self::OptimisticNoRetry,
        Self::RowLock,
        Self::DistributedLock,
        Self::Queue,
    ];

    /// As the configuration calls it, where it does.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::MemoryOverGrpc => "memory over gRPC",
            Self::Redis => "redis",
            Self::Optimistic => "optimistic",
            Self::OptimisticNoRetry => "optimistic-no-retry",
            Self::RowLock => "row-lock",
            Self::DistributedLock => "distributed-lock",
            Self::Queue => "queue",
        }
    }

    /// The gate, or why there is none.
    pub async fn open(self, options: &GatesOptions) -> Result<Opened, String> {
        let way = match self {
            Self::Memory => return Ok(Opened::new(MemoryGate::default())),
            Self::MemoryOverGrpc => return over_grpc().await.map_err(|error| error.to_string()),
            Self::Redis => {
                // A run's orders need not be remembered after it.
                let short = Duration::from_secs(1);
                let kept = GateOptions { deduction_key: short, restock_key: short, ..GateOptions::default() };
                return Ok(Opened::new(RedisGate::new(redis(options).await?, kept)));
            }
            Self::Optimistic => Way::optimistic(),
            Self::OptimisticNoRetry => Way::NO_RETRY,
            Self::RowLock => Way::RowLock,
            Self::DistributedLock => {
                let lock = RedisLock::new(redis(options).await?, LockOptions::default());
                Way::DistributedLock(Arc::new(lock))
            }
            Self::Queue => Way::Queue,
        };
        Ok(Opened::new(sql(options, way).await?))
    }
}

async fn redis(options: &GatesOptions) -> Result<Arc<Link>, String> {
    let address = options.redis.as_deref().ok_or("no Redis: name one with --redis or DOOS_BENCH_REDIS")?;
    let mut options = RedisOptions::new(address).map_err(|error| error.to_string())?;
    options.prefix = DATABASE.to_owned();
    options.response_timeout = PATIENCE;
    let link = Link::new(options, Arc::new(RealClock::default())).map_err(|error| error.to_string())?;
    link.ping().await.map_err(|error| error.to_string())?;
    Ok(link)
}

async fn sql(options: &GatesOptions, way: Way) -> Result<SqlGate, String> {
    let server = options.mysql.as_deref().ok_or("no MySQL: name one with --mysql or DOOS_BENCH_MYSQL")?;
    let at = server.find("://").map_or(0, |at| at + 3);
    let end = server[at..].find('/').map_or(server.len(), |slash| at + slash);
    let address = format!("{}/{DATABASE}", &server[..end]);
    let same = || address.clone();
    let addresses = Addresses {
        shards: vec![same()],
        inventory: same(),
        catalog: same(),
        identity: same(),
        payment: same(),
        shipping: same(),
        statistics: same(),
    };
    let options = SqlOptions {
        connections_max: CONNECTIONS,
        connect_timeout: PATIENCE,
        statement_timeout: PATIENCE,
        ..SqlOptions::new(addresses)
    };
    let opened = SqlGate::open(&address, &options, Arc::new(RealClock::default()), way).await;
    opened.map_err(|error| error.to_string())
}

async fn over_grpc() -> anyhow::Result<Opened> {
    let token = SecretString::from(format!("{:032x}", fastrand::u128(..)));
    let seat = Seat::default();
    seat.give(Owner::Here(Arc::new(MemoryGate::in_epoch(1))));
    // Rebuilding is the owner's; here both ends are in one process.
    let own = seat.gate();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let router = tonic::transport::Server::builder().add_service(service(&seat, token.clone()));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        // The seat must be there as long as it is served. An end before its time fails the callers, and with them the run.
        let _seat = seat;
        let _ended = router.serve_with_incoming(incoming).await;
    });
    let remote =
        RemoteGate::new(&address, &token, RemoteOptions { call_timeout: PATIENCE, ..RemoteOptions::default() })?;
    Ok(Opened { gate: Arc::new(Afar { remote, own }), _serving: serving })
}

/// The clock of the engines during a run.
struct RealClock(crate::clock::Clock);

impl Default for RealClock {
    fn default() -> Self {
        Self(crate::clock::Clock::start())
    }
}

#[async_trait]
impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "the engines of a run live in real time")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.now_ns())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// Now, for whoever makes ids that no run before has made.
pub fn now_ms() -> u64 {
    u64::try_from(RealClock::default().now().as_millis()).unwrap_or(1)
}
