//! Shipments: the last write of an order wins, written with the consumer's progress.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::shipping::Shipment;
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::shipment_store::ShipmentStore;
use std::sync::Arc;

use super::engine_error;
use crate::shared::Shared;
use crate::table::{Key, Table};
use crate::unit::Unit;

pub(crate) struct Shipments {
    shared: Arc<Shared>,
}

impl Shipments {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

#[async_trait]
impl ShipmentStore for Shipments {
    async fn store(&self, shipments: Vec<Shipment>, progress: Progress) -> Result<()> {
        let mut unit = Unit::default();
        for shipment in &shipments {
            unit.doc(Table::Shipment, 0, &Key::number(shipment.order_id.get()), shipment);
        }
        unit.progress(progress);
        if unit.is_empty() {
            return Ok(());
        }
        self.shared.submit_one(unit).await.map_err(engine_error)
    }

    async fn find(&self, order: OrderId) -> Result<Option<Shipment>> {
        self.shared.check_running()?;
        Ok(self.shared.doc(Table::Shipment, &Key::number(order.get()))?)
    }
}
