//! A Redis, and a place of each test's own in it.

pub mod server;

use doos_adapter_redis::{GateOptions, Link, Options, RedisGate};
use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_domain::time::Timestamp;
use doos_ports::Ports;
use doos_ports::clock::Clock;
use doos_ports::stock_gate::StockGate;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

const VARIABLE: &str = "DOOS_TEST_REDIS";

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
        RandomState::new().build_hasher().finish()
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
        Clock::random(self)
    }

    fn yield_now(&self) -> Pause {
        Box::pin(tokio::task::yield_now())
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().unwrap()
}

pub fn services() -> Command {
    Command::new(root().join("scripts/services.sh"))
}

fn started() -> Option<String> {
    let said = services().arg("env").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let named = said.lines().find_map(|line| line.split_once(&format!("{VARIABLE}=")));
    named.map(|(_, address)| address.trim_matches(['"', '\'']).to_owned())
}

/// The shared server's address; none where there is no server, which a developer's machine may say and CI may not.
pub fn address() -> Option<&'static str> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    let address = ADDRESS.get_or_init(|| std::env::var(VARIABLE).ok().or_else(started));
    if address.is_none() {
        not_run("no Redis: set DOOS_TEST_REDIS, or run `scripts/services.sh start redis`");
    }
    address.as_deref()
}

pub fn not_run(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    eprintln!("!!!! NOT RUN: {why}");
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A prefix that nobody else uses.
pub fn prefix() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("doos-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// With more patience than users have: tests share their machine with builds.
pub fn options(address: &str, prefix: &str) -> Options {
    let (connect_timeout, response_timeout) = (Duration::from_secs(20), Duration::from_secs(20));
    Options { prefix: prefix.to_owned(), connect_timeout, response_timeout, ..Options::new(address).unwrap() }
}

pub fn link(address: &str, prefix: &str) -> Arc<Link> {
    Link::new(options(address, prefix), RealClock::start()).unwrap()
}

/// Opens a gate that is empty and rebuilt.
pub async fn open(link: &Arc<Link>) -> RedisGate {
    let gate = RedisGate::new(Arc::clone(link), GateOptions::default());
    gate.rebuild(Vec::new(), Vec::new()).await.expect("a gate can be rebuilt");
    gate
}

/// All ports: the gate, and everything else from the simulator.
pub fn ports(gate: Arc<dyn StockGate>) -> Ports {
    let clock = RealClock::start();
    let sim = SimEngines::new(SimOptions::default(), clock.clone());
    Ports { clock, ..sim.ports(1, sim.clock(), gate) }
}

/// The gate of any kind that the others are compared with.
pub fn reference() -> Arc<dyn StockGate> {
    let sim = SimEngines::new(SimOptions::default(), RealClock::start());
    sim.gate()
}

/// Runs a test under a prefix of its own on the shared server, and removes what it wrote.
pub fn on_redis(test: impl AsyncFnOnce(Arc<Link>)) {
    let Some(address) = address() else { return };
    runtime().block_on(async {
        let prefix = prefix();
        test(link(address, &prefix)).await;
        remove(address, &prefix).await;
    });
}

async fn remove(address: &str, prefix: &str) {
    let mut connection = redis::Client::open(address).unwrap().get_multiplexed_async_connection().await.unwrap();
    let script = "local at = '0'
        repeat
          local found = redis.call('SCAN', at, 'MATCH', ARGV[1], 'COUNT', 1000)
          at = found[1]
          for _, key in ipairs(found[2]) do redis.call('UNLINK', key) end
        until at == '0'
        return 'ok'";
    let (): () = redis::Script::new(script)
        .prepare_invoke()
        .arg(format!("{{{prefix}:*"))
        .invoke_async(&mut connection)
        .await
        .unwrap();
}
