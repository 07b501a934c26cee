//! The laws as components of their own: some look at every step, the rest when all has come to rest.
//!
//! What holds: a check compares what different parts stored about the same thing, or what was stored with what clients
//! were told; it never asks the code under test for its opinion. A law is named as in the reliability notes (I1 to
//! I17); `told` is a refusal that no client should ever get, `rest` that something never ended.
//!
//! Where to read next: `watch.rs` for what is looked at all the time, the others for what must be true at the end.

#[cfg(test)]
mod canary;
mod messages;
mod money;
mod orders;
mod stock;
mod told;
mod view;
mod watch;

pub use view::{ProviderView, View};
pub use watch::{StockHistory, Watch};

use doos_adapter_sim::durable::Durable;
use doos_domain::message::Consumer;
use doos_domain::order::{Order, Status};

use crate::scenario::Scenario;
use crate::site::Site;

/// Checks everything that must be true once faults have stopped and all work is done.
pub fn at_rest(view: &View, site: &Site, rests: bool) {
    if !rests {
        let waits = view.unrest();
        site.oracle.finding("rest", format!("it does not come to rest: {waits}"));
        return;
    }
    for finding in judge(view, site.scenario.poison) {
        site.oracle.finding(finding.law, finding.what);
    }
    told::check(view, &site.oracle);
}

/// Everything that can be said of the stored data alone.
pub fn judge(view: &View, poisoned: bool) -> Vec<crate::oracle::Finding> {
    let mut findings = Findings::default();
    stock::check(view, &mut findings);
    orders::check(view, &mut findings);
    money::check(view, &mut findings);
    messages::check(view, poisoned, &mut findings);
    findings.0
}

#[derive(Default)]
pub struct Findings(Vec<crate::oracle::Finding>);

impl Findings {
    pub(crate) fn add(&mut self, law: &'static str, what: impl Into<String>) {
        self.0.push(crate::oracle::Finding { law, what: what.into() });
    }

    pub(crate) fn unless(&mut self, holds: bool, law: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.add(law, what());
        }
    }
}

/// An order to which nothing more will happen by itself.
pub(crate) fn has_ended(order: &Order) -> bool {
    let status = matches!(order.status, Status::Delivered | Status::Cancelled | Status::Returned);
    let refunded = order.money.refunds.iter().all(|refund| refund.settled_at.is_some());
    status && order.money.open_attempt().is_none() && refunded
}

/// Whether all work of the simulated engines is done.
pub fn is_at_rest(durable: &Durable, scenario: &Scenario) -> bool {
    let parked = durable.dead_letters().len();
    let read = Consumer::ALL.into_iter().all(|consumer| {
        let inbox = durable.inbox(consumer);
        inbox.waiting.is_empty() && inbox.position.0 == durable.bus.log(consumer).len() as u64
    });
    durable.outbox.open.is_empty()
        && durable.bus.in_transit_count() == 0
        && read
        && (parked > 0 || !scenario.poison)
        && durable.orders().all(|order| has_ended(order))
}
