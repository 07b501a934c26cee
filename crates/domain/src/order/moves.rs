//! The commands that move an order: stock decided, cancel, ship, deliver, return.
//!
//! Each takes the order as it is and the circumstances, and says what comes next. Money's commands are in `settle.rs`.

use super::{CancelReason, Draft, Order, Outcome, Refusal, Status, Verdict};
use crate::actor::{Actor, Cause};
use crate::ids::ReturnId;
use crate::message::Body;
use crate::payment::AttemptState;
use crate::shipping::Parcel;
use crate::stock::Decision;

impl Order {
    /// Inventory has decided. A confirm that meets a cancelled order does nothing: the cancel's release follows.
    pub fn stock_decided(&self, decision: Decision, cause: &Cause) -> Verdict {
        if self.status != Status::Pending {
            return Ok(Outcome::Unchanged);
        }
        match decision {
            Decision::Deducted => self.confirm(cause),
            Decision::Short => {
                let mut draft = Draft::of(self, cause);
                draft.cancel(CancelReason::OutOfStock);
                draft.changed()
            }
            // A void is written for orders that do not exist or are cancelled; should one meet a pending order after
            // all, no stock will ever come, so the order ends.
            Decision::Void => {
                let mut draft = Draft::of(self, cause);
                draft.cancel(CancelReason::Timeout);
                draft.changed()
            }
        }
    }

    fn confirm(&self, cause: &Cause) -> Verdict {
        let mut draft = Draft::of(self, cause);
        draft.move_to(Status::Confirmed, "stock_deducted");
        draft.capture_if_waiting();
        draft.changed()
    }

    /// Cancels for a customer, an operator or a deadline; the reason follows from the actor.
    pub fn cancel(&self, cause: &Cause) -> Verdict {
        let reason = match cause.actor {
            Actor::Customer(_) => CancelReason::User,
            Actor::Operator(_) | Actor::Service(_) => CancelReason::Operator,
            Actor::System(_) => CancelReason::Timeout,
        };
        match self.status {
            Status::Cancelled => Ok(Outcome::Unchanged),
            from @ (Status::Delivered | Status::Returned) => Err(Refusal::IllegalMove { from, to: Status::Cancelled }),
            from @ Status::Shipped if !matches!(cause.actor, Actor::Operator(_)) => Err(Refusal::OperatorOnly { from }),
            _ => {
                let mut draft = Draft::of(self, cause);
                draft.cancel(reason);
                draft.changed()
            }
        }
    }

    pub fn ship(&self, tracking: &str, reason: &str, cause: &Cause) -> Verdict {
        match self.status {
            Status::Paid | Status::ShipFailed => {
                let mut draft = Draft::of(self, cause);
                draft.order.tracking = Some(tracking.to_owned());
                draft.order.goods_out = true;
                draft.move_to(Status::Shipped, reason);
                draft.changed()
            }
            Status::Shipped | Status::Delivered | Status::Returned => Ok(Outcome::Unchanged),
            from => Err(Refusal::IllegalMove { from, to: Status::Shipped }),
        }
    }

    /// The carrier took the parcel. If the order was cancelled meanwhile, or shipped in another way, this parcel is
    /// called back.
    pub fn carrier_took_it(&self, tracking: &str, retried: bool, cause: &Cause) -> Verdict {
        if matches!(self.status, Status::Paid | Status::ShipFailed) {
            return self.ship(tracking, if retried { "shipped_on_retry" } else { "shipped" }, cause);
        }
        let known = self.tracking.iter().chain(&self.recalled).any(|known| known == tracking);
        if known || self.status.awaits_payment() {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::of(self, cause);
        draft.recall(tracking.to_owned());
        draft.changed()
    }

    pub fn shipping_failed(&self, why: &str, cause: &Cause) -> Verdict {
        if self.status != Status::Paid {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::of(self, cause);
        draft.move_to(Status::ShipFailed, why);
        draft.changed()
    }

    pub fn deliver(&self, cause: &Cause) -> Verdict {
        match self.status {
            Status::Shipped => {
                let mut draft = Draft::of(self, cause);
                draft.order.goods_out = false;
                draft.move_to(Status::Delivered, "delivered");
                draft.changed()
            }
            Status::Delivered => Ok(Outcome::Unchanged),
            from => Err(Refusal::IllegalMove { from, to: Status::Delivered }),
        }
    }

    /// The goods are back: a delivered order becomes returned, a recalled one only gives its stock back. That a recalled
    /// parcel has arrived is the shop's word, not the customer's. The window binds customers; the shop may be generous.
    pub fn take_back(&self, return_window_ms: i64, cause: &Cause) -> Verdict {
        match self.status {
            Status::Delivered
                if matches!(cause.actor, Actor::Customer(_)) && !self.is_returnable(return_window_ms, cause.at) =>
            {
                Err(Refusal::ReturnWindowOver)
            }
            Status::Delivered => {
                let mut draft = Draft::of(self, cause);
                draft.move_to(Status::Returned, "returned");
                draft.refund_all();
                draft.return_stock();
                draft.changed()
            }
            from @ Status::Cancelled if self.goods_out && matches!(cause.actor, Actor::Customer(_)) => {
                Err(Refusal::OperatorOnly { from })
            }
            Status::Cancelled if self.goods_out => {
                let mut draft = Draft::of(self, cause);
                draft.order.goods_out = false;
                draft.return_stock();
                draft.changed()
            }
            Status::Returned => Ok(Outcome::Unchanged),
            from => Err(Refusal::IllegalMove { from, to: Status::Returned }),
        }
    }
}

impl Draft<'_> {
    /// One way out for every cancel: goods that are out are called back, else stock is asked back unless inventory said
    /// there was none; an open attempt is closed, captured money goes back.
    pub(super) fn cancel(&mut self, reason: CancelReason) {
        self.order.cancel_reason = Some(reason);
        self.move_to(Status::Cancelled, reason.name());
        self.close_open_attempt();
        self.refund_all();
        if self.order.goods_out {
            self.recall(self.order.tracking.clone().unwrap_or_default());
        } else if reason != CancelReason::OutOfStock {
            let lines = self.order.demands();
            self.send(Body::ReleaseStock { lines });
        }
    }

    fn recall(&mut self, tracking: String) {
        self.order.recalled.push(tracking.clone());
        self.send(Body::RecallShipment { tracking });
    }

    fn return_stock(&mut self) {
        let lines = self.order.demands();
        let return_id = ReturnId::of(self.order.id);
        self.send(Body::ReturnStock { return_id, lines });
    }

    pub(super) fn capture_if_waiting(&mut self) {
        let Some(attempt) = &mut self.order.money.attempt else { return };
        if attempt.state == AttemptState::Waiting {
            attempt.state = AttemptState::Capturing;
            let body = Body::CapturePayment { attempt_id: attempt.id.clone(), amount: attempt.amount };
            self.send(body);
        }
    }

    /// Asks shipping to send the parcel; used when the money has come.
    pub(super) fn ship_order(&mut self) {
        let parcel = Parcel { lines: self.order.demands(), address: self.order.address.clone() };
        self.send(Body::ShipOrder { parcel });
    }
}
