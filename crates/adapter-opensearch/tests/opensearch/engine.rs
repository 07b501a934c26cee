//! The real engine, and an index of each test's own on it, removed after the test however that ends.
//!
//! The address comes from `DOOS_TEST_OPENSEARCH`, or from `scripts/services.sh env`. Without an engine a test prints NOT
//! RUN; under `CI=true` it fails.

use doos_adapter_opensearch::{OpenSearchIndex, Options};
use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_domain::time::Timestamp;
use doos_ports::Ports;
use doos_ports::clock::Clock;
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

const VARIABLE: &str = "DOOS_TEST_OPENSEARCH";

pub struct RealClock {
    start: Instant,
    drawn: AtomicU64,
}

impl RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests on a real engine")]
    pub fn start() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), drawn: AtomicU64::new(0) })
    }

    fn draw(&self) -> u64 {
        self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).rotate_left(23)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests on a real engine")]
    fn wall() -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests on a real engine")]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

#[async_trait::async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Self::wall()
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
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
        Self::wall()
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
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

pub fn services() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    Command::new(root.join("scripts/services.sh"))
}

fn started() -> Option<String> {
    let ran = services().args(["start", "opensearch"]).output().ok()?;
    if !ran.status.success() {
        return None;
    }
    let exports = services().arg("env").output().ok()?;
    let exports = String::from_utf8(exports.stdout).ok()?;
    let named = exports.lines().find_map(|line| line.split_once(&format!("{VARIABLE}=")));
    named.map(|(_, address)| address.trim_matches(['"', '\'']).to_owned())
}

/// The engine's address; none where there is no engine, which a developer's machine may say and CI may not.
fn address() -> Option<&'static str> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    let address = ADDRESS.get_or_init(|| std::env::var(VARIABLE).ok().or_else(started));
    if address.is_none() {
        println!("NOT RUN: no OpenSearch; set {VARIABLE} or see scripts/services.sh");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have a search engine");
    }
    address.as_deref()
}

/// Options with a name that nobody else uses.
pub fn options() -> Option<Options> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Some(Options {
        nodes: vec![address()?.to_owned()],
        prefix: format!("doos-test-{}-{number}", std::process::id()),
        // What is written is found at once, as the tests want it.
        refresh_at_once: true,
        copies: Some(0),
        request_timeout_ms: 30_000,
        ..Options::default()
    })
}

pub fn open(options: &Options) -> Arc<OpenSearchIndex> {
    Arc::new(OpenSearchIndex::new(options.clone(), RealClock::start()).unwrap())
}

/// Runs a test with options of its own, if there is an engine, and takes away what it has made.
pub fn with_options(test: impl AsyncFnOnce(&Options)) {
    let Some(options) = options() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ended = AssertUnwindSafe(test(&options)).catch_unwind().await;
        open(&options).forget().await.expect("what a test has made can be removed");
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    });
}

/// As [`with_options`], with an index.
pub fn with_index(test: impl AsyncFnOnce(&Arc<OpenSearchIndex>)) {
    with_options(async |options| test(&open(options)).await);
}

/// Everything simulated but the search.
pub fn ports(search: Arc<OpenSearchIndex>) -> Ports {
    let clock = RealClock::start();
    let sim = SimEngines::new(SimOptions::default(), clock.clone());
    Ports { clock, search, ..sim.ports(1, sim.clock(), sim.gate()) }
}
