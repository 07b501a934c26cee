//! Databases on real servers, a store that writes to them, and feeds that read what it wrote.
//!
//! The addresses come from `DOOS_TEST_MYSQL_0`, `_1` and `_INVENTORY`, or from `scripts/services.sh env`. Without a
//! server a test prints NOT RUN; under `CI=true` it fails.

use doos_adapter_binlog::{BinlogFeed, Options};
use doos_adapter_mysql::{Addresses, Databases, MySqlEngines};
use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_domain::ids::OrderId;
use doos_domain::month::Month;
use doos_domain::time::Timestamp;
use doos_ports::Ports;
use doos_ports::archive::{Ask, Fate, Which};
use doos_ports::bus::Position;
use doos_ports::change_feed::{ChangeFeed, Changed};
use doos_ports::clock::Clock;
use doos_ports::suites::scene::Scene;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

pub struct RealClock {
    start: Instant,
    drawn: AtomicU64,
}

impl RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests on real servers")]
    pub fn start() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), drawn: AtomicU64::new(0) })
    }

    fn draw(&self) -> u64 {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed) + u64::from(std::process::id());
        (drawn + Clock::now(self).as_millis().unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    }
}

#[async_trait::async_trait]
impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests on real servers")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests on real servers")]
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> u64 {
        self.draw()
    }
}

impl SimRuntime for RealClock {
    fn now(&self) -> Timestamp {
        Clock::now(self)
    }

    fn monotonic(&self) -> Duration {
        Clock::monotonic(self)
    }

    fn sleep(&self, duration: Duration) -> Pause {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        self.draw()
    }

    fn yield_now(&self) -> Pause {
        Box::pin(tokio::task::yield_now())
    }
}

/// Two months later.
struct FarAhead(Arc<RealClock>);

#[async_trait::async_trait]
impl Clock for FarAhead {
    fn now(&self) -> Timestamp {
        Clock::now(&*self.0).plus_millis(62 * 86_400_000)
    }

    fn monotonic(&self) -> Duration {
        Clock::monotonic(&*self.0)
    }

    async fn sleep(&self, duration: Duration) {
        Clock::sleep(&*self.0, duration).await;
    }

    fn random(&self) -> u64 {
        self.0.draw()
    }
}

#[derive(Clone)]
pub struct Servers {
    pub shards: [String; 2],
    pub inventory: String,
}

fn servers() -> Option<Servers> {
    static FOUND: OnceLock<Option<Servers>> = OnceLock::new();
    let found = FOUND.get_or_init(find_servers);
    if found.is_none() {
        let missing = "no MariaDB: set DOOS_TEST_MYSQL_0, or run `scripts/services.sh start mariadb`";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        eprintln!("!!!! NOT RUN: {missing}");
    }
    found.clone()
}

const SERVICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh");

fn find_servers() -> Option<Servers> {
    let mut named: BTreeMap<String, String> =
        std::env::vars().filter(|(name, _)| name.starts_with("DOOS_TEST_MYSQL_")).collect();
    if !named.contains_key("DOOS_TEST_MYSQL_0") {
        let said = Command::new(SERVICES).arg("env").output().ok()?;
        for line in String::from_utf8_lossy(&said.stdout).lines() {
            if let Some((name, value)) = line.trim_start_matches("export ").split_once('=') {
                named.insert(name.to_owned(), value.trim_matches('\'').to_owned());
            }
        }
    }
    let base =
        |name: &str| named.get(name).and_then(|address| address.rsplit_once('/')).map(|(base, _)| base.to_owned());
    let first = base("DOOS_TEST_MYSQL_0")?;
    let second = base("DOOS_TEST_MYSQL_1").unwrap_or_else(|| first.clone());
    let inventory = base("DOOS_TEST_MYSQL_INVENTORY").unwrap_or_else(|| first.clone());
    Some(Servers { shards: [first, second], inventory })
}

/// What only an administrator may do, on the inventory's server.
pub fn administer(statement: &str) {
    let done = Command::new(SERVICES).args(["sql", "inventory", statement]).output().unwrap();
    assert!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
}

pub async fn connect(address: &str) -> Conn {
    let opts = OptsBuilder::from_opts(Opts::from_url(address).unwrap()).prefer_socket(false);
    Conn::new(opts).await.expect("the server takes connections")
}

/// Runs a test on a runtime of its own, if there are servers.
pub fn on_servers(test: impl AsyncFnOnce(Servers)) {
    let Some(servers) = servers() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test(servers));
}

/// A set of databases that nobody else uses while this value lives, with empty tables.
pub struct Bed {
    pub addresses: Addresses,
    pub engines: MySqlEngines,
    _locks: Vec<Conn>,
}

impl Bed {
    /// Shards on servers of their own.
    pub async fn shards(servers: &Servers) -> Self {
        Self::take(servers, &servers.shards).await
    }

    /// All shards on the inventory's server, and nobody else there who touches its binlog.
    pub async fn alone(servers: &Servers, shards: usize) -> Self {
        let mut turn = connect(&servers.inventory).await;
        let taken: Option<i64> = turn.query_first("SELECT GET_LOCK('doos_test_feed_logs', 300)").await.unwrap();
        assert_eq!(taken, Some(1), "somebody holds the binlogs for too long");
        let mut bed = Self::take(servers, &vec![servers.inventory.clone(); shards]).await;
        bed._locks.push(turn);
        bed
    }

    async fn take(servers: &Servers, shards: &[String]) -> Self {
        let mut lock = connect(&servers.inventory).await;
        for number in 0.. {
            let kind = if shards[0] == servers.inventory { "alone" } else { "spread" };
            let prefix = format!("doos_test_feed_{kind}{}_{number}", shards.len());
            let taken: Option<Option<i64>> = lock.exec_first("SELECT GET_LOCK(?, 0)", (&prefix,)).await.unwrap();
            if taken == Some(Some(1)) {
                return Self::prepare(servers, shards, &prefix, lock).await;
            }
        }
        unreachable!("numbers do not end")
    }

    /// This set again, after a test has done away with some of its tables.
    pub async fn again(mut self, servers: &Servers) -> Self {
        let locks = std::mem::take(&mut self._locks);
        let (_, name) = self.addresses.inventory.rsplit_once('/').unwrap();
        let prefix = name.strip_suffix("_inventory").unwrap().to_owned();
        let shards = vec![servers.inventory.clone(); self.addresses.shards.len()];
        let lock = connect(&servers.inventory).await;
        let mut bed = Self::prepare(servers, &shards, &prefix, lock).await;
        bed._locks.extend(locks);
        bed
    }

    async fn prepare(servers: &Servers, shards: &[String], prefix: &str, lock: Conn) -> Self {
        let other = |name: &str| format!("{}/{prefix}_{name}", servers.inventory);
        let addresses = Addresses {
            shards: shards.iter().enumerate().map(|(number, base)| format!("{base}/{prefix}_order_{number}")).collect(),
            inventory: other("inventory"),
            catalog: other("catalog"),
            identity: other("identity"),
            payment: other("payment"),
            shipping: other("shipping"),
            statistics: other("statistics"),
        };
        let Addresses { shards, inventory, catalog, identity, payment, shipping, statistics } = &addresses;
        let all: Vec<&String> =
            shards.iter().chain([inventory, catalog, identity, payment, shipping, statistics]).collect();
        on_each(&all, "CREATE DATABASE IF NOT EXISTS {}").await;
        let mut options = doos_adapter_mysql::Options::new(addresses.clone());
        options.migrate = true;
        let databases = Databases::new(options, RealClock::start()).unwrap();
        let opened = match empty(shards).await {
            Ok(()) => databases.open().await.ok(),
            Err(_) => None,
        };
        let engines = match opened {
            Some(engines) => engines,
            None => {
                // Made by another state of the program, or by a test that changed the tables.
                on_each(&all, "DROP DATABASE {}").await;
                on_each(&all, "CREATE DATABASE {}").await;
                databases.open().await.expect("an empty set of databases can be opened")
            }
        };
        Self { addresses: addresses.clone(), engines, _locks: vec![lock] }
    }

    pub fn options(&self) -> Options {
        Options::new(self.addresses.shards.clone())
    }

    /// A feed that has begun.
    pub async fn feed(&self) -> Arc<BinlogFeed> {
        feed_of(self.options()).await
    }

    /// A scene whose feed is this one.
    pub fn scene(&self, feed: &Arc<BinlogFeed>) -> Scene {
        Scene::new(self.ports(feed))
    }

    pub fn ports(&self, feed: &Arc<BinlogFeed>) -> Ports {
        let clock = RealClock::start();
        let sim = SimEngines::new(SimOptions::default(), clock.clone());
        Ports {
            clock,
            feed: feed.clone(),
            orders: self.engines.orders.clone(),
            outbox: self.engines.outbox.clone(),
            inbox: self.engines.inbox.clone(),
            ..sim.ports(1, sim.clock(), sim.gate())
        }
    }

    /// Puts away whatever is in use, as if its month had long been over.
    pub async fn put_away(&self) -> u64 {
        for shard in 0..self.addresses.shards.len() {
            self.sql(shard, "UPDATE t_local_message SET status = 2").await;
        }
        let options = doos_adapter_mysql::Options::new(self.addresses.clone());
        let mut archivist =
            Databases::new(options, Arc::new(FarAhead(RealClock::start()))).unwrap().archivist().await.unwrap();
        let which = Which::Only(Month::of(Clock::now(&*RealClock::start())));
        let reports = archivist.run(Ask { which, dry_run: false }, &|_| None, &|_| {}).await.unwrap();
        assert!(reports.iter().all(|report| report.fate == Fate::Archived), "{reports:?}");
        reports.iter().map(|report| report.archived).sum()
    }

    pub async fn sql(&self, shard: usize, statement: &str) {
        connect(&self.addresses.shards[shard]).await.query_drop(statement).await.unwrap();
    }
}

pub async fn feed_of(options: Options) -> Arc<BinlogFeed> {
    let feed = BinlogFeed::new(options, RealClock::start()).unwrap();
    feed.begin().await.unwrap();
    Arc::new(feed)
}

async fn on_each(addresses: &[&String], statement: &str) {
    for address in addresses {
        let (server, name) = address.rsplit_once('/').unwrap();
        connect(server).await.query_drop(statement.replace("{}", name)).await.unwrap();
    }
}

async fn empty(shards: &[String]) -> mysql_async::Result<()> {
    for shard in shards {
        let mut conn = connect(shard).await;
        let columns: Option<u64> = conn
            .query_first("SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 't_order'")
            .await?;
        if columns.is_some_and(|columns| columns != 0 && columns != 14) {
            return Err(mysql_async::Error::Other("a test has left other columns".into()));
        }
        let kept = ["t_schema", "t_bucket", "t_guard", "t_writer"];
        let tables: Vec<String> = conn.query("SHOW TABLES").await?;
        for table in tables.iter().filter(|table| !kept.contains(&table.as_str())) {
            conn.query_drop(format!("DELETE FROM {table}")).await?;
        }
    }
    Ok(())
}

pub type Version = (OrderId, u32);

pub fn version(changed: &Changed) -> Version {
    (changed.order.id, changed.order.version)
}

/// New orders of many users in groups, and for every other one a second version. Returns what was committed.
pub async fn commit_some(scene: &Scene, orders: u64, first_ms: i64) -> Vec<Version> {
    let mut versions = Vec::new();
    commit_groups(scene, orders, first_ms, |group| versions.extend(group)).await;
    versions
}

/// As [`commit_some`], telling of each group when it is committed.
pub async fn commit_groups(scene: &Scene, orders: u64, first_ms: i64, mut committed: impl FnMut(Vec<Version>)) {
    for group in (0..orders).collect::<Vec<_>>().chunks(200) {
        let placed: Vec<_> = group.iter().map(|n| scene.new_order(n % 97 + 1, first_ms + *n as i64)).collect();
        let next: Vec<_> =
            placed.iter().step_by(2).map(|new| scene.confirmed(&new.order, first_ms + 100_000)).collect();
        for changes in [placed, next] {
            let versions = changes.iter().map(|change| (change.order.id, change.order.version)).collect();
            for result in scene.ports.orders.commit(changes).await {
                result.expect("the change is taken");
            }
            committed(versions);
        }
    }
}

/// Reads on in bites until the feed is level.
pub async fn read_all(feed: &BinlogFeed, mut after: Position, bite: usize) -> Vec<Changed> {
    let mut all: Vec<Changed> = Vec::new();
    loop {
        let changes = feed.read(after, bite).await.expect("the feed can be read");
        let Some(last) = changes.last() else { return all };
        assert!(changes.len() <= bite && changes[0].position > after);
        assert!(changes.windows(2).all(|pair| pair[0].position < pair[1].position));
        after = last.position;
        all.extend(changes);
    }
}

pub fn assert_nothing_missing(committed: &[Version], read: &[Changed]) {
    let read: std::collections::BTreeSet<Version> = read.iter().map(version).collect();
    let missing: Vec<_> = committed.iter().filter(|version| !read.contains(version)).take(5).collect();
    assert!(missing.is_empty(), "missing: {missing:?} …");
}
