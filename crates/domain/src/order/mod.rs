//! An order: one row, one version, one history, and the moves it may make.
//!
//! What holds: an order moves only along the graph in [`Status::may_become`]; each move is recorded with time, actor
//! and reason; every change counts the version up by one, and the messages it causes carry that version. A move that
//! has nothing left to do is [`Outcome::Unchanged`], never an error, so that repeats are harmless.
//!
//! Where to read next: `status.rs` for the graph, `moves.rs` for what each command does, `settle.rs` for money,
//! `closed.rs` for when it is over.

mod closed;
mod moves;
mod settle;
mod status;

pub use closed::StillOpen;
pub use settle::PaymentLimits;
pub use status::{CancelReason, Status};

use serde::{Deserialize, Serialize};

use crate::actor::{Actor, Cause};
use crate::ids::{OrderId, UserId};
use crate::message::{Body, Message};
use crate::payment::OrderMoney;
use crate::pricing::{Line, Quote};
use crate::time::Timestamp;

pub const ADDRESS_CHARS_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: OrderId,
    pub user_id: UserId,
    pub version: u32,
    pub status: Status,
    pub lines: Vec<Line>,
    pub total: crate::money::Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<CancelReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    /// The parcel has left and is not back: its pieces are not on the shelf, whatever the status says.
    #[serde(default)]
    pub goods_out: bool,
    /// The parcels that were called back (sent by hand and by the carrier), so that none is called back again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recalled: Vec<String>,
    #[serde(default)]
    pub money: OrderMoney,
    pub history: Vec<Move>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Status>,
    pub to: Status,
    pub at: Timestamp,
    pub actor: Actor,
    pub reason: String,
    pub version: u32,
}

/// The next version of an order with the messages to be committed beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub order: Order,
    pub messages: Vec<Message>,
}

/// What a command did: a step to store, or nothing, because it was done before or no longer matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Changed(Box<Step>),
    Unchanged,
}

#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    #[error("an order that is {from} cannot be {to}")]
    IllegalMove { from: Status, to: Status },
    #[error("only an operator may do this with an order that is {from}")]
    OperatorOnly { from: Status },
    #[error("the order is paid already")]
    AlreadyPaid,
    #[error("the last attempt to pay is being closed; try again in a moment")]
    AttemptClosing,
    #[error("too many attempts to pay were declined; place a new order")]
    TooManyAttempts,
    #[error("the time in which it could be returned is over; ask the shop")]
    ReturnWindowOver,
}

pub type Verdict = Result<Outcome, Refusal>;

impl Order {
    /// A new order and the message that asks inventory for its stock.
    pub fn place(id: OrderId, user_id: UserId, quote: Quote, address: Option<String>, cause: &Cause) -> Step {
        let demands = quote.demands();
        let order = Self {
            id,
            user_id,
            version: 0,
            status: Status::Pending,
            lines: quote.lines,
            total: quote.total,
            address,
            cancel_reason: None,
            tracking: None,
            goods_out: false,
            recalled: Vec::new(),
            money: OrderMoney::default(),
            history: Vec::new(),
            created_at: cause.at,
            updated_at: cause.at,
        };
        let mut draft = Draft::of(&order, cause);
        draft.record(None, Status::Pending, "placed");
        draft.send(Body::DeductStock { lines: demands });
        draft.finish()
    }

    pub fn demands(&self) -> Vec<crate::message::Demand> {
        let demand = |line: &Line| crate::message::Demand { product_id: line.product_id, qty: line.quantity };
        self.lines.iter().map(demand).collect()
    }
}

/// The next version while it is being made: every command works on one of these, so that version, time, history and
/// messages can never disagree.
struct Draft<'a> {
    order: Order,
    cause: &'a Cause,
    messages: Vec<Message>,
}

impl<'a> Draft<'a> {
    fn of(order: &Order, cause: &'a Cause) -> Self {
        let mut order = order.clone();
        order.version += 1;
        // A clock that steps back must not turn the order's own time back.
        order.updated_at = order.updated_at.max(cause.at);
        Self { order, cause, messages: Vec::new() }
    }

    fn move_to(&mut self, to: Status, reason: impl Into<String>) {
        let from = self.order.status;
        assert!(from.may_become(to), "{from} must never become {to}");
        self.order.status = to;
        self.record(Some(from), to, reason);
    }

    fn record(&mut self, from: Option<Status>, to: Status, reason: impl Into<String>) {
        self.order.history.push(Move {
            from,
            to,
            at: self.order.updated_at,
            actor: self.cause.actor.clone(),
            reason: self.cause.reason.clone().unwrap_or_else(|| reason.into()),
            version: self.order.version,
        });
    }

    fn send(&mut self, body: Body) {
        self.messages.push(Message::from_order(&self.order, self.cause, body));
    }

    fn finish(self) -> Step {
        Step { order: self.order, messages: self.messages }
    }

    fn changed(self) -> Verdict {
        Ok(Outcome::Changed(Box::new(self.finish())))
    }
}
