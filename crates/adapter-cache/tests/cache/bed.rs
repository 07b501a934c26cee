//! Simulated engines on this thread, orders to put into them, and a cache that follows their feed.

use doos_adapter_cache::{CachedOrders, Options};
use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_domain::actor::Cause;
use doos_domain::ids::{EPOCH_MILLIS, Generator, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::Order;
use doos_domain::pricing::{Line, Quote};
use doos_domain::time::Timestamp;
use doos_ports::Ports;
use doos_ports::order_store::Change;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Virtual time that a sleep moves on; sleeping is giving way once.
#[derive(Default)]
struct GivesWay {
    elapsed_ms: AtomicU64,
    drawn: AtomicU64,
}

impl SimRuntime for GivesWay {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.monotonic().as_millis()).unwrap();
        Timestamp::from_millis(EPOCH_MILLIS + 86_400_000).plus_millis(elapsed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> Pause {
        self.elapsed_ms.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
        self.yield_now()
    }

    fn random(&self) -> u64 {
        self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    fn yield_now(&self) -> Pause {
        Box::pin(tokio::task::yield_now())
    }
}

pub fn engines() -> SimEngines {
    SimEngines::new(SimOptions::default(), Arc::new(GivesWay::default()))
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A process with a cache, beside others on the same engines.
pub struct Process {
    pub ports: Ports,
    pub cached: Arc<CachedOrders>,
    ids: Generator,
}

impl Process {
    /// Its cache follows the feed, in a task of this thread.
    #[expect(clippy::disallowed_methods, reason = "the test stands in for the node, which owns its tasks")]
    pub async fn start(engines: &SimEngines, number: u8, options: Options) -> Self {
        let mut ports = engines.ports(number.into(), engines.clock(), engines.gate());
        let cached = CachedOrders::new(Arc::clone(&ports.orders), None, Arc::clone(&ports.clock), options);
        ports.orders = Arc::clone(&cached) as _;
        tokio::task::spawn(Arc::clone(&cached).follow(Arc::clone(&ports.feed)));
        while !cached.counts().is_followed {
            tokio::task::yield_now().await;
        }
        let now = ports.clock.now();
        let ids = Generator::new(number, now, now.plus_millis(86_400_000));
        Self { ports, cached, ids }
    }

    pub async fn commit(&self, before: u32, order: Order) -> Arc<Order> {
        let order = Arc::new(order);
        let change = Change {
            expected_version: before,
            order: Arc::clone(&order),
            messages: Vec::new(),
            answer: None,
            gate_epoch: None,
        };
        self.ports.orders.commit(vec![change]).await.remove(0).unwrap();
        order
    }

    pub fn cause(&self) -> Cause {
        Cause::system("test", self.ports.clock.now())
    }

    pub fn new_order(&self, user: u64) -> Order {
        let user = UserId::new(user).unwrap();
        let id = self.ids.next(user.bucket(), self.ports.clock.now()).unwrap();
        let unit_price = Money::new(250, Currency::Cny);
        let lines = vec![Line { product_id: ProductId::new(1).unwrap(), quantity: 2, unit_price }];
        let quote = Quote { lines, total: Money::new(500, Currency::Cny) };
        Order::place(id, user, quote, None, &self.cause()).order
    }

    pub async fn cancel(&self, order: &Order) -> Arc<Order> {
        match order.cancel(&self.cause()) {
            Ok(doos_domain::order::Outcome::Changed(step)) => self.commit(order.version, step.order).await,
            other => panic!("{other:?}"),
        }
    }

    pub async fn read(&self, order: &Order) -> Option<Arc<Order>> {
        self.ports.orders.read(order.id).await.unwrap()
    }
}
