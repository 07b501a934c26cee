//! The store's side of every durable port. One small file each; all of them read through `shared` and write units.

mod action_log;
mod catalog_store;
mod change_feed;
mod event_bus;
mod id_marks;
mod identity_store;
mod inbox;
mod order_store;
mod outbox;
mod payment_book;
mod shipment_store;
mod stock_ledger;

use std::sync::Arc;

use crate::shared::Shared;
use crate::store::Store;
use crate::unit::Refused;

pub(crate) use id_marks::Mark;
pub use outbox::NoOutbox;

/// One engine for each port.
pub(crate) struct Engines {
    orders: Arc<order_store::Orders>,
    ledger: Arc<stock_ledger::Ledger>,
    bus: Arc<event_bus::Bus>,
    inbox: Arc<inbox::JournalInbox>,
    feed: Arc<change_feed::Feed>,
    actions: Arc<action_log::Actions>,
    catalog: Arc<catalog_store::Catalog>,
    identities: Arc<identity_store::Identities>,
    payments: Arc<payment_book::Payments>,
    shipments: Arc<shipment_store::Shipments>,
    id_marks: Arc<id_marks::Marks>,
}

impl Engines {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self {
            orders: Arc::new(order_store::Orders::new(shared)),
            ledger: Arc::new(stock_ledger::Ledger::new(shared)),
            bus: Arc::new(event_bus::Bus::new(shared)),
            inbox: Arc::new(inbox::JournalInbox::new(shared)),
            feed: Arc::new(change_feed::Feed::new(shared)),
            actions: Arc::new(action_log::Actions::new(shared)),
            catalog: Arc::new(catalog_store::Catalog::new(shared)),
            identities: Arc::new(identity_store::Identities::new(shared)),
            payments: Arc::new(payment_book::Payments::new(shared)),
            shipments: Arc::new(shipment_store::Shipments::new(shared)),
            id_marks: Arc::new(id_marks::Marks::new(shared)),
        }
    }
}

macro_rules! ports {
    ($($name:ident: $module:ident :: $port:ident),+ $(,)?) => {
        impl Store {
            $(
                pub fn $name(&self) -> Arc<dyn doos_ports::$module::$port> {
                    let engine = Arc::clone(&self.engines.$name);
                    engine
                }
            )+

            /// The journal is the bus, so there is nothing to hand over.
            pub fn outbox(&self) -> Arc<dyn doos_ports::outbox::Outbox> {
                Arc::new(NoOutbox)
            }
        }
    };
}

ports!(
    orders: order_store::OrderStore,
    ledger: stock_ledger::StockLedger,
    bus: bus::EventBus,
    inbox: inbox::Inbox,
    feed: change_feed::ChangeFeed,
    actions: action_log::ActionLog,
    catalog: catalog_store::CatalogStore,
    identities: identity_store::IdentityStore,
    payments: payment_book::PaymentBook,
    shipments: shipment_store::ShipmentStore,
    id_marks: id_marks::IdMarks,
);

/// What a refusal means to a caller that asked for nothing that could be lost to somebody else: try again.
fn engine_error(refused: Refused) -> doos_ports::Error {
    let cause = match refused {
        Refused::Engine(error) => return error,
        Refused::Answered(_) => "the idempotency key was answered meanwhile",
        Refused::Conflict { .. } | Refused::Void | Refused::Order => "an order moved on meanwhile",
    };
    doos_ports::Error::Unavailable { engine: crate::error::ENGINE, cause: cause.to_owned() }
}
