//! The roles that move orders on: one thin file each, built on the use cases of `app`.
//!
//! What holds: a role carries no truth. [`Role::run_once`] takes the time as an argument, may be called again at any
//! moment and from two processes at once, and does whatever is there to do; [`Role::ready`] only says when to look.
//! Any role can be killed at any instant and started again.
//!
//! What must never happen: a decision in here (those are in `domain` and `app`), or a role that knows another.

mod cdc;
mod consumer;
mod courtesy;
mod demo_life;
mod drive;
mod id_keeper;
mod relay;
mod shipping;
mod timeouts;
mod watched;

pub use cdc::Cdc;
pub use demo_life::DemoLife;
pub use drive::drive;
pub use id_keeper::IdKeeper;
pub use relay::Relay;
pub use shipping::Deliveries;
pub use timeouts::Timeouts;

use async_trait::async_trait;
use doos_app::App;
use doos_app::consume::{InventoryHandler, OrderHandler, PaymentHandler, ShippingHandler};
use doos_domain::time::Timestamp;
use std::sync::Arc;

/// Whether a run found anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    Idle,
    Worked,
}

#[async_trait]
pub trait Role: Send {
    fn name(&self) -> &'static str;

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran>;

    /// Returns when there may be work. Dropping the future loses nothing.
    async fn ready(&mut self);
}

/// The names of all roles that a node can run, in the order of an order's life.
pub const ALL: [&str; 9] =
    ["order", "inventory", "payment", "shipping", "relay", "timeouts", "deliveries", "cdc", "id-keeper"];

/// Builds one role by name. How it does is told on the application's board.
pub fn build(name: &str, app: &Arc<App>) -> Option<Box<dyn Role>> {
    let own = || Arc::clone(app);
    let role: Box<dyn Role> = match name {
        "order" => Box::new(consumer::Consumer::new(own(), OrderHandler::new(own()))),
        "inventory" => Box::new(consumer::Consumer::new(own(), InventoryHandler::new(own())).yielding()),
        "payment" => Box::new(consumer::Consumer::new(own(), PaymentHandler::new(own()))),
        "shipping" => Box::new(consumer::Consumer::new(own(), ShippingHandler::new(own()))),
        "relay" => Box::new(Relay::new(own())),
        "timeouts" => Box::new(Timeouts::new(own())),
        "deliveries" => Box::new(Deliveries::new(own())),
        "cdc" => Box::new(Cdc::new(own())),
        "id-keeper" => Box::new(IdKeeper::new(own())),
        _ => return None,
    };
    Some(Box::new(watched::Watched::new(own(), role)))
}
