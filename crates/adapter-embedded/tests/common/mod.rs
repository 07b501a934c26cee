//! A store on threads of its own in a temporary directory, with the ports that the store does not serve.

use async_trait::async_trait;
use doos_adapter_embedded::{MemoryGate, Options, ProjectionOptions, Projections, Running, Store};
use doos_domain::ids::{OrderId, RefundId};
use doos_domain::shipping::Parcel;
use doos_domain::time::Timestamp;
use doos_ports::Ports;
use doos_ports::clock::Clock;
use doos_ports::outside::{AttemptAnswer, Carrier, Charge, OutsideError, PaymentProvider};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Small files, so that hundreds of stores can be opened quickly.
pub fn small() -> Options {
    let journal = doos_journal::Options { segment_bytes: 256 << 10, group_bytes_max: 64 << 10 };
    Options { journal, group_bytes_max: 32 << 10, feed_kept_bytes: 128 << 10, ..Options::default() }
}

pub fn run_store(dir: &Path, options: Options) -> Running {
    Store::open_dir(dir, options).expect("the store opens").spawn().expect("threads start")
}

pub fn ports(store: &Store, dir: &Path) -> Ports {
    let projections = Projections::open(dir, ProjectionOptions::default()).expect("the projections open");
    Ports {
        clock: Arc::new(TestClock),
        id_marks: store.id_marks(),
        orders: store.orders(),
        outbox: store.outbox(),
        ledger: store.ledger(),
        gate: Arc::new(MemoryGate::default()),
        bus: store.bus(),
        inbox: store.inbox(),
        feed: store.feed(),
        actions: store.actions(),
        catalog: store.catalog(),
        identities: store.identities(),
        payments: store.payments(),
        shipments: store.shipments(),
        statistics: projections.statistics,
        search: projections.search,
        provider: Arc::new(Nobody),
        carrier: Arc::new(Nobody),
    }
}

/// A day in 2026 that stands still; sleeping is real.
struct TestClock;

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> u64 {
        4
    }
}

/// The world outside, which no case of a durable port calls.
struct Nobody;

fn nobody<T>() -> Result<T, OutsideError> {
    Err(OutsideError::Unclear("nobody is there".to_owned()))
}

#[async_trait]
impl PaymentProvider for Nobody {
    async fn capture(&self, _charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        nobody()
    }

    async fn close(&self, _charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        nobody()
    }

    async fn query(&self, _charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        nobody()
    }

    async fn refund(&self, _refund: &RefundId, _charge: &Charge) -> Result<String, OutsideError> {
        nobody()
    }
}

#[async_trait]
impl Carrier for Nobody {
    async fn ship(&self, _order: OrderId, _parcel: &Parcel) -> Result<String, OutsideError> {
        nobody()
    }

    async fn recall(&self, _order: OrderId, _tracking: &str) -> Result<(), OutsideError> {
        nobody()
    }

    async fn is_delivered(&self, _order: OrderId, _tracking: &str) -> Result<bool, OutsideError> {
        nobody()
    }
}
