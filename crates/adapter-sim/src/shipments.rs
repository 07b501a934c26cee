//! The shipping context's database.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::shipping::Shipment;
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::shipment_store::ShipmentStore;
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

pub struct SimShipmentStore {
    world: Arc<World>,
}

impl SimShipmentStore {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

#[async_trait]
impl ShipmentStore for SimShipmentStore {
    async fn store(&self, shipments: Vec<Shipment>, progress: Progress) -> Result<()> {
        let effect = |durable: &mut Durable| {
            durable.shipments.extend(shipments.into_iter().map(|shipment| (shipment.order_id, shipment)));
            durable.settle(Part::Shipping, progress);
        };
        self.world.write(Part::Shipping, effect).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Shipment>> {
        self.world.read(Part::Shipping, |durable| durable.shipments.get(&order).cloned()).await
    }
}
