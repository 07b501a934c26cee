//! The carrier: takes parcels, calls them back, and says whether they have arrived.
//!
//! What holds: one order is one parcel, whoever hands it over again; its tracking number follows from the order alone,
//! so it is the same after a restart. A parcel that was called back never arrives afterwards.
//!
//! What must never happen: a second parcel for the same order because the reply to the first was lost.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::shipping::Parcel;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::outside::{Carrier, OutsideError};
use serde::{Deserialize, Serialize};

use crate::desk::{Books, Decision, Desk};
use crate::log::OpenError;
use crate::wire::Wire;

/// The file in the directory given to [`StandinCarrier::open`].
pub const LOG_FILE: &str = "carrier.log";

/// By default everything succeeds at once and nothing arrives by itself.
#[derive(Clone, Debug, Default)]
pub struct CarrierOptions {
    /// How long a call takes, half of it before the deed.
    pub latency_ms: u64,
    /// How many calls in a thousand end without a clear answer; in half of them the deed was done.
    pub fail_per_mille: u32,
    /// Whether it starts unreachable; see [`StandinCarrier::set_outage`].
    pub outage: bool,
    /// From handing over to arrival; `None`: never by itself.
    pub deliver_after_ms: Option<u64>,
}

pub struct StandinCarrier {
    wire: Wire,
    deliver_after_ms: Option<i64>,
    desk: Desk<Consignments>,
}

impl StandinCarrier {
    /// Its books live as long as the value.
    pub fn new(options: CarrierOptions, clock: Arc<dyn Clock>) -> Self {
        Self::at(Desk::default(), options, clock)
    }

    /// Its books are the file [`LOG_FILE`] in this directory, which nobody else may have open.
    pub fn open(options: CarrierOptions, clock: Arc<dyn Clock>, directory: &Path) -> Result<Self, OpenError> {
        Ok(Self::at(Desk::open(&directory.join(LOG_FILE))?, options, clock))
    }

    fn at(desk: Desk<Consignments>, options: CarrierOptions, clock: Arc<dyn Clock>) -> Self {
        let wire = Wire::new(clock, options.latency_ms, options.fail_per_mille, options.outage);
        let deliver_after_ms = options.deliver_after_ms.map(|after_ms| i64::try_from(after_ms).unwrap_or(i64::MAX));
        Self { wire, deliver_after_ms, desk }
    }

    /// Takes the carrier off the net, or puts it back.
    pub fn set_outage(&self, outage: bool) {
        self.wire.set_outage(outage);
    }

    async fn ask<T: Send>(
        &self,
        decide: impl FnOnce(&Consignments) -> Result<Decision<T, Event>, OutsideError> + Send,
    ) -> Result<T, OutsideError> {
        self.wire.carry(self.desk.settle(decide, |_| {})).await
    }

    fn now(&self) -> Timestamp {
        self.wire.clock().now()
    }
}

#[async_trait]
impl Carrier for StandinCarrier {
    async fn ship(&self, order: OrderId, parcel: &Parcel) -> Result<String, OutsideError> {
        let is_empty = parcel.lines.is_empty();
        self.ask(|books| books.ship(order, is_empty, self.now())).await
    }

    async fn recall(&self, order: OrderId, tracking: &str) -> Result<(), OutsideError> {
        self.ask(|books| books.recall(order, tracking, self.now())).await
    }

    async fn is_delivered(&self, order: OrderId, tracking: &str) -> Result<bool, OutsideError> {
        self.ask(|books| {
            let consignment = books.find(order, tracking)?;
            let has_arrived = self.deliver_after_ms.is_some_and(|after_ms| consignment.arrives(after_ms, self.now()));
            Ok(Decision::unchanged(has_arrived))
        })
        .await
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Shipped { order_id: OrderId, at: Timestamp },
    Recalled { order_id: OrderId, at: Timestamp },
}

#[derive(Default)]
struct Consignments(BTreeMap<OrderId, Consignment>);

struct Consignment {
    shipped_at: Timestamp,
    recalled_at: Option<Timestamp>,
}

impl Consignment {
    fn arrives(&self, after_ms: i64, now: Timestamp) -> bool {
        let arrival = self.shipped_at.plus_millis(after_ms);
        arrival <= now && self.recalled_at.is_none_or(|recalled_at| arrival <= recalled_at)
    }
}

impl Consignments {
    fn ship(&self, order: OrderId, is_empty: bool, at: Timestamp) -> Result<Decision<String, Event>, OutsideError> {
        if self.0.contains_key(&order) {
            return Ok(Decision::unchanged(tracking_of(order)));
        }
        if is_empty {
            return Err(OutsideError::Refused("the parcel is empty".into()));
        }
        Ok(Decision::changed(tracking_of(order), Event::Shipped { order_id: order, at }))
    }

    fn recall(&self, order: OrderId, tracking: &str, at: Timestamp) -> Result<Decision<(), Event>, OutsideError> {
        // A parcel that has arrived is fetched back, which takes longer and is promised all the same.
        match self.find(order, tracking)?.recalled_at {
            Some(_) => Ok(Decision::unchanged(())),
            None => Ok(Decision::changed((), Event::Recalled { order_id: order, at })),
        }
    }

    fn find(&self, order: OrderId, tracking: &str) -> Result<&Consignment, OutsideError> {
        let known = self.0.get(&order).filter(|_| tracking.is_empty() || tracking_of(order) == tracking);
        known.ok_or_else(|| OutsideError::Refused("no parcel has this tracking number".into()))
    }
}

impl Books for Consignments {
    type Event = Event;

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Shipped { order_id, at } => {
                self.0.insert(*order_id, Consignment { shipped_at: *at, recalled_at: None });
            }
            Event::Recalled { order_id, at } => {
                if let Some(consignment) = self.0.get_mut(order_id) {
                    consignment.recalled_at = Some(*at);
                }
            }
        }
    }
}

/// Nineteen digits hold every order id, so that all tracking numbers look alike.
fn tracking_of(order: OrderId) -> String {
    format!("DS{:019}", order.get())
}
