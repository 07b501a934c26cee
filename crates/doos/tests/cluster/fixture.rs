//! A cluster of its own for a test: databases, topics and keys that nobody else has, and seven processes.
//!
//! What holds: the engines are those of `scripts/services.sh`; whatever a test did to them, they run again when it ends,
//! also when it fails.

use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{Mutex, MutexGuard};

use crate::proxy::Proxy;
use crate::support::Place;
use crate::support::client::Client;
use crate::support::command::{self, Said};
use crate::support::server::{Server, Setup};
use crate::support::shop;
use crate::support::wait::until;

/// Processes and their roles. Payment's provider keeps its books in one process, so one alone plays it.
pub const PROCESSES: [(&str, &str); 7] = [
    ("gateway-1", "gateway"),
    ("gateway-2", "gateway"),
    ("order-1", "order,timeouts"),
    ("order-2", "order,timeouts"),
    ("inventory-1", "inventory,cdc"),
    ("inventory-2", "inventory,cdc"),
    ("back-office", "payment,shipping,deliveries"),
];
const START_ENGINES: [&str; 6] = ["start", "mariadb", "redis", "etcd", "kafka", "opensearch"];

static TURN: Mutex<()> = Mutex::const_new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct Cluster {
    pub servers: BTreeMap<&'static str, Server>,
    /// In front of order shard 0 and 1.
    pub proxies: [Proxy; 2],
    name: String,
    file: PathBuf,
    place: Place,
    operator: Client,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// `None`, loudly, where an engine cannot be had.
    pub async fn start() -> Option<Self> {
        Self::start_with(json!({})).await
    }

    /// With further settings in the configuration of all.
    pub async fn start_with(settings: Value) -> Option<Self> {
        let turn = TURN.lock().await;
        let started = services(&START_ENGINES);
        if !started.status.success() {
            let told = String::from_utf8_lossy(&started.stderr).into_owned();
            assert!(std::env::var("CI").as_deref() != Ok("true"), "the engines cannot be had: {told}");
            println!("NOT RUN: the engines cannot be had: {told}");
            return None;
        }
        let place = Place::new();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("c{}x{number}", std::process::id());
        let engines = Addresses::read();
        let proxies = [Proxy::to(engines.mysql[0].at).await, Proxy::to(engines.mysql[1].at).await];
        let file = place.path().join("cluster.yaml");
        std::fs::write(&file, engines.configuration(&name, &proxies, settings).to_string()).unwrap();
        let config = file.to_str().unwrap().to_owned();
        let aside = place.path().join("aside");
        command::run(&aside, &["migrate", "up", "--config", &config]).await.expect(0);

        // The back office sends the provider's callbacks there, also after a kill.
        let callbacks = free_port();
        let starting = PROCESSES.map(async |(process, roles)| {
            let setup = Setup::new().argument("--empty").argument("--config").argument(&config);
            let setup = setup.argument("--roles").argument(roles);
            let setup = setup.setting("LIMITS__PAY_WAIT_MS", 200).setting("PAYMENT__CALLBACK_TO", callbacks);
            let setup = if process == "gateway-1" { setup.listening_on(callbacks) } else { setup };
            (process, setup.start().await)
        });
        let servers: BTreeMap<_, _> = join_all(starting).await.into_iter().collect();
        let said = command::run(&aside, &["token", "--operator", "amy", "--config", &config]).await.expect(0);
        let operator = servers["gateway-1"].client().with_token(said.trim_end());
        Some(Self { servers, proxies, name, file, place, operator, _turn: turn })
    }

    pub fn gateway(&self, number: u32) -> Client {
        self.operator.at(self.servers[if number == 1 { "gateway-1" } else { "gateway-2" }].listen())
    }

    pub fn server(&mut self, process: &str) -> &mut Server {
        self.servers.get_mut(process).unwrap()
    }

    /// `doos ARGUMENTS`, as an operator beside the cluster.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        let config = self.file.to_str().unwrap();
        command::run(&self.place.path().join("aside"), &[arguments, &["--config", config]].concat()).await
    }

    /// The books, as `doos audit` proves them from the databases.
    pub async fn expect_balanced_books(&self) {
        self.run(&["audit"]).await.expect(0);
    }

    /// Waits until both gateways know the products.
    pub async fn await_products(&self, products: impl Iterator<Item = &str>) {
        for product in products {
            for gateway in [self.gateway(1), self.gateway(2)] {
                until("a gateway knows the product", async || {
                    let answer = gateway.get(format!("/v1/products/{product}")).send().await;
                    if answer.status == 200 { Ok(()) } else { Err(answer.text) }
                })
                .await;
            }
        }
    }

    /// Waits until search has every order, in the state in which its shard has it.
    pub async fn expect_search_to_equal_the_shards(&self) {
        let client = self.gateway(1);
        let states = |orders: Vec<Value>| -> BTreeMap<String, (String, u64)> {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let entry = |order: &Value| {
                (text(&order["order_id"]), (text(&order["status"]), order["version"].as_u64().unwrap_or_default()))
            };
            orders.iter().map(entry).collect()
        };
        until("search equals the shards", async || {
            let stored = states(shop::list(&client, None).await);
            let mut found = Vec::new();
            let mut page_token = String::new();
            loop {
                let path = format!("/v1/admin/search?page_size=100&page_token={page_token}");
                let page = client.get(path).send().await;
                let Some(orders) = page.json["orders"].as_array() else { return Err(page.text) };
                found.extend(orders.iter().cloned());
                page_token = page.json["next_page_token"].as_str().unwrap_or_default().to_owned();
                if page_token.is_empty() {
                    break;
                }
            }
            let found = states(found);
            let missing = stored.iter().filter(|(id, state)| found.get(*id) != Some(state)).count();
            if stored == found { Ok(()) } else { Err(format!("{missing} of {} are missing or old", stored.len())) }
        })
        .await;
    }

    pub fn pid(&self, process: &str) -> u32 {
        self.servers[process].pid()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.servers.clear();
        services(&START_ENGINES);
        let drop_all = format!(
            "SET SESSION foreign_key_checks = 0; SELECT CONCAT('DROP DATABASE ', schema_name) \
             FROM information_schema.schemata WHERE schema_name LIKE 'doos\\_{}\\_%'",
            self.name
        );
        for server in ["shard-0", "shard-1", "inventory"] {
            let found = services(&["sql", server, &drop_all]);
            let found = String::from_utf8_lossy(&found.stdout).into_owned();
            let drops: Vec<_> = found.lines().filter(|line| line.starts_with("DROP DATABASE ")).collect();
            if !drops.is_empty() {
                services(&["sql", server, &drops.join("; ")]);
            }
        }
    }
}

/// `scripts/services.sh ARGUMENTS`.
pub fn services(arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services.sh");
    Command::new("bash").arg(script).args(arguments).output().unwrap()
}

/// The same, which must succeed.
#[track_caller]
pub fn engine(arguments: &[&str]) {
    let output = services(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Where an engine is, as `scripts/services.sh env` says it.
struct Database {
    user: String,
    password: String,
    at: SocketAddr,
}

struct Addresses {
    mysql: [Database; 3],
    redis: String,
    etcd: String,
    kafka: String,
    opensearch: String,
}

impl Addresses {
    fn read() -> Self {
        let output = services(&["env"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let line = |name: &str| {
            let begin = format!("export {name}='");
            let found = text.lines().find_map(|line| line.strip_prefix(&begin)?.strip_suffix('\''));
            found.unwrap_or_else(|| panic!("{name} is not in: {text}")).to_owned()
        };
        let database = |name: &str| {
            let url = line(name);
            let rest = url.strip_prefix("mysql://").unwrap();
            let (credentials, rest) = rest.rsplit_once('@').unwrap();
            let (user, password) = credentials.split_once(':').unwrap();
            let at = rest.split('/').next().unwrap().parse().unwrap();
            Database { user: user.to_owned(), password: password.to_owned(), at }
        };
        Self {
            mysql: ["0", "1", "INVENTORY"].map(|which| database(&format!("DOOS_TEST_MYSQL_{which}"))),
            redis: line("DOOS_TEST_REDIS"),
            etcd: line("DOOS_TEST_ETCD"),
            kafka: line("DOOS_TEST_KAFKA"),
            opensearch: line("DOOS_TEST_OPENSEARCH"),
        }
    }

    fn configuration(&self, name: &str, proxies: &[Proxy; 2], settings: Value) -> Value {
        let [shard, _, inventory] = &self.mysql;
        let dsn = |database: &Database, at: SocketAddr, context: &str| {
            format!("{}:{}@tcp({at})/doos_{name}_{context}", database.user, database.password)
        };
        let of = |context: &str| dsn(inventory, inventory.at, context);
        let mut configuration = json!({
            "auth": {"token_secret": "9e1c5a7340bd28f6e4d1907ac35f8b62"},
            "payment": {"callback_secret": "b7f1c0d94e6a58231f7d90ce4ab8356e"},
            "database": {
                "shards": [
                    {"dsn": dsn(shard, proxies[0].listen, "order_0")},
                    {"dsn": dsn(shard, proxies[1].listen, "order_1")},
                ],
                "inventory": of("inventory"),
                "catalog": of("catalog"),
                "identity": of("identity"),
                "payment": of("payment"),
                "shipping": of("shipping"),
                "statistics": of("statistics"),
            },
            "kafka": {"brokers": [self.kafka], "topic_prefix": format!("doos.{name}"), "partitions": 4},
            "redis": {"addr": self.redis, "prefix": format!("doos-{name}")},
            "opensearch": {"nodes": [self.opensearch], "prefix": format!("doos-{name}")},
            "etcd": {"endpoints": self.etcd, "prefix": format!("/doos-{name}"), "lease_ttl_s": 2},
        });
        merge(&mut configuration, settings);
        configuration
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
