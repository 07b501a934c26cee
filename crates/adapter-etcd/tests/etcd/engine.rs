//! The real etcd, a registry of each test's own in it, and what an operator could do there by hand.

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use doos_adapter_etcd::{EtcdRegistry, Options};
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::registry::{Registry, View};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

const VARIABLE: &str = "DOOS_TEST_ETCD";

/// Longer than anything here takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const TICK: Duration = Duration::from_millis(20);

pub fn services() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    Command::new(root.join("scripts/services.sh"))
}

fn started() -> Option<String> {
    let ran = services().args(["start", "etcd"]).output().ok()?;
    if !ran.status.success() {
        return None;
    }
    let exports = services().arg("env").output().ok()?;
    let exports = String::from_utf8(exports.stdout).ok()?;
    let named = exports.lines().find_map(|line| line.split_once(&format!("{VARIABLE}=")));
    named.map(|(_, address)| address.trim_matches(['"', '\'']).to_owned())
}

/// etcd's address; none where there is none, which a developer's machine may say and CI may not.
pub fn address() -> Option<&'static str> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    let address = ADDRESS.get_or_init(|| std::env::var(VARIABLE).ok().or_else(started));
    if address.is_none() {
        println!("NOT RUN: no etcd; set {VARIABLE} or see scripts/services.sh");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have an etcd");
    }
    address.as_deref()
}

/// Options with keys that nobody else uses, and the shortest lease there is.
pub fn options() -> Option<Options> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Some(Options {
        endpoints: address()?.to_owned(),
        prefix: format!("/doos-test/{}-{number}", std::process::id()),
        lease_ttl_s: 2,
        ..Options::default()
    })
}

/// The machine's time; all registries of a process read the same.
pub struct RealClock;

static STARTED: LazyLock<std::time::Instant> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "the clock begins here")]
    std::time::Instant::now()
});

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn monotonic(&self) -> Duration {
        STARTED.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// One more process, as far as etcd can tell.
pub fn open(options: &Options) -> Arc<dyn Registry> {
    LazyLock::force(&STARTED);
    let (registry, work) = EtcdRegistry::open(options.clone(), Arc::new(RealClock)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(work);
    registry
}

/// Runs a test on an executor of its own, and takes its keys away again.
pub fn run(test: impl AsyncFnOnce(Options)) {
    let Some(options) = options() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let prefix = options.prefix.clone();
    runtime.block_on(within("the test", test(options)));
    drop(runtime);
    By::hand().delete_all(&prefix);
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Waits until the view is as it should be.
pub async fn seen(registry: &Arc<dyn Registry>, is_it: impl Fn(&View) -> bool) -> Arc<View> {
    let waiting = async {
        let mut view = registry.view();
        while !is_it(&view) {
            view = registry.changed(view.version).await;
        }
        view
    };
    within("the view", waiting).await
}

/// What an operator does, past every registry, through etcd's other interface.
pub struct By {
    address: String,
}

impl By {
    pub fn hand() -> Self {
        Self::on(address().unwrap())
    }

    pub fn on(address: &str) -> Self {
        Self { address: address.trim_start_matches("http://").to_owned() }
    }

    pub fn ask(&self, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let length = body.len();
        let head =
            format!("POST /v3/{path} HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer
    }

    pub fn put(&self, key: &str, value: &str) {
        let (key, value) = (BASE64_STANDARD.encode(key), BASE64_STANDARD.encode(value));
        self.ask("kv/put", &format!(r#"{{"key":"{key}","value":"{value}"}}"#));
    }

    pub fn delete(&self, key: &str) {
        let key = BASE64_STANDARD.encode(key);
        self.ask("kv/deleterange", &format!(r#"{{"key":"{key}"}}"#));
    }

    pub fn delete_all(&self, prefix: &str) {
        let (key, end) = (BASE64_STANDARD.encode(format!("{prefix}/")), BASE64_STANDARD.encode(format!("{prefix}0")));
        self.ask("kv/deleterange", &format!(r#"{{"key":"{key}","range_end":"{end}"}}"#));
    }

    /// Forgets all that lies before the present revision.
    pub fn compact(&self) {
        let answer = self.ask("kv/range", &format!(r#"{{"key":"{}"}}"#, BASE64_STANDARD.encode("/none")));
        let revision = answer.split_once(r#""revision":""#).unwrap().1.split_once('"').unwrap().0;
        self.ask("kv/compaction", &format!(r#"{{"revision":"{revision}","physical":true}}"#));
    }
}
