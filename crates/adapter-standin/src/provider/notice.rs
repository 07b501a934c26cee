//! What a callback says, and the untrue ones that a careful shop must turn down.
//!
//! What holds: a forged callback never carries a signature that fits its body. A mistaken one is truly signed; only
//! comparing amount, currency and order with the shop's own books finds it.

use doos_domain::ids::{AttemptId, OrderId, RefundId};
use doos_domain::money::Currency;
use doos_domain::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::books::{Event, Settled, capture_reference, refund_reference};
use crate::signature;

/// A callback as it goes over the net: a POST with this body and the header [`signature::HEADER`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    pub body: Vec<u8>,
    pub signature: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackBody {
    pub attempt_id: AttemptId,
    pub order_id: OrderId,
    pub amount_minor: i64,
    pub currency: Currency,
    pub event: CallbackEvent,
    /// The provider's number for the capture or the refund; empty if no money moved.
    pub provider_reference: String,
    /// Only with `refunded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<RefundId>,
    /// Another one at each sending.
    pub nonce: String,
    pub sent_at_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackEvent {
    Captured,
    Closed,
    Refunded,
}

#[derive(Clone, Copy)]
enum Truth {
    Genuine,
    /// Truly signed, and wrong.
    Mistaken(Flaw),
    SignedWithAnotherSecret,
    ChangedAfterSigning(Flaw),
}

#[derive(Clone, Copy)]
enum Flaw {
    Amount,
    Currency,
    Order,
}

/// A callback that waits: everything but what each sending makes anew.
#[derive(Clone)]
pub(super) struct Notice {
    event: CallbackEvent,
    settled: Settled,
    refund_id: Option<RefundId>,
    truth: Truth,
    pub(super) repeats_left: u32,
    /// How many sendings were not accepted.
    pub(super) refusals: usize,
}

impl Notice {
    pub(super) fn of(event: &Event, repeats: u32) -> Self {
        let (said, settled, refund_id) = match event {
            Event::Captured(settled) => (CallbackEvent::Captured, settled, None),
            Event::Declined(settled) | Event::Closed(settled) => (CallbackEvent::Closed, settled, None),
            Event::Refunded { refund_id, of } => (CallbackEvent::Refunded, of, Some(refund_id.clone())),
        };
        let settled = settled.clone();
        Self { event: said, settled, refund_id, truth: Truth::Genuine, repeats_left: repeats, refusals: 0 }
    }

    pub(super) fn forged(&self, draw: u64) -> Self {
        let truth = match draw % 3 {
            0 => Truth::SignedWithAnotherSecret,
            1 => Truth::ChangedAfterSigning(Flaw::Amount),
            _ => Truth::ChangedAfterSigning(Flaw::Order),
        };
        self.untrue(truth)
    }

    pub(super) fn mistaken(&self, draw: u64) -> Self {
        let flaw = match draw % 3 {
            0 => Flaw::Amount,
            1 => Flaw::Currency,
            _ => Flaw::Order,
        };
        self.untrue(Truth::Mistaken(flaw))
    }

    fn untrue(&self, truth: Truth) -> Self {
        // Whoever forges wants goods: where no money moved, the forgery says that it did.
        let event = if self.event == CallbackEvent::Closed { CallbackEvent::Captured } else { self.event };
        Self { event, truth, repeats_left: 0, ..self.clone() }
    }

    /// Untrue callbacks are sent once, whatever the receiver says.
    pub(super) const fn is_genuine(&self) -> bool {
        matches!(self.truth, Truth::Genuine)
    }

    pub(super) const fn attempt_id(&self) -> &AttemptId {
        &self.settled.attempt_id
    }

    pub(super) fn callback(&self, secret: &SecretString, now: Timestamp, draw: u64) -> Callback {
        let secret = secret.expose_secret().as_bytes();
        let body = self.body(now, draw);
        let (signed, sent, key) = match self.truth {
            Truth::Genuine => (body.clone(), body, secret.to_vec()),
            Truth::Mistaken(flaw) => {
                let body = flawed(body, flaw);
                (body.clone(), body, secret.to_vec())
            }
            Truth::SignedWithAnotherSecret => (body.clone(), body, [secret, b"?"].concat()),
            Truth::ChangedAfterSigning(flaw) => (body.clone(), flawed(body, flaw), secret.to_vec()),
        };
        Callback { signature: signature::sign(&key, now, &json(&signed)), body: json(&sent) }
    }

    fn body(&self, now: Timestamp, draw: u64) -> CallbackBody {
        let provider_reference = match (self.event, &self.refund_id) {
            (CallbackEvent::Captured, _) => capture_reference(&self.settled.attempt_id),
            (_, Some(refund_id)) => refund_reference(refund_id),
            (_, None) => String::new(),
        };
        CallbackBody {
            attempt_id: self.settled.attempt_id.clone(),
            order_id: self.settled.order_id,
            amount_minor: self.settled.amount.amount_minor,
            currency: self.settled.amount.currency,
            event: self.event,
            provider_reference,
            refund_id: self.refund_id.clone(),
            nonce: format!("{draw:016x}"),
            sent_at_ms: now.as_millis(),
        }
    }
}

fn flawed(mut body: CallbackBody, flaw: Flaw) -> CallbackBody {
    match flaw {
        Flaw::Amount => body.amount_minor = if body.amount_minor == 1 { 2 } else { 1 },
        Flaw::Currency => body.currency = if body.currency == Currency::Krw { Currency::Jpy } else { Currency::Krw },
        Flaw::Order => {
            let neighbour = if body.order_id.get() == 1 { 2 } else { body.order_id.get() - 1 };
            body.order_id = OrderId::new(neighbour).expect("a positive number below a valid id, or two");
        }
    }
    body
}

fn json(body: &CallbackBody) -> Vec<u8> {
    serde_json::to_vec(body).expect("a plain struct of texts and numbers")
}
