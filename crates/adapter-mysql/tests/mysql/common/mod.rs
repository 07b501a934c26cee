//! Real databases for tests: where the servers are, sets of databases that tests take turns with, and the ports that
//! no SQL engine serves.
//!
//! The addresses come from `DOOS_TEST_MYSQL_0`, `_1` and `_INVENTORY`, or from `scripts/services.sh env`. Without a
//! server a test prints NOT RUN; under `CI=true` it fails.

pub mod proxy;
pub mod stand_ins;

use doos_adapter_mysql::{Addresses, Databases, MySqlEngines, Options};
use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_domain::time::Timestamp;
use doos_ports::Ports;
use doos_ports::clock::Clock;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

pub struct RealClock {
    start: Instant,
}

impl RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests on real servers")]
    pub fn start() -> Arc<Self> {
        Arc::new(Self { start: Instant::now() })
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
        4
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
        4
    }

    fn yield_now(&self) -> Pause {
        Box::pin(tokio::task::yield_now())
    }
}

/// Addresses without their databases.
#[derive(Clone)]
pub struct Servers {
    pub shards: [String; 2],
    pub inventory: String,
    /// For a third shard; another server if `DOOS_TEST_MYSQL_SPARE` names one.
    pub spare: String,
}

/// The servers, or `None` after having said so loudly.
pub fn servers() -> Option<Servers> {
    static FOUND: OnceLock<Option<Servers>> = OnceLock::new();
    let found = FOUND.get_or_init(find_servers);
    if found.is_none() {
        let missing = "no MariaDB: set DOOS_TEST_MYSQL_0, or run `scripts/services.sh start mariadb`";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        eprintln!("!!!! NOT RUN: {missing}");
    }
    found.clone()
}

fn find_servers() -> Option<Servers> {
    let mut named: BTreeMap<String, String> =
        std::env::vars().filter(|(name, _)| name.starts_with("DOOS_TEST_MYSQL_")).collect();
    if !named.contains_key("DOOS_TEST_MYSQL_0") {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh");
        let said = Command::new(script).arg("env").output().ok()?;
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
    let spare = base("DOOS_TEST_MYSQL_SPARE").unwrap_or_else(|| second.clone());
    Some(Servers { shards: [first, second], inventory, spare })
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub async fn connect(server: &str) -> Conn {
    let opts = OptsBuilder::from_opts(Opts::from_url(server).unwrap()).prefer_socket(false);
    Conn::new(opts).await.expect("the server takes connections")
}

/// Databases with one prefix, one a context, on the servers there are.
pub fn addresses(servers: &Servers, prefix: &str, shards: usize) -> Addresses {
    let shard = |number: usize| format!("{}/{prefix}_order_{number}", servers.shards[number % 2]);
    let other = |name: &str| format!("{}/{prefix}_{name}", servers.inventory);
    Addresses {
        shards: (0..shards).map(shard).collect(),
        inventory: other("inventory"),
        catalog: other("catalog"),
        identity: other("identity"),
        payment: other("payment"),
        shipping: other("shipping"),
        statistics: other("statistics"),
    }
}

fn all_of(addresses: &Addresses) -> Vec<&String> {
    let Addresses { shards, inventory, catalog, identity, payment, shipping, statistics } = addresses;
    shards.iter().chain([inventory, catalog, identity, payment, shipping, statistics]).collect()
}

/// Runs a statement about each database, on its server. `{}` stands for its name.
pub async fn on_each(addresses: &Addresses, statement: &str) {
    for address in all_of(addresses) {
        let (server, name) = address.rsplit_once('/').unwrap();
        let mut conn = connect(server).await;
        conn.query_drop(statement.replace("{}", name)).await.unwrap();
        conn.disconnect().await.unwrap();
    }
}

/// A set of databases that nobody else uses while this value lives. Sets stay on the servers and are emptied for the
/// next test, because making one takes longer than most tests.
pub struct Set {
    pub addresses: Addresses,
    _lock: Conn,
}

impl Set {
    pub async fn take(servers: &Servers, shards: usize) -> Self {
        let mut lock = connect(&servers.shards[0]).await;
        for number in 0_usize.. {
            let prefix = format!("doos_test_{shards}_{number}");
            let taken: Option<Option<i64>> = lock.exec_first("SELECT GET_LOCK(?, 0)", (&prefix,)).await.unwrap();
            if taken == Some(Some(1)) {
                let set = Self { addresses: addresses(servers, &prefix, shards), _lock: lock };
                set.prepare().await;
                return set;
            }
        }
        unreachable!("numbers do not end")
    }

    async fn prepare(&self) {
        on_each(&self.addresses, "CREATE DATABASE IF NOT EXISTS {}").await;
        let databases = Databases::new(options(&self.addresses), RealClock::start()).unwrap();
        if databases.migrate().await.is_err() {
            // Made by another state of the program.
            on_each(&self.addresses, "DROP DATABASE {}").await;
            on_each(&self.addresses, "CREATE DATABASE {}").await;
            databases.migrate().await.expect("an empty set of databases can be migrated");
        }
        for address in all_of(&self.addresses) {
            empty(address).await;
        }
    }
}

async fn empty(address: &str) {
    let mut conn = connect(address).await;
    let kept = ["t_schema", "t_bucket", "t_guard", "t_writer"];
    let tables: Vec<String> = conn.query("SHOW TABLES").await.unwrap();
    for table in tables.iter().filter(|table| !kept.contains(&table.as_str())) {
        let statement = match table.as_str() {
            "t_gate" => "UPDATE t_gate SET epoch = 0".to_owned(),
            "t_product_number" | "t_user_number" => format!("UPDATE {table} SET last_given = 0"),
            table => format!("DELETE FROM {table}"),
        };
        conn.query_drop(statement).await.unwrap();
    }
    conn.disconnect().await.unwrap();
}

pub async fn open(addresses: &Addresses) -> MySqlEngines {
    open_with(options(addresses)).await
}

/// With more patience than users have: tests share their machine with builds.
pub fn options(addresses: &Addresses) -> Options {
    let (connect_timeout, statement_timeout) = (Duration::from_secs(20), Duration::from_secs(30));
    Options { connect_timeout, statement_timeout, ..Options::new(addresses.clone()) }
}

pub async fn open_with(options: Options) -> MySqlEngines {
    Databases::new(options, RealClock::start()).unwrap().open().await.expect("the databases can be opened")
}

/// All ports: the real ones, a bus and a feed in memory, and what is not kept in SQL from the simulator.
pub async fn ports(addresses: &Addresses) -> Ports {
    ports_with(options(addresses)).await
}

pub async fn ports_with(options: Options) -> Ports {
    let engines = open_with(options).await;
    let clock = RealClock::start();
    let sim = SimEngines::new(SimOptions::default(), clock.clone());
    let orders = stand_ins::Recorded::new(engines.orders.clone());
    Ports {
        clock,
        feed: orders.clone(),
        bus: Arc::new(stand_ins::LogBus::new(Arc::clone(&engines.inbox))),
        id_marks: engines.id_marks.clone(),
        orders,
        outbox: engines.outbox.clone(),
        ledger: engines.ledger.clone(),
        inbox: engines.inbox.clone(),
        actions: engines.actions.clone(),
        catalog: engines.catalog.clone(),
        identities: engines.identities.clone(),
        payments: engines.payments.clone(),
        shipments: engines.shipments.clone(),
        statistics: engines.statistics.clone(),
        ..sim.ports(1, sim.clock(), sim.gate())
    }
}
