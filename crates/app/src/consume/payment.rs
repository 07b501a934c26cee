//! The payment context: takes, closes and gives back money at the provider, and books it once.
//!
//! What holds: the order's present state is looked at before money is asked for; every call has a deadline and passes
//! the breaker; an unclear outcome is asked again, never assumed; a movement is booked once by its reference, and the
//! order is told in the same unit.

use async_trait::async_trait;
use doos_domain::ids::AttemptId;
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::money::Money;
use doos_domain::payment::{AttemptState, MoneyEntry, MoneyKind};
use doos_domain::time::Timestamp;
use doos_ports::inbox::Progress;
use doos_ports::order_store::CommitError;
use doos_ports::outside::{AttemptAnswer, Charge, OutsideError};
use doos_ports::payment_book::Booking;
use futures::StreamExt;
use std::sync::Arc;

use super::{Decided, Handler, Task, Verdict};
use crate::App;
use crate::breaker::Breaker;

#[derive(Clone)]
pub struct PaymentHandler {
    app: Arc<App>,
    breaker: Arc<Breaker>,
}

impl PaymentHandler {
    pub fn new(app: Arc<App>) -> Self {
        Self { app, breaker: Arc::default() }
    }
}

type Settled = (Verdict, Option<Booking>);

#[async_trait]
impl Handler for PaymentHandler {
    type Effects = Vec<Booking>;

    fn consumer(&self) -> Consumer {
        Consumer::Payment
    }

    async fn decide(&mut self, tasks: &[Task], now: Timestamp) -> doos_ports::Result<Decided<Vec<Booking>>> {
        let desk = Desk { app: &self.app, breaker: &self.breaker, now };
        let calls = tasks.iter().map(|task| desk.settle(&task.message)).collect::<Vec<_>>();
        let settled: Vec<doos_ports::Result<Settled>> =
            futures::stream::iter(calls).buffered(self.app.options.payment_calls_max).collect().await;
        let mut verdicts = Vec::with_capacity(tasks.len());
        let mut bookings = Vec::new();
        for result in settled {
            let (verdict, booking) = result?;
            verdicts.push(verdict);
            bookings.extend(booking);
        }
        Ok(Decided { verdicts, effects: bookings, outgoing: Vec::new() })
    }

    async fn commit(&mut self, bookings: Vec<Booking>, progress: Progress) -> Result<(), CommitError> {
        self.app.ports.payments.record(bookings, Some(progress)).await?;
        Ok(())
    }
}

/// One group's dealings with the provider.
struct Desk<'a> {
    app: &'a App,
    breaker: &'a Breaker,
    now: Timestamp,
}

impl Desk<'_> {
    async fn settle(&self, message: &Message) -> doos_ports::Result<Settled> {
        match &message.body {
            Body::CapturePayment { attempt_id, amount } => self.capture(message, attempt_id, *amount).await,
            Body::ClosePayment { attempt_id, amount } => self.close(message, attempt_id, *amount).await,
            Body::RefundPayment { refund_id, attempt_id, amount } => {
                if self.is_booked(refund_id.as_str(), MoneyKind::Refunded).await? {
                    return Ok((Verdict::Done, None));
                }
                let charge = charge(message, attempt_id, *amount);
                match self.call(self.app.ports.provider.refund(refund_id, &charge)).await {
                    Ok(reference) => {
                        let body = Body::RefundSettled { refund_id: refund_id.clone() };
                        let told = message.reply(self.now, body);
                        Ok(self.book(refund_id.as_str(), MoneyKind::Refunded, &charge, reference, told))
                    }
                    Err(OutsideError::Unclear(cause)) => Ok((Verdict::Later(cause), None)),
                    Err(OutsideError::Refused(cause)) => Ok((Verdict::Failed(cause), None)),
                }
            }
            other => Ok((Verdict::Failed(format!("payment does not know {}", other.event())), None)),
        }
    }

    /// Money is asked for only while the order still wants to pay: a close that stands behind this message has the
    /// last word.
    async fn capture(&self, message: &Message, attempt: &AttemptId, amount: Money) -> doos_ports::Result<Settled> {
        let order = self.app.ports.orders.load(message.order_id).await?;
        let wanted = order.and_then(|order| order.money.attempt.clone());
        let wanted = wanted.is_some_and(|wanted| wanted.id == *attempt && wanted.state == AttemptState::Capturing);
        if !wanted || self.is_settled(attempt).await? {
            return Ok((Verdict::Done, None));
        }
        let charge = charge(message, attempt, amount);
        let answer = self.call(self.app.ports.provider.capture(&charge)).await;
        Ok(self.conclude(message, &charge, answer))
    }

    async fn close(&self, message: &Message, attempt: &AttemptId, amount: Money) -> doos_ports::Result<Settled> {
        if self.is_settled(attempt).await? {
            return Ok((Verdict::Done, None));
        }
        let charge = charge(message, attempt, amount);
        let answer = self.call(self.app.ports.provider.close(&charge)).await;
        Ok(self.conclude(message, &charge, answer))
    }

    fn conclude(&self, message: &Message, charge: &Charge, answer: Result<AttemptAnswer, OutsideError>) -> Settled {
        let (attempt_id, amount) = (charge.attempt_id.clone(), charge.amount);
        match answer {
            Ok(AttemptAnswer::Captured { provider_reference }) => {
                let told = message.reply(self.now, Body::PaymentCaptured { attempt_id, amount });
                self.book(charge.attempt_id.as_str(), MoneyKind::Captured, charge, provider_reference, told)
            }
            Ok(AttemptAnswer::Closed { cause }) | Err(OutsideError::Refused(cause)) => {
                let told = message.reply(self.now, Body::PaymentClosed { attempt_id, cause });
                self.book(charge.attempt_id.as_str(), MoneyKind::Closed, charge, String::new(), told)
            }
            Ok(AttemptAnswer::Open) => (Verdict::Later("the provider is still working on it".to_owned()), None),
            Err(OutsideError::Unclear(cause)) => (Verdict::Later(cause), None),
        }
    }

    fn book(&self, reference: &str, kind: MoneyKind, charge: &Charge, theirs: String, told: Message) -> Settled {
        let entry = MoneyEntry {
            reference: reference.to_owned(),
            kind,
            order_id: charge.order_id,
            amount: charge.amount,
            at: self.now,
            provider_reference: theirs,
        };
        (Verdict::Done, Some(Booking { entry, tell: Some(told) }))
    }

    async fn is_settled(&self, attempt: &AttemptId) -> doos_ports::Result<bool> {
        let captured = self.is_booked(attempt.as_str(), MoneyKind::Captured).await?;
        Ok(captured || self.is_booked(attempt.as_str(), MoneyKind::Closed).await?)
    }

    async fn is_booked(&self, reference: &str, kind: MoneyKind) -> doos_ports::Result<bool> {
        Ok(self.app.ports.payments.find(reference, kind).await?.is_some())
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, OutsideError>> + Send) -> Result<T, OutsideError> {
        let clock = &*self.app.ports.clock;
        if !self.breaker.admits(clock.now()) {
            return Err(OutsideError::Unclear("the payment provider is given a pause".to_owned()));
        }
        let answer = self.app.with_deadline(call).await;
        self.breaker.note(!matches!(answer, Err(OutsideError::Unclear(_))), clock.now());
        answer
    }
}

fn charge(message: &Message, attempt_id: &AttemptId, amount: Money) -> Charge {
    Charge { attempt_id: attempt_id.clone(), order_id: message.order_id, amount }
}
