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
/// The server of a third order shard.
const SPARE: &str = "shard-2";

static TURN: Mutex<()> = Mutex::const_new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct Cluster {
    pub servers: BTreeMap<&'static str, Server>,
    /// In front of order shard 0 and 1.
    pub proxies: [Proxy; 2],
    name: String,
    /// What every process reads when it starts, and where.
    configuration: Value,
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
        Self::start_as(settings, async |shard| Proxy::to(shard).await).await
    }

    /// With nothing in front of the shards that would cost time.
    pub async fn start_directly(settings: Value) -> Option<Self> {
        Self::start_as(settings, async |shard| Proxy::aside(shard)).await
    }

    async fn start_as(settings: Value, reach: impl AsyncFn(SocketAddr) -> Proxy) -> Option<Self> {
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
        let proxies = [reach(engines.mysql[0].at).await, reach(engines.mysql[1].at).await];
        let file = place.path().join("cluster.yaml");
        let configuration = engines.configuration(&name, &proxies, settings);
        std::fs::write(&file, configuration.to_string()).unwrap();
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
        Some(Self { servers, proxies, name, configuration, file, place, operator, _turn: turn })
    }

    /// In the configuration of all; each process knows of it from its next start on.
    pub fn configure(&mut self, settings: Value) {
        merge(&mut self.configuration, settings);
        std::fs::write(&self.file, self.configuration.to_string()).unwrap();
    }

    /// Appends the spare server to the order shards, as [`configure`](Self::configure) does.
    pub fn append_the_spare_shard(&mut self) {
        engine(&["start", SPARE]);
        let spare = Database::named(&exports(), "SPARE");
        let mut shards = self.configuration["database"]["shards"].clone();
        let dsn = spare.dsn(spare.at, &format!("doos_{}_order_2", self.name));
        shards.as_array_mut().unwrap().push(json!({ "dsn": dsn }));
        self.configure(json!({"database": {"shards": shards}}));
    }

    /// Stops every process that runs in good order, and starts all of them with these settings.
    pub async fn restart_all(&mut self, settings: Value) {
        let running = self.servers.values_mut().filter(|server| server.is_running());
        for status in join_all(running.map(Server::stop)).await {
            assert_eq!(status.code(), Some(0));
        }
        self.configure(settings);
        join_all(self.servers.values_mut().map(Server::start)).await;
    }

    /// `doos ARGUMENTS` beside the cluster, for who wants to run it by himself.
    pub fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = command::doos();
        command.args(arguments).arg("--config").arg(&self.file).arg("--data-dir").arg(self.place.path().join("aside"));
        command
    }

    /// A statement for one of the cluster's own databases, such as `order_0`; the rows as text.
    pub fn sql(&self, server: &str, context: &str, statement: &str) -> String {
        let output = services(&["sql", server, &format!("USE doos_{}_{context}; {statement}", self.name)]);
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
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

    /// Waits until the statistics have counted each order once, in the state in which it is.
    pub async fn expect_statistics_to_count(&self, orders: &[Value]) {
        let client = self.gateway(1);
        let mut by_status: BTreeMap<&str, u64> = BTreeMap::new();
        for order in orders {
            *by_status.entry(order["status"].as_str().unwrap()).or_default() += 1;
        }
        until("the statistics have counted each order once", async || {
            let found = client.get("/v1/stats/summary").send().await;
            let counted: BTreeMap<&str, u64> =
                found.json["by_status"].as_object().map_or_else(BTreeMap::new, |states| {
                    let counted = states.iter().map(|(state, count)| (state.as_str(), count.as_u64().unwrap_or(0)));
                    counted.filter(|(_, count)| *count > 0).collect()
                });
            let is_all = found.json["orders"] == orders.len() && counted == by_status;
            if is_all { Ok(()) } else { Err(format!("{} for {by_status:?}", found.text)) }
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
        for server in ["shard-0", "shard-1", "inventory", SPARE] {
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

/// Where the engines are, as `scripts/services.sh` says it.
pub struct Exports(String);

pub fn exports() -> Exports {
    Exports(String::from_utf8(services(&["env"]).stdout).unwrap())
}

impl Exports {
    pub fn line(&self, name: &str) -> String {
        let begin = format!("export DOOS_TEST_{name}='");
        let found = self.0.lines().find_map(|line| line.strip_prefix(&begin)?.strip_suffix('\''));
        found.unwrap_or_else(|| panic!("{name} is not in: {}", self.0)).to_owned()
    }
}

struct Database {
    user: String,
    password: String,
    at: SocketAddr,
}

impl Database {
    fn named(exports: &Exports, which: &str) -> Self {
        let url = exports.line(&format!("MYSQL_{which}"));
        let rest = url.strip_prefix("mysql://").unwrap();
        let (credentials, rest) = rest.rsplit_once('@').unwrap();
        let (user, password) = credentials.split_once(':').unwrap();
        let at = rest.split('/').next().unwrap().parse().unwrap();
        Self { user: user.to_owned(), password: password.to_owned(), at }
    }

    /// As a configuration names a database of this server.
    fn dsn(&self, at: SocketAddr, database: &str) -> String {
        format!("{}:{}@tcp({at})/{database}", self.user, self.password)
    }
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
        let exports = exports();
        Self {
            mysql: ["0", "1", "INVENTORY"].map(|which| Database::named(&exports, which)),
            redis: exports.line("REDIS"),
            etcd: exports.line("ETCD"),
            kafka: exports.line("KAFKA"),
            opensearch: exports.line("OPENSEARCH"),
        }
    }

    fn configuration(&self, name: &str, proxies: &[Proxy; 2], settings: Value) -> Value {
        let [shard, _, inventory] = &self.mysql;
        let dsn = |server: &Database, at, context: &str| server.dsn(at, &format!("doos_{name}_{context}"));
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
            // A dead consumer's partitions, and a dead process's leases, are free again so soon.
            "kafka": {
                "brokers": [self.kafka], "topic_prefix": format!("doos.{name}"), "partitions": 4,
                "session_timeout_ms": 2_000,
            },
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
