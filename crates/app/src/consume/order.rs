//! The order context hears what others did and moves its orders: one change each, the group as one unit.

use async_trait::async_trait;
use doos_domain::actor::Cause;
use doos_domain::message::{Body, Consumer};
use doos_domain::order::{Order, Outcome};
use doos_domain::time::Timestamp;
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError};
use futures::future::try_join_all;
use std::sync::Arc;

use super::{Decided, Handler, Task, Verdict};
use crate::App;

#[derive(Clone)]
pub struct OrderHandler {
    app: Arc<App>,
}

impl OrderHandler {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[async_trait]
impl Handler for OrderHandler {
    type Effects = Vec<Change>;

    fn consumer(&self) -> Consumer {
        Consumer::Order
    }

    async fn decide(&mut self, tasks: &[Task], now: Timestamp) -> doos_ports::Result<Decided<Vec<Change>>> {
        let mut verdicts = Vec::with_capacity(tasks.len());
        let mut changes = Vec::with_capacity(tasks.len());
        // At once, so that an engine at the other end of a network reads them together.
        let loads = tasks.iter().map(|task| self.app.ports.orders.load(task.message.order_id));
        for (task, order) in tasks.iter().zip(try_join_all(loads).await?) {
            let Some(order) = order else {
                verdicts.push(Verdict::Failed(format!("order {} does not exist", task.message.order_id)));
                continue;
            };
            let cause = Cause::system(source_of(&task.message.body), now).traced(task.message.trace.clone());
            match apply(&order, &task.message.body, &cause) {
                Ok(Outcome::Unchanged) => verdicts.push(Verdict::Done),
                Ok(Outcome::Changed(step)) => {
                    verdicts.push(Verdict::Done);
                    changes.push(Change {
                        expected_version: order.version,
                        order: Arc::new(step.order),
                        messages: step.messages,
                        gate_epoch: None,
                        answer: None,
                    });
                }
                Err(refused) => verdicts.push(Verdict::Failed(refused)),
            }
        }
        Ok(Decided { verdicts, effects: changes, outgoing: Vec::new() })
    }

    async fn commit(&mut self, changes: Vec<Change>, progress: Progress) -> Result<(), CommitError> {
        let counted: Vec<_> = changes.iter().map(|change| Arc::clone(&change.order)).collect();
        self.app.ports.orders.consume(changes, progress).await?;
        self.app.watchers.wake(counted.iter().map(|order| order.id));
        for order in counted {
            count(&self.app, &order);
        }
        Ok(())
    }
}

fn apply(order: &Order, body: &Body, cause: &Cause) -> Result<Outcome, String> {
    let verdict = match body {
        Body::StockDecided { decision } => order.stock_decided(*decision, cause),
        Body::PaymentCaptured { attempt_id, amount } => order.payment_captured(attempt_id, *amount, cause),
        Body::PaymentClosed { attempt_id, .. } => order.payment_closed(attempt_id, cause),
        Body::RefundSettled { refund_id } => order.refund_settled(refund_id, cause),
        Body::ShipmentShipped { tracking, retried } => order.carrier_took_it(tracking, *retried, cause),
        Body::ShipmentFailed { cause: why } => order.shipping_failed(why, cause),
        Body::ShipmentDelivered {} => order.deliver(cause),
        other => return Err(format!("the order context does not know {}", other.event())),
    };
    verdict.map_err(|refusal| refusal.to_string())
}

/// The context that spoke, as the histories name it.
const fn source_of(body: &Body) -> &'static str {
    match body {
        Body::StockDecided { .. } => "inventory",
        Body::PaymentCaptured { .. } | Body::PaymentClosed { .. } | Body::RefundSettled { .. } => "payment",
        _ => "shipping",
    }
}

fn count(app: &App, order: &Order) {
    use doos_domain::order::Status;
    let Some(last) = order.history.last().filter(|last| last.version == order.version) else { return };
    match last.to {
        Status::Shipped if last.reason == "shipped_on_retry" => app.counters.shipped_on_retry.add(1),
        Status::Shipped => app.counters.shipped_at_once.add(1),
        Status::Cancelled => app.counters.orders_cancelled.add(1),
        _ => {}
    }
}
