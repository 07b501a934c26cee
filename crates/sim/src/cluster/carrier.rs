//! The simulated carrier with a shorter way to the customer's door, so that an order's whole life fits into a run.

use async_trait::async_trait;
use doos_adapter_sim::SimEngines;
use doos_domain::ids::OrderId;
use doos_domain::shipping::Parcel;
use doos_ports::outside::{Carrier, OutsideError};
use std::sync::Arc;

use crate::executor::Executor;
use crate::scenario::DELIVERY_MS;

pub struct QuickCarrier {
    pub engines: SimEngines,
    pub executor: Arc<Executor>,
}

#[async_trait]
impl Carrier for QuickCarrier {
    async fn ship(&self, order: OrderId, parcel: &Parcel) -> Result<String, OutsideError> {
        self.engines.carrier.ship(order, parcel).await
    }

    async fn recall(&self, order: OrderId, tracking: &str) -> Result<(), OutsideError> {
        self.engines.carrier.recall(order, tracking).await
    }

    async fn is_delivered(&self, order: OrderId, tracking: &str) -> Result<bool, OutsideError> {
        // Asked first for its faults and refusals; its own answer would take an hour to become true.
        self.engines.carrier.is_delivered(order, tracking).await?;
        let now = self.executor.runtime().now();
        Ok(self.engines.look(|durable| {
            let parcel = durable.carrier.parcels.get(&order);
            parcel.is_some_and(|parcel| !parcel.recalled && now.millis_since(parcel.at) >= DELIVERY_MS)
        }))
    }
}
