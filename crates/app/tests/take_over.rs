//! Two owners of the stock gate on real order shards: the one that was paused past its lease gets nothing stored any
//! more, and the other knows what the first has sold.
//!
//! The servers come from `scripts/services.sh env` or `DOOS_TEST_MYSQL_0`. Without one these tests print NOT RUN; under
//! `CI=true` they fail.
#![cfg(test)]

use async_trait::async_trait;
use doos_adapter_embedded::MemoryGate;
use doos_adapter_mysql::{Addresses, Databases, MySqlEngines};
use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_app::order::{PlaceOrder, Placed};
use doos_app::take_over::Raised;
use doos_app::{App, Error, Options};
use doos_domain::actor::Actor;
use doos_domain::catalog::{LocalText, Product};
use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::Order;
use doos_domain::pricing::WantedLine;
use doos_domain::stock::{Book, Command as StockCommand, StockRow};
use doos_domain::time::Timestamp;
use doos_ports::Ports;
use doos_ports::clock::Clock;
use doos_ports::gate_epochs::GateEpochs;
use doos_ports::order_store::{OrderStore, Query};
use doos_ports::stock_gate::{Hold, HoldError, Level, StockGate};
use doos_ports::stock_ledger::StockLedger;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

struct RealTime(Instant, AtomicU64);

impl SimRuntime for RealTime {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of a test on real servers")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of a test on real servers")]
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pause {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        self.1.fetch_add(1, Ordering::Relaxed)
    }

    fn yield_now(&self) -> Pause {
        Box::pin(tokio::task::yield_now())
    }
}

fn server() -> Option<String> {
    let named = std::env::var("DOOS_TEST_MYSQL_0").ok().or_else(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh");
        let said = Command::new(script).arg("env").output().ok()?;
        let told = String::from_utf8_lossy(&said.stdout).into_owned();
        let line = told.lines().find_map(|line| line.trim_start_matches("export ").strip_prefix("DOOS_TEST_MYSQL_0="));
        line.map(|address| address.trim_matches('\'').to_owned())
    });
    let found = named.and_then(|address| Some(address.rsplit_once('/')?.0.to_owned()));
    if found.is_none() {
        let missing = "no MariaDB: set DOOS_TEST_MYSQL_0, or run `scripts/services.sh start mariadb`";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        eprintln!("!!!! NOT RUN: {missing}");
    }
    found
}

/// One shop's databases, with two order shards, and what is not in them from the simulator.
struct Shop {
    server: String,
    prefix: String,
    engines: MySqlEngines,
    sim: SimEngines,
}

const CONTEXTS: [&str; 8] =
    ["order_0", "order_1", "inventory", "catalog", "identity", "payment", "shipping", "statistics"];

async fn on_server(server: &str, statements: impl IntoIterator<Item = String>) {
    let opts = OptsBuilder::from_opts(Opts::from_url(server).unwrap()).prefer_socket(false);
    let mut conn = Conn::new(opts).await.expect("the server takes connections");
    for statement in statements {
        conn.query_drop(statement).await.unwrap();
    }
    conn.disconnect().await.unwrap();
}

impl Shop {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of a test on real servers")]
    async fn open(server: String, name: &str) -> Self {
        let prefix = format!("doos_takeover_{name}_{}", std::process::id());
        let at = |context: &str| format!("{server}/{prefix}_{context}");
        let addresses = Addresses {
            shards: vec![at("order_0"), at("order_1")],
            inventory: at("inventory"),
            catalog: at("catalog"),
            identity: at("identity"),
            payment: at("payment"),
            shipping: at("shipping"),
            statistics: at("statistics"),
        };
        let options = doos_adapter_mysql::Options {
            connect_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_secs(30),
            ..doos_adapter_mysql::Options::new(addresses)
        };
        let sim = SimEngines::new(SimOptions::default(), Arc::new(RealTime(Instant::now(), AtomicU64::new(1))));
        let databases = Databases::new(options, sim.clock()).unwrap();
        databases.migrate().await.expect("the databases can be made");
        let engines = databases.open().await.expect("what was made can be opened");
        let shop = Self { server, prefix, engines, sim };
        shop.receive(10).await;
        shop
    }

    async fn close(self) {
        let Self { server, prefix, engines, .. } = self;
        drop(engines);
        on_server(&server, CONTEXTS.map(|context| format!("DROP DATABASE {prefix}_{context}"))).await;
    }

    async fn receive(&self, qty: u32) {
        let locked = doos_ports::stock_ledger::StockLedger::lock(&*self.engines.ledger, vec![product()], Vec::new());
        let locked = locked.await.unwrap();
        let mut book = Book::new(locked.rows(), Vec::new());
        let command = StockCommand::Receive { reference: "van".to_owned(), product_id: product(), qty };
        book.decide(&command, "operator:amy", self.sim.clock().now());
        locked.commit(book.into_changes(), None, None).await.unwrap();
    }

    /// A process with this worker number that asks this gate.
    #[expect(clippy::disallowed_methods, reason = "the test owns the loops of its processes")]
    async fn process(&self, worker: u8, gate: Arc<dyn StockGate>) -> Arc<App> {
        let ports = Ports {
            orders: self.engines.orders.clone(),
            ledger: self.engines.ledger.clone(),
            gate: Arc::clone(&gate),
            ..self.sim.ports(worker.into(), self.sim.clock(), gate)
        };
        let options = Options { worker, ..Options::default() };
        let (app, loops) = App::start(ports, options).await.unwrap();
        for work in loops {
            tokio::spawn(work.run);
        }
        let kettle = Product {
            id: product(),
            version: 1,
            name: LocalText::plain("Kettle"),
            description: LocalText::default(),
            price: Money::new(500, Currency::Eur),
            category: String::new(),
            picture: None,
            on_sale: true,
            updated_at: app.ports.clock.now(),
        };
        app.seed_product(kettle).await.unwrap();
        app.refresh_catalog().await.unwrap();
        app
    }

    /// Takes the gate over as a process of that worker number would, and returns the process.
    async fn owner(&self, worker: u8, epochs: &dyn GateEpochs) -> (Arc<App>, Raised) {
        let beginner = self.process(worker, self.sim.gate()).await;
        let raised = beginner.raise_gate_epoch(epochs, 0).await.unwrap();
        let mut contents = beginner.gate_contents(epochs, &raised).await.unwrap();
        let gate = Arc::new(MemoryGate::in_epoch(raised.epoch));
        let (rows, holds) = (std::mem::take(&mut contents.rows), std::mem::take(&mut contents.holds));
        gate.rebuild(rows, holds).await.unwrap();
        (self.process(worker, gate).await, raised)
    }
}

fn product() -> ProductId {
    ProductId::new(1).unwrap()
}

async fn place(app: &Arc<App>, user: u64, quantity: u32) -> Result<Arc<Order>, Error> {
    let user_id = UserId::new(user).unwrap();
    let call = PlaceOrder {
        user_id,
        actor: Actor::Customer(user_id),
        lines: vec![WantedLine { product_id: product(), quantity, seen_price: None }],
        coupon: None,
        address: None,
        key: None,
        trace: None,
        render: |_| String::new(),
    };
    match app.place(call).await? {
        Placed::Now(order, _) => Ok(order),
        Placed::Before(_) => panic!("there is no key"),
    }
}

fn on_shop<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Arc<Shop>) -> F) {
    let Some(server) = server() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let shop = Arc::new(Shop::open(server, name).await);
        test(Arc::clone(&shop)).await;
        if let Ok(shop) = Arc::try_unwrap(shop) {
            shop.close().await;
        }
    });
}

async fn free(app: &Arc<App>) -> i64 {
    app.stock_level(product()).await.unwrap().free
}

#[test]
fn an_owner_that_was_paused_past_its_lease_gets_no_order_stored() {
    on_shop("paused", async |shop| {
        let epochs = &*shop.engines.gate_epochs;
        let (old, first) = shop.owner(3, epochs).await;
        for user in [1, 2] {
            place(&old, user, 2).await.expect("the owner sells");
        }
        // It is paused here, and its lease ends. When it wakes up it does not know.
        let (new, second) = shop.owner(4, epochs).await;
        assert!(second.epoch > first.epoch && second.skipped.is_empty(), "{first:?} {second:?}");
        assert_eq!(free(&new).await, 6, "what the first has sold is held");
        for user in [1, 2] {
            let late = place(&old, user, 1).await;
            assert!(matches!(late, Err(Error::Unavailable { .. })), "{late:?}");
        }
        let stored = shop.engines.orders.list(Query { limit: 100, ..Query::default() }).await.unwrap();
        assert_eq!(stored.orders.len(), 2);
        assert_eq!(free(&old).await, 6, "what was refused for good is not held on");
        place(&new, 1, 6).await.expect("all that is left can be sold, once");
        assert!(matches!(place(&new, 2, 1).await, Err(Error::OutOfStock(_))));
        assert!(old.is_gate_behind(epochs, first.epoch).await, "the old one can find out");
        assert!(!new.is_gate_behind(epochs, second.epoch).await);
    });
}

/// The real epochs, of which shard 1 may be away.
struct HalfAway<'a>(&'a dyn GateEpochs, AtomicBool);

impl HalfAway<'_> {
    fn there(&self, shard: usize) -> doos_ports::Result<()> {
        match shard == 1 && self.1.load(Ordering::SeqCst) {
            true => Err(doos_ports::Error::Unavailable { engine: "shard 1", cause: "it is away".to_owned() }),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl GateEpochs for HalfAway<'_> {
    fn shard_count(&self) -> usize {
        self.0.shard_count()
    }

    async fn epoch(&self, shard: usize) -> doos_ports::Result<u64> {
        self.there(shard)?;
        self.0.epoch(shard).await
    }

    async fn raise(&self, shard: usize, epoch: u64) -> doos_ports::Result<u64> {
        self.there(shard)?;
        self.0.raise(shard, epoch).await
    }

    async fn undecided(&self, shard: usize) -> doos_ports::Result<Vec<Arc<Order>>> {
        self.there(shard)?;
        self.0.undecided(shard).await
    }
}

#[test]
fn a_shard_that_was_away_takes_no_orders_until_it_has_gone_through_the_same_steps() {
    on_shop("skipped", async |shop| {
        let (old, _) = shop.owner(3, &*shop.engines.gate_epochs).await;
        place(&old, 1, 3).await.expect("the owner sells");
        let epochs = HalfAway(&*shop.engines.gate_epochs, AtomicBool::new(true));
        let (new, raised) = shop.owner(4, &epochs).await;
        assert_eq!((&raised.shards[..], &raised.skipped[..]), (&[0][..], &[1][..]));
        assert!(!new.is_gate_behind(&epochs, raised.epoch).await, "what is away cannot be taken over");
        place(&new, 2, 1).await.expect("the other shard's users notice nothing");
        let refused = place(&new, 1, 1).await;
        assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
        epochs.1.store(false, Ordering::SeqCst);
        assert!(new.is_gate_behind(&epochs, raised.epoch).await);
        let (newest, raised) = shop.owner(4, &epochs).await;
        assert!(raised.skipped.is_empty());
        assert_eq!(free(&newest).await, 6, "three on the shard that was away, one on the other");
        place(&newest, 1, 1).await.expect("it takes orders again");
        epochs.1.store(true, Ordering::SeqCst);
    });
}

/// A gate that looks, at each hold, whether inventory could decide about the order right now.
struct Watched {
    gate: Arc<dyn StockGate>,
    ledger: Arc<dyn StockLedger>,
    holds: AtomicU64,
}

#[async_trait]
impl StockGate for Watched {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        let deciding = self.ledger.lock(vec![product()], vec![hold.order_id]);
        // One that does not wait is done long before.
        let decided = tokio::time::timeout(Duration::from_millis(300), deciding).await;
        assert!(decided.is_err(), "it could be decided, and the gate told so, before its hold is there");
        self.holds.fetch_add(1, Ordering::SeqCst);
        self.gate.hold(hold).await
    }

    async fn release(&self, order_id: OrderId) -> doos_ports::Result<()> {
        self.gate.release(order_id).await
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> doos_ports::Result<()> {
        self.gate.decided(rows, orders).await
    }

    async fn level(&self, product_id: ProductId) -> doos_ports::Result<Option<Level>> {
        self.gate.level(product_id).await
    }

    async fn levels(&self, products: &[ProductId]) -> doos_ports::Result<Vec<Option<Level>>> {
        self.gate.levels(products).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> doos_ports::Result<Vec<Hold>> {
        self.gate.overdue(now, limit).await
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> doos_ports::Result<()> {
        self.gate.postpone(order_id, deadline).await
    }

    async fn hold_count(&self) -> doos_ports::Result<usize> {
        self.gate.hold_count().await
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> doos_ports::Result<()> {
        self.gate.rebuild(rows, holds).await
    }
}

#[test]
fn orders_of_another_gate_are_held_before_anybody_can_decide_about_them() {
    on_shop("carried", async |shop| {
        let (before, _) = shop.owner(3, &*shop.engines.gate_epochs).await;
        for user in [1, 2] {
            place(&before, user, 2).await.expect("the gate before sells");
        }
        let gate = Arc::new(MemoryGate::default());
        let ledger = shop.engines.ledger.clone();
        gate.rebuild(ledger.rows().await.unwrap(), Vec::new()).await.unwrap();
        let watched = Arc::new(Watched { gate, ledger, holds: AtomicU64::new(0) });
        let next = shop.process(4, watched.clone()).await;
        assert_eq!(next.hold_undecided().await.unwrap(), 2);
        assert_eq!((watched.holds.load(Ordering::SeqCst), free(&next).await), (2, 6));
    });
}
