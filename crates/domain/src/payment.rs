//! Attempts to pay and the money ledger of one order.
//!
//! Money is its own ledger (captured, refunded), never inferred from an order's state. At most one attempt is open at
//! a time; an attempt that is closed takes no money, which only the provider can say; money that it takes all the same
//! goes back.

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, OrderId, RefundId};
use crate::money::Money;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Accepted while the order was pending; captured once the order is confirmed.
    Waiting,
    /// The provider has been, or will be, asked for the money.
    Capturing,
    /// The provider is being asked to give it up.
    Closing,
    Captured,
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub id: AttemptId,
    pub number: u32,
    pub amount: Money,
    pub state: AttemptState,
    pub since: Timestamp,
    /// The idempotency key it was asked for under; a repeat of the key means this attempt, whatever became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Attempt {
    /// Whether it may still take money.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, AttemptState::Waiting | AttemptState::Capturing | AttemptState::Closing)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    pub id: RefundId,
    pub attempt_id: AttemptId,
    pub amount: Money,
    pub requested_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}

/// What has been taken and given back for one order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderMoney {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Keys of earlier attempts, all closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_keys: Vec<String>,
    #[serde(default)]
    pub captured_minor: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
}

/// Attempts to pay one order, declined ones included; whoever needs more may order anew.
pub const ATTEMPTS_MAX: u32 = 50;

impl OrderMoney {
    /// Whether an attempt was made under this key before.
    pub fn knows_key(&self, key: &str) -> bool {
        let last = self.attempt.iter().filter_map(|attempt| attempt.key.as_deref());
        self.closed_keys.iter().map(String::as_str).chain(last).any(|known| known == key)
    }

    pub fn open_attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref().filter(|attempt| attempt.is_open())
    }

    pub fn refund_requested_minor(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount.amount_minor).sum()
    }

    pub fn refund_settled_minor(&self) -> i64 {
        let settled = self.refunds.iter().filter(|refund| refund.settled_at.is_some());
        settled.map(|refund| refund.amount.amount_minor).sum()
    }
}

/// One movement of money as the payment context books it; `captured` and `refunded` are each booked once a reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyEntry {
    /// The attempt's or the refund's id.
    pub reference: String,
    pub kind: MoneyKind,
    pub order_id: OrderId,
    pub amount: Money,
    pub at: Timestamp,
    /// The provider's own number for it.
    #[serde(default)]
    pub provider_reference: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoneyKind {
    Captured,
    Refunded,
    /// The provider promised that this attempt will never take money.
    Closed,
}
