//! Money's commands: pay, captured, closed, refunded, and what happens at the payment deadline.
//!
//! What holds: an attempt is written before the provider hears of it; every cancel that finds an open attempt writes
//! its closing; money that arrives for a cancelled order is given back in the very step that books it; refunds never
//! exceed what was captured.

use super::{Draft, Order, Outcome, Refusal, Status, Verdict};
use crate::actor::Cause;
use crate::ids::{AttemptId, RefundId};
use crate::message::Body;
use crate::money::Money;
use crate::payment::{ATTEMPTS_MAX, Attempt, AttemptState, Refund};

#[derive(Clone, Copy, Debug)]
pub struct PaymentLimits {
    /// From placing to the moment when an unpaid order is given up.
    pub unpaid_ms: i64,
    /// How long an unreachable provider may keep an overdue order alive.
    pub closing_ms: i64,
}

impl Default for PaymentLimits {
    fn default() -> Self {
        Self { unpaid_ms: 30 * 60_000, closing_ms: 15 * 60_000 }
    }
}

impl Order {
    /// Accepts the will to pay. The capture waits for the confirmation, and both happen exactly once. A key that was
    /// used for an attempt before never makes another one.
    pub fn pay(&self, key: Option<&str>, cause: &Cause) -> Verdict {
        if key.is_some_and(|key| self.money.knows_key(key)) {
            return Ok(Outcome::Unchanged);
        }
        match self.status {
            Status::Pending | Status::Confirmed => {}
            Status::Cancelled | Status::Returned => {
                return Err(Refusal::IllegalMove { from: self.status, to: Status::Paid });
            }
            _ => return Err(Refusal::AlreadyPaid),
        }
        match self.money.open_attempt().map(|attempt| attempt.state) {
            Some(AttemptState::Closing) => return Err(Refusal::AttemptClosing),
            Some(_) => return Ok(Outcome::Unchanged),
            None => {}
        }
        let number = self.money.attempt.as_ref().map_or(1, |last| last.number + 1);
        if number > ATTEMPTS_MAX {
            return Err(Refusal::TooManyAttempts);
        }
        let mut draft = Draft::of(self, cause);
        let money = &mut draft.order.money;
        money.closed_keys.extend(money.attempt.take().and_then(|last| last.key));
        draft.order.money.attempt = Some(Attempt {
            id: AttemptId::nth(self.id, number),
            number,
            amount: self.total,
            state: AttemptState::Waiting,
            since: cause.at,
            key: key.map(str::to_owned),
        });
        if self.status == Status::Confirmed {
            draft.capture_if_waiting();
        }
        draft.changed()
    }

    /// The provider has taken the money of this attempt.
    pub fn payment_captured(&self, attempt_id: &AttemptId, amount: Money, cause: &Cause) -> Verdict {
        let Some(attempt) = self.money.attempt.as_ref().filter(|attempt| attempt.id == *attempt_id) else {
            return self.captured_after_all(attempt_id, amount, cause);
        };
        if attempt.state == AttemptState::Captured {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::of(self, cause);
        draft.set_attempt(AttemptState::Captured);
        draft.order.money.captured_minor += amount.amount_minor;
        match self.status {
            Status::Confirmed => {
                draft.move_to(Status::Paid, "captured");
                draft.ship_order();
            }
            // Confirmation and capture may overtake each other only if the provider took money unasked; the order
            // cannot be paid before its stock is certain, so the money goes back.
            _ => draft.refund_all(),
        }
        draft.changed()
    }

    /// Money of an attempt that had been closed and followed by another: the provider broke its word. It is booked and
    /// given back at once, whatever the newer attempt does; its refund remembers that this has been done.
    fn captured_after_all(&self, attempt_id: &AttemptId, amount: Money, cause: &Cause) -> Verdict {
        let given_back = self.money.refunds.iter().any(|refund| refund.attempt_id == *attempt_id);
        if given_back || !self.has_earlier_attempt(attempt_id) {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::of(self, cause);
        draft.order.money.captured_minor += amount.amount_minor;
        draft.refund(attempt_id.clone(), amount);
        draft.changed()
    }

    /// Whether this is an attempt of this order that another one has followed.
    pub fn has_earlier_attempt(&self, attempt_id: &AttemptId) -> bool {
        let last = self.money.attempt.as_ref().map_or(0, |attempt| attempt.number);
        (1..last).any(|number| AttemptId::nth(self.id, number) == *attempt_id)
    }

    /// The provider has promised that this attempt will never take money.
    pub fn payment_closed(&self, attempt_id: &AttemptId, cause: &Cause) -> Verdict {
        let Some(attempt) = self.money.open_attempt().filter(|attempt| attempt.id == *attempt_id) else {
            return Ok(Outcome::Unchanged);
        };
        // Only a deadline closes an attempt of an order that still awaits payment; a declined one is `Capturing`.
        let expired = attempt.state == AttemptState::Closing && self.status.awaits_payment();
        let mut draft = Draft::of(self, cause);
        draft.set_attempt(AttemptState::Closed);
        if expired {
            draft.expire();
        }
        draft.changed()
    }

    pub fn refund_settled(&self, refund_id: &RefundId, cause: &Cause) -> Verdict {
        let open = |refund: &&Refund| refund.id == *refund_id && refund.settled_at.is_none();
        if self.money.refunds.iter().find(open).is_none() {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::of(self, cause);
        for refund in draft.order.money.refunds.iter_mut().filter(|refund| refund.id == *refund_id) {
            refund.settled_at = Some(cause.at);
        }
        draft.changed()
    }

    /// What the payment deadline asks for, if it has passed.
    pub fn payment_overdue(&self, limits: PaymentLimits, cause: &Cause) -> Verdict {
        let overdue = cause.at.millis_since(self.created_at) >= limits.unpaid_ms;
        if !self.status.awaits_payment() || !overdue {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::of(self, cause);
        match self.money.open_attempt() {
            None => draft.expire(),
            // The provider never heard of it, so nothing can be taken any more.
            Some(attempt) if attempt.state == AttemptState::Waiting => draft.expire(),
            Some(attempt) if attempt.state == AttemptState::Closing => {
                if cause.at.millis_since(attempt.since) < limits.closing_ms {
                    return Ok(Outcome::Unchanged);
                }
                draft.expire();
            }
            Some(_) => draft.close_open_attempt(),
        }
        draft.changed()
    }
}

impl Draft<'_> {
    fn expire(&mut self) {
        self.cancel(super::CancelReason::Timeout);
    }

    fn set_attempt(&mut self, state: AttemptState) {
        if let Some(attempt) = &mut self.order.money.attempt {
            attempt.state = state;
            attempt.since = self.cause.at;
        }
    }

    pub(super) fn close_open_attempt(&mut self) {
        let Some(attempt) = self.order.money.open_attempt() else { return };
        if attempt.state == AttemptState::Closing {
            return;
        }
        let body = Body::ClosePayment { attempt_id: attempt.id.clone(), amount: attempt.amount };
        self.set_attempt(AttemptState::Closing);
        self.send(body);
    }

    /// Gives back whatever was captured and not yet given back.
    pub(super) fn refund_all(&mut self) {
        let money = &self.order.money;
        let left = money.captured_minor - money.refund_requested_minor();
        let Some(attempt) = money.attempt.as_ref().filter(|_| left > 0) else { return };
        self.refund(attempt.id.clone(), Money::new(left, self.order.total.currency));
    }

    fn refund(&mut self, attempt_id: AttemptId, amount: Money) {
        let id = RefundId::nth(self.order.id, self.order.money.refunds.len() + 1);
        self.order.money.refunds.push(Refund {
            id: id.clone(),
            attempt_id: attempt_id.clone(),
            amount,
            requested_at: self.cause.at,
            settled_at: None,
        });
        self.send(Body::RefundPayment { refund_id: id, attempt_id, amount });
    }
}
