//! The provider's books: which attempts took money, which never will, and what went back.
//!
//! What holds: every entry follows from the events alone. The first settlement of an attempt is its last. A request
//! under a known key but with another amount or order is refused rather than guessed at.
//!
//! What must never happen: a clock, a random number or a file in here; an attempt that is forgotten, for it could then
//! take money twice. Keys are kept as 128 bits of their SHA-256, so that a million attempts fit 100 MB.

use std::collections::BTreeMap;

use doos_domain::ids::{AttemptId, OrderId, RefundId};
use doos_domain::money::Money;
use doos_domain::time::Timestamp;
use doos_ports::outside::{AttemptAnswer, Charge, OutsideError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::desk::{Books, Decision};

type Decided<T> = Result<Decision<T, Event>, OutsideError>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Captured(Settled),
    Declined(Settled),
    /// Closed because the shop asked for it.
    Closed(Settled),
    Refunded {
        refund_id: RefundId,
        of: Settled,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settled {
    pub(super) attempt_id: AttemptId,
    pub(super) order_id: OrderId,
    pub(super) amount: Money,
    pub(super) at: Timestamp,
}

impl Settled {
    fn new(charge: &Charge, at: Timestamp) -> Self {
        Self { attempt_id: charge.attempt_id.clone(), order_id: charge.order_id, amount: charge.amount, at }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u128);

impl Key {
    fn of(text: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let half = digest.first_chunk().expect("32 bytes have a first half");
        Self(u128::from_be_bytes(*half))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Settlement {
    Captured,
    Declined,
    Closed,
}

struct Attempt {
    order_id: OrderId,
    amount: Money,
    settlement: Settlement,
    refunded_minor: i64,
}

struct Refund {
    attempt: Key,
    amount: Money,
}

#[derive(Default)]
pub(super) struct MoneyBooks {
    attempts: BTreeMap<Key, Attempt>,
    refunds: BTreeMap<Key, Refund>,
}

impl MoneyBooks {
    pub(super) fn capture(
        &self,
        charge: &Charge,
        is_declined: impl FnOnce() -> bool,
        at: Timestamp,
    ) -> Decided<AttemptAnswer> {
        if let Some(attempt) = self.attempt(charge)? {
            return Ok(Decision::unchanged(answer(charge, attempt.settlement)));
        }
        positive(charge.amount)?;
        let settled = Settled::new(charge, at);
        Ok(if is_declined() {
            Decision::changed(answer(charge, Settlement::Declined), Event::Declined(settled))
        } else {
            Decision::changed(answer(charge, Settlement::Captured), Event::Captured(settled))
        })
    }

    pub(super) fn close(&self, charge: &Charge, at: Timestamp) -> Decided<AttemptAnswer> {
        if let Some(attempt) = self.attempt(charge)? {
            return Ok(Decision::unchanged(answer(charge, attempt.settlement)));
        }
        let event = Event::Closed(Settled::new(charge, at));
        Ok(Decision::changed(answer(charge, Settlement::Closed), event))
    }

    /// An attempt never heard of is open: its capture may still be on the way.
    pub(super) fn query(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        let attempt = self.attempt(charge)?;
        Ok(attempt.map_or(AttemptAnswer::Open, |attempt| answer(charge, attempt.settlement)))
    }

    /// The charge names the attempt and the amount to give back, which may be a part of it.
    pub(super) fn refund(&self, refund_id: &RefundId, charge: &Charge, at: Timestamp) -> Decided<String> {
        let attempt_key = Key::of(charge.attempt_id.as_str());
        if let Some(refund) = self.refunds.get(&Key::of(refund_id.as_str())) {
            if refund.attempt != attempt_key || refund.amount != charge.amount {
                return Err(refused("this refund is known with another attempt or amount"));
            }
            return Ok(Decision::unchanged(refund_reference(refund_id)));
        }
        let captured = self.attempts.get(&attempt_key);
        let captured = captured.filter(|attempt| attempt.settlement == Settlement::Captured);
        let attempt = captured.ok_or_else(|| refused("this attempt has taken no money"))?;
        if attempt.order_id != charge.order_id || attempt.amount.currency != charge.amount.currency {
            return Err(refused("this attempt is known with another order or currency"));
        }
        positive(charge.amount)?;
        if charge.amount.amount_minor > attempt.amount.amount_minor - attempt.refunded_minor {
            return Err(refused("more than was captured would be given back"));
        }
        let event = Event::Refunded { refund_id: refund_id.clone(), of: Settled::new(charge, at) };
        Ok(Decision::changed(refund_reference(refund_id), event))
    }

    fn attempt(&self, charge: &Charge) -> Result<Option<&Attempt>, OutsideError> {
        match self.attempts.get(&Key::of(charge.attempt_id.as_str())) {
            Some(known) if known.order_id != charge.order_id || known.amount != charge.amount => {
                Err(refused("this attempt is known with another order or amount"))
            }
            attempt => Ok(attempt),
        }
    }

    fn settle(&mut self, settled: &Settled, settlement: Settlement) {
        let attempt = Attempt { order_id: settled.order_id, amount: settled.amount, settlement, refunded_minor: 0 };
        self.attempts.entry(Key::of(settled.attempt_id.as_str())).or_insert(attempt);
    }
}

impl Books for MoneyBooks {
    type Event = Event;

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Captured(settled) => self.settle(settled, Settlement::Captured),
            Event::Declined(settled) => self.settle(settled, Settlement::Declined),
            Event::Closed(settled) => self.settle(settled, Settlement::Closed),
            Event::Refunded { refund_id, of } => {
                let key = Key::of(of.attempt_id.as_str());
                if let Some(attempt) = self.attempts.get_mut(&key) {
                    attempt.refunded_minor = attempt.refunded_minor.saturating_add(of.amount.amount_minor);
                }
                self.refunds.insert(Key::of(refund_id.as_str()), Refund { attempt: key, amount: of.amount });
            }
        }
    }
}

/// The provider's own number for a capture; it follows from the attempt, so it survives a restart.
pub(super) fn capture_reference(attempt_id: &AttemptId) -> String {
    format!("cap_{:032x}", Key::of(attempt_id.as_str()).0)
}

pub(super) fn refund_reference(refund_id: &RefundId) -> String {
    format!("rfd_{:032x}", Key::of(refund_id.as_str()).0)
}

fn answer(charge: &Charge, settlement: Settlement) -> AttemptAnswer {
    match settlement {
        Settlement::Captured => AttemptAnswer::Captured { provider_reference: capture_reference(&charge.attempt_id) },
        Settlement::Declined => AttemptAnswer::Closed { cause: "declined".into() },
        Settlement::Closed => AttemptAnswer::Closed { cause: "closed".into() },
    }
}

fn positive(amount: Money) -> Result<(), OutsideError> {
    if amount.amount_minor > 0 { Ok(()) } else { Err(refused("the amount is not above zero")) }
}

fn refused(why: &str) -> OutsideError {
    OutsideError::Refused(why.into())
}
