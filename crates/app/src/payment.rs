//! What the payment provider tells us by itself: a verified callback, booked once.
//!
//! What holds: the gateway has checked the signature; here order, attempt, amount and currency must all agree with what
//! we asked for. A callback is answered only after its booking is durable, so the provider repeats it until then.

use doos_domain::ids::{AttemptId, OrderId, RefundId};
use doos_domain::message::{Body, Message};
use doos_domain::money::Money;
use doos_domain::order::Order;
use doos_domain::payment::{MoneyEntry, MoneyKind};
use doos_ports::outside::OutsideError;
use doos_ports::payment_book::Booking;
use futures::future::{Either, select};
use std::pin::pin;
use std::time::Duration;

use crate::{App, Error, Result};

#[derive(Clone, Debug)]
pub struct Callback {
    pub order_id: OrderId,
    pub attempt_id: AttemptId,
    pub amount: Money,
    pub event: CallbackEvent,
    pub provider_reference: String,
    /// The `traceparent` of the call that brought it.
    pub trace: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackEvent {
    Captured,
    Closed,
    Refunded { refund_id: RefundId },
}

impl App {
    /// Books what the provider says. Returns whether it was news.
    pub async fn payment_callback(&self, callback: Callback) -> Result<bool> {
        let order = self.ports.orders.load(callback.order_id).await?;
        let order = order.ok_or(Error::CallbackRejected("there is no such order"))?;
        let booking = match &callback.event {
            CallbackEvent::Refunded { refund_id } => self.refund_booking(&order, &callback, refund_id)?,
            CallbackEvent::Captured | CallbackEvent::Closed => self.attempt_booking(&order, &callback)?,
        };
        let new = self.ports.payments.record(vec![booking], None).await?;
        Ok(new > 0)
    }

    fn attempt_booking(&self, order: &Order, callback: &Callback) -> Result<Booking> {
        let (attempt_id, amount) = (callback.attempt_id.clone(), callback.amount);
        let asked = match order.money.attempt.as_ref().filter(|attempt| attempt.id == attempt_id) {
            Some(attempt) => attempt.amount,
            // Every attempt asks for the whole price. A late word about an earlier one is booked as well.
            None if order.has_earlier_attempt(&attempt_id) => order.total,
            None => return Err(Error::CallbackRejected("the order has no such attempt")),
        };
        if asked != amount {
            return Err(Error::CallbackRejected("the amount is not the one asked for"));
        }
        let (kind, body) = if callback.event == CallbackEvent::Captured {
            (MoneyKind::Captured, Body::PaymentCaptured { attempt_id, amount })
        } else {
            (MoneyKind::Closed, Body::PaymentClosed { attempt_id, cause: "closed by the provider".to_owned() })
        };
        Ok(self.booking(order, callback.attempt_id.as_str(), kind, callback, body))
    }

    fn refund_booking(&self, order: &Order, callback: &Callback, refund_id: &RefundId) -> Result<Booking> {
        let refund = order.money.refunds.iter().find(|refund| refund.id == *refund_id);
        let refund = refund.ok_or(Error::CallbackRejected("the order has no such refund"))?;
        if refund.amount != callback.amount || refund.attempt_id != callback.attempt_id {
            return Err(Error::CallbackRejected("the refund is not the one asked for"));
        }
        let body = Body::RefundSettled { refund_id: refund.id.clone() };
        Ok(self.booking(order, refund.id.as_str(), MoneyKind::Refunded, callback, body))
    }

    fn booking(&self, order: &Order, reference: &str, kind: MoneyKind, callback: &Callback, body: Body) -> Booking {
        let at = self.ports.clock.now();
        let entry = MoneyEntry {
            reference: reference.to_owned(),
            kind,
            order_id: order.id,
            amount: callback.amount,
            at,
            provider_reference: callback.provider_reference.clone(),
        };
        let mut tell = Message::about(order, reference, at, body);
        tell.trace.clone_from(&callback.trace);
        Booking { entry, tell: Some(tell) }
    }

    /// A call to the world outside, cut off at the deadline: too late is unclear, never failed.
    pub(crate) async fn with_deadline<T>(
        &self,
        call: impl Future<Output = Result<T, OutsideError>> + Send,
    ) -> Result<T, OutsideError> {
        let deadline = Duration::from_millis(self.options.outside_deadline_ms);
        match select(pin!(call), self.ports.clock.sleep(deadline)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(OutsideError::Unclear("no answer before the deadline".to_owned())),
        }
    }
}
