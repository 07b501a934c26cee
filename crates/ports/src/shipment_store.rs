//! The shipping context's own rows, written in groups with the consumer's progress.
//!
//! Contract: `store` writes the rows (the last write of an order wins; only shipping writes them) and the progress,
//! outgoing messages included, as one unit.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::shipping::Shipment;

use crate::Result;
use crate::inbox::Progress;

#[async_trait]
pub trait ShipmentStore: Send + Sync {
    async fn store(&self, shipments: Vec<Shipment>, progress: Progress) -> Result<()>;

    async fn find(&self, order: OrderId) -> Result<Option<Shipment>>;
}
