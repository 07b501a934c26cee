//! Deliveries: asks the carrier which shipped parcels have arrived.

use doos_domain::actor::Cause;
use doos_domain::ids::OrderId;
use doos_domain::order::Status;
use doos_domain::time::Timestamp;

use crate::{App, Error, Result};

const PAGE: usize = 200;

impl App {
    /// One pass over shipped orders, oldest first, from `after`; returns where to go on, or `None` at the end.
    pub async fn sweep_deliveries(&self, now: Timestamp, after: Option<OrderId>) -> Result<Option<OrderId>> {
        let shipped = self.ports.orders.oldest(&[Status::Shipped], now, after, PAGE).await?;
        for order in &shipped {
            let tracking = order.tracking.as_deref().unwrap_or_default();
            // An unclear answer is simply asked again on the next pass.
            if !matches!(self.with_deadline(self.ports.carrier.is_delivered(order.id, tracking)).await, Ok(true)) {
                continue;
            }
            let cause = Cause::system("shipping", now);
            match self.change_order(order.id, |_| Ok(()), |order| order.deliver(&cause), |_| None).await {
                Ok(_) | Err(Error::IllegalMove(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((shipped.len() == PAGE).then(|| shipped.last().map(|order| order.id)).flatten())
    }
}
