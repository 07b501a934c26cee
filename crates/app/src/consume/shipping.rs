//! The shipping context: hands paid orders to the carrier, a few at a time, and never gives up on one.
//!
//! What holds: at most `carrier_calls_max` calls at once; the carrier's key is the order id, so asking twice ships
//! once; the first failure is told to the order, every further one is only tried again.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::order::Status;
use doos_domain::shipping::{Parcel, Shipment};
use doos_domain::time::Timestamp;
use doos_ports::inbox::Progress;
use doos_ports::order_store::CommitError;
use doos_ports::outside::OutsideError;
use futures::StreamExt;
use std::sync::Arc;

use super::{Decided, Handler, Task, Verdict};
use crate::App;

#[derive(Clone)]
pub struct ShippingHandler {
    app: Arc<App>,
}

impl ShippingHandler {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[derive(Default)]
struct Handled {
    shipment: Option<Shipment>,
    told: Option<Message>,
}

#[async_trait]
impl Handler for ShippingHandler {
    type Effects = Vec<Shipment>;

    fn consumer(&self) -> Consumer {
        Consumer::Shipping
    }

    async fn decide(&mut self, tasks: &[Task], now: Timestamp) -> doos_ports::Result<Decided<Vec<Shipment>>> {
        let calls = tasks.iter().map(|task| handle(&self.app, task, now)).collect::<Vec<_>>();
        let handled: Vec<doos_ports::Result<(Verdict, Handled)>> =
            futures::stream::iter(calls).buffered(self.app.options.carrier_calls_max).collect().await;
        let mut decided = Decided { verdicts: Vec::new(), effects: Vec::new(), outgoing: Vec::new() };
        for result in handled {
            let (verdict, handled) = result?;
            decided.verdicts.push(verdict);
            decided.effects.extend(handled.shipment);
            decided.outgoing.extend(handled.told);
        }
        Ok(decided)
    }

    async fn commit(&mut self, shipments: Vec<Shipment>, progress: Progress) -> Result<(), CommitError> {
        self.app.ports.shipments.store(shipments, progress).await?;
        Ok(())
    }
}

async fn handle(app: &App, task: &Task, now: Timestamp) -> doos_ports::Result<(Verdict, Handled)> {
    match &task.message.body {
        Body::ShipOrder { parcel } => ship(app, task, parcel, now).await,
        Body::RecallShipment { tracking } => {
            Ok((recall(app, task.message.order_id, tracking).await, Handled::default()))
        }
        other => Ok((Verdict::Failed(format!("shipping does not know {}", other.event())), Handled::default())),
    }
}

async fn ship(app: &App, task: &Task, parcel: &Parcel, now: Timestamp) -> doos_ports::Result<(Verdict, Handled)> {
    let message = &task.message;
    let order = app.ports.orders.load(message.order_id).await?;
    let wanted = order.is_some_and(|order| matches!(order.status, Status::Paid | Status::ShipFailed));
    if !wanted {
        // An earlier try may have handed the parcel over all the same: its outcome was unclear, or was lost with the
        // process. A parcel that was booked is the order's own, and the order has been told of it.
        let booked = app.ports.shipments.find(message.order_id).await?.is_some();
        let verdict = if booked { Verdict::Done } else { recall(app, message.order_id, "").await };
        return Ok((verdict, Handled::default()));
    }
    match app.with_deadline(app.ports.carrier.ship(message.order_id, parcel)).await {
        Ok(tracking) => {
            let told =
                message.reply(now, Body::ShipmentShipped { tracking: tracking.clone(), retried: task.tries > 0 });
            let shipment = Shipment {
                order_id: message.order_id,
                tracking,
                tries: task.tries + 1,
                shipped_at: now,
                delivered_at: None,
            };
            Ok((Verdict::Done, Handled { shipment: Some(shipment), told: Some(told) }))
        }
        Err(OutsideError::Unclear(cause) | OutsideError::Refused(cause)) => {
            let told = (task.tries == 0).then(|| message.reply(now, Body::ShipmentFailed { cause: cause.clone() }));
            Ok((Verdict::Retry(cause), Handled { shipment: None, told }))
        }
    }
}

/// Calls a parcel back. A carrier that refuses has nothing on its way, so there is nothing left to do.
async fn recall(app: &App, order: OrderId, tracking: &str) -> Verdict {
    match app.with_deadline(app.ports.carrier.recall(order, tracking)).await {
        Ok(()) => {
            app.counters.carrier_recalls.add(1);
            Verdict::Done
        }
        Err(OutsideError::Refused(_)) => Verdict::Done,
        Err(OutsideError::Unclear(cause)) => Verdict::Retry(cause),
    }
}
