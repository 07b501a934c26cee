//! The gate in another process, over a real connection: the port's suite, who is let in, and what a take-over looks like.
#![cfg(test)]

use async_trait::async_trait;
use doos_adapter_peer::{Owner, PeerGate, RemoteGate, RemoteOptions, Seat, service};
use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::stock_gate::{Hold, HoldError, Level, StockGate};
use doos_ports::suites::Case;
use doos_ports::{Error, Result};
use futures::future::join_all;
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;

/// Time that stands still but for what is slept.
#[derive(Default)]
struct Still(AtomicU64);

impl SimRuntime for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Pause {
        Box::pin(tokio::task::yield_now())
    }

    fn random(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn yield_now(&self) -> Pause {
        Box::pin(tokio::task::yield_now())
    }
}

fn engines() -> SimEngines {
    SimEngines::new(SimOptions::default(), Arc::new(Still::default()))
}

fn token() -> SecretString {
    SecretString::from("4f1b8d0c7a".to_owned())
}

/// Serves the seat's gate on a free port until the test's runtime ends.
#[expect(clippy::disallowed_methods, reason = "the test owns the server")]
async fn served(seat: &Seat) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = tonic::transport::Server::builder().add_service(service(seat, token()));
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

fn remote(address: &str) -> RemoteGate {
    RemoteGate::new(address, &token(), RemoteOptions::default()).unwrap()
}

/// What a client sees, but for the rebuilding, which only the owner may do.
struct SeenFromAfar {
    remote: RemoteGate,
    owner: Arc<dyn StockGate>,
}

#[async_trait]
impl StockGate for SeenFromAfar {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        self.remote.hold(hold).await
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        self.remote.release(order_id).await
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        self.remote.decided(rows, orders).await
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        self.remote.level(product_id).await
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        self.remote.levels(products).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        self.remote.overdue(now, limit).await
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        self.remote.postpone(order_id, deadline).await
    }

    async fn hold_count(&self) -> Result<usize> {
        self.remote.hold_count().await
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        self.owner.rebuild(rows, holds).await
    }
}

fn run(case: Case) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let engines = engines();
        let owner: Arc<dyn StockGate> = engines.gate();
        let seat = Seat::default();
        seat.give(Owner::Here(Arc::clone(&owner)));
        let remote = remote(&served(&seat).await);
        let mut ports = engines.ports(1, engines.clock(), engines.gate());
        ports.gate = Arc::new(SeenFromAfar { remote, owner });
        case(ports).await;
    });
}

doos_ports::stock_gate_suite!(run);

fn order(number: u64) -> OrderId {
    OrderId::new(UserId::new(1).unwrap().get() << 12 | number << 30 | 1).unwrap()
}

fn product() -> ProductId {
    ProductId::new(7).unwrap()
}

fn hold(number: u64) -> Hold {
    let lines = vec![Demand { product_id: product(), qty: 1 }];
    Hold { order_id: order(number), lines, key: None, deadline: Timestamp::from_millis(1_790_000_030_000) }
}

fn row(free: i64) -> StockRow {
    StockRow { product_id: product(), version: 1, received: free, written_off: 0, free, held: 0, sold: 0 }
}

fn is_away(error: &HoldError) -> bool {
    matches!(error, HoldError::Engine(Error::Unavailable { .. }))
}

#[tokio::test]
async fn whoever_does_not_own_the_gate_refuses_and_holds_nothing() {
    let gate: Arc<dyn StockGate> = engines().gate();
    let seat = Seat::default();
    let address = served(&seat).await;
    let client = remote(&address);
    assert!(is_away(&client.hold(hold(1)).await.unwrap_err()));

    gate.rebuild(vec![row(5)], Vec::new()).await.unwrap();
    seat.give(Owner::Here(Arc::clone(&gate)));
    client.hold(hold(1)).await.unwrap();

    // Deposed: it knows another owner, and does not pass on what it is asked.
    seat.give(Owner::There(Arc::new(remote(&address))));
    assert!(is_away(&client.hold(hold(2)).await.unwrap_err()));
    assert_eq!(gate.hold_count().await.unwrap(), 1);
}

#[tokio::test]
async fn without_the_cluster_s_token_nothing_is_told_or_changed() {
    let gate: Arc<dyn StockGate> = engines().gate();
    gate.rebuild(vec![row(5)], Vec::new()).await.unwrap();
    let seat = Seat::default();
    seat.give(Owner::Here(Arc::clone(&gate)));
    let address = served(&seat).await;
    for wrong in ["4f1b8d0c7b", "4f1b8d0c7a0", "x"] {
        let stranger = RemoteGate::new(&address, &SecretString::from(wrong.to_owned()), RemoteOptions::default());
        let stranger = stranger.unwrap();
        assert!(matches!(stranger.hold(hold(1)).await, Err(HoldError::Engine(Error::Broken { .. }))));
        assert!(stranger.levels(&[product()]).await.is_err());
    }
    assert_eq!(gate.hold_count().await.unwrap(), 0);
}

#[tokio::test]
async fn the_port_follows_the_seat() {
    let gate: Arc<dyn StockGate> = engines().gate();
    gate.rebuild(vec![row(5)], Vec::new()).await.unwrap();
    let owner = Seat::default();
    owner.give(Owner::Here(Arc::clone(&gate)));
    let address = served(&owner).await;

    let seat = Seat::default();
    let port: PeerGate = seat.gate();
    assert!(!port.is_there());
    assert!(is_away(&port.hold(hold(1)).await.unwrap_err()));
    seat.give(Owner::There(Arc::new(remote(&address))));
    port.hold(hold(1)).await.unwrap();
    assert_eq!(port.level(product()).await.unwrap().map(|level| level.free), Some(4));
}

/// Of [`Slow`].
const EPOCH: u64 = 1_790_000_000_003;

/// A gate that answers once it is told to, and counts how often it was asked.
struct Slow {
    inner: Arc<dyn StockGate>,
    asked: AtomicUsize,
    go: Notify,
}

#[async_trait]
impl StockGate for Slow {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            self.go.notified().await;
        }
        self.inner.hold(hold).await
    }

    async fn hold_in_epoch(&self, hold: Hold) -> Result<Option<u64>, HoldError> {
        self.hold(hold).await.map(|()| Some(EPOCH))
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        self.inner.release(order_id).await
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        self.inner.decided(rows, orders).await
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        self.inner.level(product_id).await
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        self.inner.levels(products).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        self.inner.overdue(now, limit).await
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        self.inner.postpone(order_id, deadline).await
    }

    async fn hold_count(&self) -> Result<usize> {
        self.inner.hold_count().await
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        self.inner.rebuild(rows, holds).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_callers_each_gets_its_own_outcome_and_a_full_queue_refuses() {
    let gate: Arc<dyn StockGate> = engines().gate();
    gate.rebuild(vec![row(30)], Vec::new()).await.unwrap();
    let slow = Arc::new(Slow { inner: Arc::clone(&gate), asked: AtomicUsize::new(0), go: Notify::new() });
    let seat = Seat::default();
    seat.give(Owner::Here(Arc::clone(&slow) as _));
    let address = served(&seat).await;
    // One on its way, forty that wait; of sixty callers nineteen find the queue full.
    let options = RemoteOptions { queue_len_max: 40, group_len_max: 7, ..RemoteOptions::default() };
    let client = Arc::new(RemoteGate::new(&address, &token(), options).unwrap());
    let first = {
        let client = Arc::clone(&client);
        async move { client.hold(hold(0)).await }
    };
    let others = async {
        while slow.asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let calls = join_all((1..60).map(|number| client.hold(hold(number))));
        let release = async { slow.go.notify_one() };
        futures::future::join(calls, release).await.0
    };
    let (first, others) = futures::future::join(first, others).await;
    first.unwrap();
    let count = |wanted: fn(&HoldError) -> bool| {
        others.iter().filter(|outcome| outcome.as_ref().err().is_some_and(wanted)).count()
    };
    let held = others.iter().filter(|outcome| outcome.is_ok()).count();
    let short = count(|error| matches!(error, HoldError::Short(_)));
    let busy = count(|error| matches!(error, HoldError::Engine(Error::Busy { .. })));
    assert_eq!((held, short, busy), (29, 11, 19), "{others:?}");
    assert_eq!(gate.hold_count().await.unwrap(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_s_epoch_comes_with_the_hold_over_the_wire_and_through_the_seat() {
    let gate: Arc<dyn StockGate> = engines().gate();
    gate.rebuild(vec![row(3)], Vec::new()).await.unwrap();
    let slow = Slow { inner: Arc::clone(&gate), asked: AtomicUsize::new(1), go: Notify::new() };
    let (owner, follower) = (Seat::default(), Seat::default());
    owner.give(Owner::Here(Arc::new(slow)));
    follower.give(Owner::There(Arc::new(remote(&served(&owner).await))));
    assert_eq!(owner.gate().hold_in_epoch(hold(1)).await.unwrap(), Some(EPOCH));
    assert_eq!(follower.gate().hold_in_epoch(hold(2)).await.unwrap(), Some(EPOCH));
    // A gate that nobody can take over has none, and none is made on the way.
    owner.give(Owner::Here(gate));
    assert_eq!(follower.gate().hold_in_epoch(hold(3)).await.unwrap(), None);
}
