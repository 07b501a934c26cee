//! The real broker, and a bus of each test's own on it.

use doos_adapter_kafka::{KafkaBus, Options};
use doos_domain::message::Consumer;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const VARIABLE: &str = "DOOS_TEST_KAFKA";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

pub fn services() -> Command {
    Command::new(root().join("scripts/services.sh"))
}

/// Where the shared engines keep their files.
pub fn shared_folder() -> PathBuf {
    std::env::var_os("DOOS_SERVICES_DIR").map_or_else(|| root().join(".services"), PathBuf::from)
}

fn started() -> Option<String> {
    let ran = services().args(["start", "kafka"]).output().ok()?;
    if !ran.status.success() {
        return None;
    }
    let exports = services().arg("env").output().ok()?;
    let exports = String::from_utf8(exports.stdout).ok()?;
    let named = exports.lines().find_map(|line| line.split_once(&format!("{VARIABLE}=")));
    named.map(|(_, address)| address.trim_matches(['"', '\'']).to_owned())
}

/// The broker's address; none where there is no broker, which a developer's machine may say and CI may not.
pub fn address() -> Option<&'static str> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    let address = ADDRESS.get_or_init(|| std::env::var(VARIABLE).ok().or_else(started));
    if address.is_none() {
        println!("NOT RUN: no Kafka; set {VARIABLE} or see scripts/services.sh");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have a broker");
    }
    address.as_deref()
}

/// Options with topics that nobody else uses.
pub fn options(partitions: u32) -> Option<Options> {
    Some(options_at(address()?, partitions))
}

pub fn options_at(broker: &str, partitions: u32) -> Options {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Options {
        brokers: vec![broker.to_owned()],
        topic_prefix: format!("doos.test-{}-{number}", std::process::id()),
        partitions,
        session_timeout_ms: 2_000,
        ..Options::default()
    }
}

pub fn open(options: &Options) -> KafkaBus {
    KafkaBus::open(options.clone()).unwrap()
}

pub fn admin(options: &Options) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", options.brokers.join(",")).create().unwrap()
}

/// Takes the test's topics away again.
pub async fn clean_up(options: &Options) {
    let mut topics = Consumer::ALL.map(|consumer| options.topic_of(consumer)).to_vec();
    topics.push(options.unreadable_topic());
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    admin(options).delete_topics(&names, &AdminOptions::new()).await.unwrap();
}
