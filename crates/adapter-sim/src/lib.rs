//! Every port simulated: engines that live in memory, on virtual time, with faults drawn from a seed.
//!
//! What holds: an engine's effect happens at one poll, whole or not at all, so that a caller dropped at any await (a
//! crash of its node) leaves nothing half done. What was stored outlives every caller. The same seed and the same order
//! of polls give the same faults. Once [`Faults::set_calm`] is called nothing fails any more, so that a run can check
//! that everything ends.
//!
//! What must never happen here: a thread, a runtime of its own, the wall clock, an iteration whose order is not fixed.
//!
//! Where to read next: [`world`] for how one call goes, [`faults`] for what can go wrong, [`durable`] for what a checker
//! can look at.

pub mod actions;
pub mod bus;
pub mod carrier;
pub mod catalog;
pub mod clock;
pub mod durable;
pub mod faults;
pub mod feed;
pub mod gate;
pub mod id_marks;
pub mod identities;
pub mod inbox;
pub mod ledger;
pub mod orders;
pub mod outbox;
pub mod payment_book;
pub mod projection;
pub mod provider;
pub mod runtime;
pub mod shipments;
pub mod world;

pub use clock::SimClock;
pub use faults::{Faults, Part, Rates};
pub use gate::SimGate;
pub use runtime::{Pause, SimRuntime};

use doos_ports::Ports;
use doos_ports::stock_gate::StockGate;
use std::sync::Arc;

use durable::Durable;
use world::World;

/// What a simulated world is made of.
#[derive(Clone, Debug)]
pub struct SimOptions {
    pub shards: usize,
    /// Of the faults; the application's own randomness comes from the runtime.
    pub seed: u64,
    /// A call takes up to so long on its way there, and again on its way back; 0: it only yields.
    pub latency_max_ms: u64,
    pub faults: Faults,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self { shards: 1, seed: 0, latency_max_ms: 0, faults: Faults::none() }
    }
}

/// The engines of one simulated world. Nodes come and go, this stays.
#[derive(Clone)]
pub struct SimEngines {
    world: Arc<World>,
    pub orders: Arc<orders::SimOrderStore>,
    pub outbox: Arc<outbox::SimOutbox>,
    pub ledger: Arc<ledger::SimStockLedger>,
    pub inbox: Arc<inbox::SimInbox>,
    pub feed: Arc<feed::SimChangeFeed>,
    pub actions: Arc<actions::SimActionLog>,
    pub catalog: Arc<catalog::SimCatalogStore>,
    pub identities: Arc<identities::SimIdentityStore>,
    pub id_marks: Arc<id_marks::SimIdMarks>,
    pub payments: Arc<payment_book::SimPaymentBook>,
    pub shipments: Arc<shipments::SimShipmentStore>,
    pub statistics: Arc<projection::SimStatistics>,
    pub search: Arc<projection::SimSearch>,
    pub provider: Arc<provider::SimPaymentProvider>,
    pub carrier: Arc<carrier::SimCarrier>,
}

impl SimEngines {
    pub fn new(options: SimOptions, runtime: Arc<dyn SimRuntime>) -> Self {
        let world = Arc::new(World::new(options, runtime));
        let own = || Arc::clone(&world);
        Self {
            orders: Arc::new(orders::SimOrderStore::new(own())),
            outbox: Arc::new(outbox::SimOutbox::new(own())),
            ledger: Arc::new(ledger::SimStockLedger::new(own())),
            inbox: Arc::new(inbox::SimInbox::new(own())),
            feed: Arc::new(feed::SimChangeFeed::new(own())),
            actions: Arc::new(actions::SimActionLog::new(own())),
            catalog: Arc::new(catalog::SimCatalogStore::new(own())),
            identities: Arc::new(identities::SimIdentityStore::new(own())),
            id_marks: Arc::new(id_marks::SimIdMarks::new(own())),
            payments: Arc::new(payment_book::SimPaymentBook::new(own())),
            shipments: Arc::new(shipments::SimShipmentStore::new(own())),
            statistics: Arc::new(projection::SimStatistics::new(own())),
            search: Arc::new(projection::SimSearch::new(own())),
            provider: Arc::new(provider::SimPaymentProvider::new(own())),
            carrier: Arc::new(carrier::SimCarrier::new(own())),
            world,
        }
    }

    /// A clock of one node's own, which may step away from all others.
    pub fn clock(&self) -> Arc<SimClock> {
        Arc::new(SimClock::new(Arc::clone(&self.world)))
    }

    /// The bus as one node writes to it: messages of different nodes may overtake each other.
    pub fn bus(&self, node: u32) -> Arc<bus::SimBus> {
        Arc::new(bus::SimBus::new(Arc::clone(&self.world), node))
    }

    /// The reference gate, empty; good for suites and for small tests.
    pub fn gate(&self) -> Arc<SimGate> {
        Arc::new(SimGate::new(Arc::clone(&self.world)))
    }

    /// What one incarnation of a node is built from.
    pub fn ports(&self, node: u32, clock: Arc<SimClock>, gate: Arc<dyn StockGate>) -> Ports {
        Ports {
            clock,
            id_marks: self.id_marks.clone(),
            orders: self.orders.clone(),
            outbox: self.outbox.clone(),
            ledger: self.ledger.clone(),
            gate,
            bus: self.bus(node),
            inbox: self.inbox.clone(),
            feed: self.feed.clone(),
            actions: self.actions.clone(),
            catalog: self.catalog.clone(),
            identities: self.identities.clone(),
            payments: self.payments.clone(),
            shipments: self.shipments.clone(),
            statistics: self.statistics.clone(),
            search: self.search.clone(),
            provider: self.provider.clone(),
            carrier: self.carrier.clone(),
        }
    }

    pub fn faults(&self) -> &Faults {
        &self.world.options.faults
    }

    /// Shows everything stored, at one instant, without a call that could fail: for checkers.
    pub fn look<T>(&self, look: impl FnOnce(&Durable) -> T) -> T {
        look(&self.world.durable())
    }
}
