//! The seams of DOOS: what use cases ask of engines, as traits with written contracts.
//!
//! What holds: every engine of a port passes the same behaviour suite (`suites`); an error says whether to try again
//! and whether the outcome is known; nothing here names an engine.
//!
//! What must never happen: a rule of the trade in an engine (those live in `domain`), or a port that only one engine
//! could serve.
//!
//! Where to read next: [`order_store`] for how an order becomes durable, [`bus`] and [`inbox`] for how contexts hear
//! of each other, [`stock_gate`] and [`stock_ledger`] for stock.

pub mod action_log;
pub mod archive;
pub mod bus;
pub mod cache;
pub mod catalog_store;
pub mod change_feed;
pub mod clock;
pub mod error;
pub mod fenced_lock;
pub mod gate_epochs;
pub mod id_marks;
pub mod identity_store;
pub mod inbox;
pub mod order_store;
pub mod outbox;
pub mod outside;
pub mod payment_book;
pub mod projection;
pub mod rate_limits;
pub mod registry;
pub mod search;
pub mod shipment_store;
pub mod statistics;
pub mod stock_gate;
pub mod stock_ledger;

#[cfg(feature = "suites")]
pub mod suites;

pub use error::{Error, Result};

use std::sync::Arc;

/// Every engine the application is built from; made in one place by `node` (or by a test, or by the simulator).
#[derive(Clone)]
pub struct Ports {
    pub clock: Arc<dyn clock::Clock>,
    pub id_marks: Arc<dyn id_marks::IdMarks>,
    pub orders: Arc<dyn order_store::OrderStore>,
    pub outbox: Arc<dyn outbox::Outbox>,
    pub ledger: Arc<dyn stock_ledger::StockLedger>,
    pub gate: Arc<dyn stock_gate::StockGate>,
    pub bus: Arc<dyn bus::EventBus>,
    pub inbox: Arc<dyn inbox::Inbox>,
    pub feed: Arc<dyn change_feed::ChangeFeed>,
    pub actions: Arc<dyn action_log::ActionLog>,
    pub catalog: Arc<dyn catalog_store::CatalogStore>,
    pub identities: Arc<dyn identity_store::IdentityStore>,
    pub payments: Arc<dyn payment_book::PaymentBook>,
    pub shipments: Arc<dyn shipment_store::ShipmentStore>,
    pub statistics: Arc<dyn statistics::Statistics>,
    pub search: Arc<dyn search::SearchIndex>,
    pub provider: Arc<dyn outside::PaymentProvider>,
    pub carrier: Arc<dyn outside::Carrier>,
}
