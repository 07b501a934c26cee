//! A carrier: refuses parcels, answers unclearly, delivers after a while.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::shipping::Parcel;
use doos_domain::time::Timestamp;
use doos_ports::outside::{Carrier, OutsideError};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::faults::Part;
use crate::world::World;

/// From the hand-over to the customer's door.
pub const DELIVERY_MS: i64 = 3_600_000;

#[derive(Clone, Debug)]
pub struct Handover {
    pub parcel: Parcel,
    pub tracking: String,
    pub at: Timestamp,
    pub recalled: bool,
}

impl Handover {
    fn has_arrived(&self, now: Timestamp) -> bool {
        !self.recalled && now.millis_since(self.at) >= DELIVERY_MS
    }
}

#[derive(Default)]
pub struct CarrierRows {
    pub parcels: BTreeMap<OrderId, Handover>,
}

pub struct SimCarrier {
    world: Arc<World>,
}

impl SimCarrier {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    async fn call<T: Send>(
        &self,
        effect: impl FnOnce(&mut CarrierRows) -> Result<T, OutsideError> + Send,
    ) -> Result<T, OutsideError> {
        let unclear = |cause: String| OutsideError::Unclear(cause);
        self.world.arrive(Part::Carrier).await.map_err(|error| unclear(error.to_string()))?;
        if self.world.strikes(self.world.rates().outside_unclear_before) {
            return Err(unclear("timed out".to_owned()));
        }
        let value = self.world.apply(|durable| effect(&mut durable.carrier));
        self.world.travel().await;
        if self.world.strikes(self.world.rates().outside_unclear_after) {
            return Err(unclear("timed out".to_owned()));
        }
        value
    }
}

fn known<'a>(rows: &'a mut CarrierRows, order: OrderId, tracking: &str) -> Result<&'a mut Handover, OutsideError> {
    let parcel = rows.parcels.get_mut(&order).filter(|parcel| tracking.is_empty() || parcel.tracking == tracking);
    parcel.ok_or_else(|| OutsideError::Refused("no such parcel".to_owned()))
}

#[async_trait]
impl Carrier for SimCarrier {
    async fn ship(&self, order: OrderId, parcel: &Parcel) -> Result<String, OutsideError> {
        let refuses = self.world.strikes(self.world.rates().parcels_refused);
        let effect = |rows: &mut CarrierRows| {
            if let Some(taken) = rows.parcels.get(&order) {
                return Ok(taken.tracking.clone());
            }
            if refuses {
                return Err(OutsideError::Refused("no van today".to_owned()));
            }
            let tracking = format!("SIM{order}");
            let at = self.world.now();
            let parcel = Handover { parcel: parcel.clone(), tracking: tracking.clone(), at, recalled: false };
            rows.parcels.insert(order, parcel);
            Ok(tracking)
        };
        self.call(effect).await
    }

    async fn recall(&self, order: OrderId, tracking: &str) -> Result<(), OutsideError> {
        let now = self.world.now();
        let effect = |rows: &mut CarrierRows| {
            let parcel = known(rows, order, tracking)?;
            if parcel.has_arrived(now) {
                return Err(OutsideError::Refused("it has been delivered".to_owned()));
            }
            parcel.recalled = true;
            Ok(())
        };
        self.call(effect).await
    }

    async fn is_delivered(&self, order: OrderId, tracking: &str) -> Result<bool, OutsideError> {
        let now = self.world.now();
        self.call(|rows| known(rows, order, tracking).map(|parcel| parcel.has_arrived(now))).await
    }
}
