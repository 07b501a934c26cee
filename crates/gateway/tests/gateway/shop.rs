//! The shop under test: simulated engines on real time, the application, a gateway on a port of its own.

use async_trait::async_trait;
use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_app::consume::{Consumption, Handler, InventoryHandler, OrderHandler, PaymentHandler, Ran, ShippingHandler};
use doos_app::stock::Adjustment;
use doos_app::{App, Principal};
use doos_domain::catalog::{LocalText, Product};
use doos_domain::ids::{ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::time::Timestamp;
use doos_gateway::{Drained, Extra, Gateway, Listeners, Options, Profile, Secrets, issue_token};
use doos_ports::Ports;
use doos_ports::order_store::{Change, CommitError, OrderStore};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

pub const CALLBACK_KEY: &str = "the provider's key";
const TOKEN_KEY: &str = "the key of the tokens";
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what must come.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("did not happen in time")
}

struct RealTime {
    started: Instant,
    seed: AtomicU64,
}

impl SimRuntime for RealTime {
    fn now(&self) -> Timestamp {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pause {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        let mixed = self.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    }

    fn yield_now(&self) -> Pause {
        Box::pin(tokio::task::yield_now())
    }
}

/// An order store whose commits wait at a gate that the test opens.
pub struct GatedStore {
    inner: Arc<dyn OrderStore>,
    pub gate: Arc<Semaphore>,
    pub waiting: Arc<Semaphore>,
    /// What comes through the gate is refused, without a doubt.
    pub refuses: Arc<AtomicBool>,
}

#[async_trait]
impl OrderStore for GatedStore {
    async fn commit(&self, group: Vec<Change>) -> Vec<Result<(), CommitError>> {
        self.waiting.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        if self.refuses.load(Ordering::SeqCst) {
            let engine = "the store under test";
            let away = doos_ports::Error::Unavailable { engine, cause: "switched off".to_owned() };
            return group.iter().map(|_| Err(away.clone().into())).collect();
        }
        self.inner.commit(group).await
    }

    async fn consume(&self, group: Vec<Change>, progress: doos_ports::inbox::Progress) -> Result<(), CommitError> {
        self.inner.consume(group, progress).await
    }

    async fn void(&self, id: doos_domain::ids::OrderId) -> doos_ports::Result<doos_ports::order_store::Voided> {
        self.inner.void(id).await
    }

    async fn load(&self, id: doos_domain::ids::OrderId) -> doos_ports::Result<Option<Arc<doos_domain::order::Order>>> {
        self.inner.load(id).await
    }

    async fn find_answer(
        &self,
        key: &doos_domain::answer::AnswerKey,
    ) -> doos_ports::Result<Option<doos_domain::answer::Answer>> {
        self.inner.find_answer(key).await
    }

    async fn remember(&self, answer: doos_domain::answer::Answer) -> doos_ports::Result<doos_domain::answer::Answer> {
        self.inner.remember(answer).await
    }

    async fn list(&self, query: doos_ports::order_store::Query) -> doos_ports::Result<doos_ports::order_store::Page> {
        self.inner.list(query).await
    }

    async fn oldest(
        &self,
        statuses: &[doos_domain::order::Status],
        created_before: Timestamp,
        after: Option<doos_domain::ids::OrderId>,
        limit: usize,
    ) -> doos_ports::Result<Vec<Arc<doos_domain::order::Order>>> {
        self.inner.oldest(statuses, created_before, after, limit).await
    }

    async fn messages(
        &self,
        id: doos_domain::ids::OrderId,
    ) -> doos_ports::Result<Vec<(doos_domain::message::Message, doos_ports::order_store::MessageState)>> {
        self.inner.messages(id).await
    }

    async fn undecided(&self) -> doos_ports::Result<Vec<Arc<doos_domain::order::Order>>> {
        self.inner.undecided().await
    }
}

/// How a shop is set up; the default is profile dev with three products and the roles at work.
pub struct Setup {
    pub options: Options,
    pub app_options: doos_app::Options,
    pub extra: Extra,
    pub roles: bool,
    /// Commits wait until the test lets them through.
    pub gated: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            options: Options::default(),
            app_options: doos_app::Options::default(),
            extra: Extra::default(),
            roles: true,
            gated: false,
        }
    }
}

pub struct Shop {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub operations: SocketAddr,
    pub client: Client,
    pub gate: Arc<Semaphore>,
    pub waiting: Arc<Semaphore>,
    pub refuses: Arc<AtomicBool>,
    shutdown: CancellationToken,
    served: JoinHandle<Drained>,
    tasks: Vec<JoinHandle<()>>,
}

pub async fn open() -> Shop {
    open_with(Setup::default()).await
}

pub async fn open_prod() -> Shop {
    let options = Options { profile: Profile::Prod, require_auth: true, ..Options::default() };
    open_with(Setup { options, ..Setup::default() }).await
}

pub async fn open_with(setup: Setup) -> Shop {
    let runtime = RealTime { started: Instant::now(), seed: AtomicU64::new(7) };
    let engines = SimEngines::new(SimOptions::default(), Arc::new(runtime));
    let (gate, waiting) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let refuses = Arc::new(AtomicBool::new(false));
    let mut ports: Ports = engines.ports(0, engines.clock(), engines.gate());
    if setup.gated {
        let inner = Arc::clone(&ports.orders);
        let (gate, waiting, refuses) = (Arc::clone(&gate), Arc::clone(&waiting), Arc::clone(&refuses));
        ports.orders = Arc::new(GatedStore { inner, gate, waiting, refuses });
    }
    let (app, loops) = App::start(ports, setup.app_options).await.unwrap();
    let mut tasks: Vec<JoinHandle<()>> = loops.into_iter().map(|it| tokio::spawn(it.run)).collect();
    stock_up(&app).await;
    if setup.roles {
        tasks.extend(work(&app).await);
    }
    let main = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let operations = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, operations_address) = (main.local_addr().unwrap(), operations.local_addr().unwrap());
    let secrets = Secrets { token_key: SecretString::from(TOKEN_KEY), callback_key: SecretString::from(CALLBACK_KEY) };
    let gateway = Gateway::new(Arc::clone(&app), setup.options, secrets, setup.extra).unwrap();
    let shutdown = CancellationToken::new();
    let listeners = Listeners { main: vec![main], operations: vec![operations], ..Listeners::default() };
    let served = tokio::spawn(gateway.serve(listeners, shutdown.clone()));
    Shop {
        app,
        address,
        operations: operations_address,
        client: Client::to(address),
        gate,
        waiting,
        refuses,
        shutdown,
        served,
        tasks,
    }
}

async fn stock_up(app: &Arc<App>) {
    for (id, price_minor, pieces) in [(1, 9_999, 1_000), (2, 19_999, 1_000), (3, 500, 2), (101, 9_999, 1_000)] {
        let id = ProductId::new(id).unwrap();
        let product = Product {
            id,
            version: 1,
            name: LocalText::plain(format!("Product {id}")).with("zh", format!("商品{id}")),
            description: LocalText::plain("Something to buy"),
            price: Money::new(price_minor, Currency::Cny),
            category: if id.get() < 3 { "tea" } else { "light" }.to_owned(),
            picture: None,
            on_sale: true,
            updated_at: Timestamp::from_millis(1_800_000_000_000),
        };
        app.seed_product(product).await.unwrap();
        let received = Adjustment::Receive { quantity: pieces };
        let reference = Some(format!("opening-{id}"));
        app.adjust_stock(&operator().into(), id, received, reference, None, |_, _| String::new()).await.unwrap();
    }
}

/// What the roles do in a node: messages to the bus, contexts that act on them.
async fn work(app: &Arc<App>) -> Vec<JoinHandle<()>> {
    let own = || Arc::clone(app);
    let relay = own();
    vec![
        tokio::spawn(async move {
            loop {
                let now = relay.ports.clock.now();
                let open = relay.ports.outbox.open(now, 100).await.unwrap();
                if open.is_empty() {
                    relay.ports.outbox.ready().await;
                    continue;
                }
                let ids = open.iter().map(|message| message.id.clone()).collect();
                relay.ports.bus.publish(open).await.unwrap();
                relay.ports.outbox.mark_published(ids, now).await.unwrap();
            }
        }),
        tokio::spawn(consume(own(), InventoryHandler::new(own()))),
        tokio::spawn(consume(own(), OrderHandler::new(own()))),
        tokio::spawn(consume(own(), PaymentHandler::new(own()))),
        tokio::spawn(consume(own(), ShippingHandler::new(own()))),
    ]
}

async fn consume<H: Handler>(app: Arc<App>, handler: H) {
    let clock = Arc::clone(&app.ports.clock);
    let mut consumption = Consumption::start(app, handler).await.unwrap();
    loop {
        if consumption.run_once(clock.now()).await.unwrap() == Ran::Idle {
            consumption.ready().await;
        }
    }
}

pub fn operator() -> Principal {
    Principal::Operator("amy".to_owned())
}

pub fn service() -> Principal {
    Principal::Service("pos".to_owned())
}

pub fn customer(number: u64) -> Principal {
    Principal::Customer(UserId::new(number).unwrap())
}

impl Shop {
    pub fn token(&self, principal: &Principal) -> String {
        let clock = &self.app.ports.clock;
        let hour = Duration::from_secs(3_600);
        issue_token(&SecretString::from(TOKEN_KEY), principal, clock.now(), hour, clock.random()).unwrap()
    }

    /// How many orders are stored, and how many pieces the gate holds: nothing may be left behind by a refusal.
    pub async fn footprint(&self) -> (usize, usize) {
        let everything = doos_ports::order_store::Query { limit: 1_000, ..Default::default() };
        let orders = self.app.ports.orders.list(everything).await.unwrap().orders.len();
        (orders, self.app.ports.gate.hold_count().await.unwrap())
    }

    pub fn begin_to_stop(&self) {
        self.shutdown.cancel();
    }

    pub async fn stop(mut self) -> Drained {
        self.shutdown.cancel();
        soon(&mut self.served).await.unwrap()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.shutdown.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}
