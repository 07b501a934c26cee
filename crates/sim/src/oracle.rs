//! What clients were told, kept apart from everything the system stores.
//!
//! What holds: an order once acknowledged is there for ever with the same content; a key once answered has that answer
//! byte for byte; what a reader has seen no later reader sees undone. Nothing here is ever taken from the system's own
//! books.

use doos_domain::answer::AnswerKey;
use doos_domain::ids::OrderId;
use doos_domain::order::Order;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A law that was broken, and how it showed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub law: &'static str,
    pub what: String,
}

#[derive(Default)]
pub struct Oracle {
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    answers: BTreeMap<AnswerKey, String>,
    acknowledged: BTreeMap<OrderId, String>,
    seen: BTreeMap<OrderId, u32>,
    findings: BTreeSet<Finding>,
    stock_received: BTreeMap<u64, i64>,
}

/// Findings kept; one is enough to fail, a handful to understand.
const FINDINGS_MAX: usize = 50;

/// What about an order may never change.
pub fn content(order: &Order) -> String {
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|line| format!("{}x{}@{}", line.product_id, line.quantity, line.unit_price.amount_minor))
        .collect();
    let address = order.address.as_deref().unwrap_or_default();
    format!("{} {} {} [{}] {address}", order.id, order.user_id, order.total.amount_minor, lines.join(" "))
}

impl Oracle {
    pub fn finding(&self, law: &'static str, what: impl Into<String>) {
        let mut told = self.lock();
        if told.findings.len() < FINDINGS_MAX {
            told.findings.insert(Finding { law, what: what.into() });
        }
    }

    pub fn findings(&self) -> Vec<Finding> {
        self.lock().findings.iter().cloned().collect()
    }

    pub fn is_clean(&self) -> bool {
        self.lock().findings.is_empty()
    }

    /// A call with this key was answered.
    pub fn answered(&self, key: &AnswerKey, body: &str) {
        let first = self.lock().answers.entry(key.clone()).or_insert_with(|| body.to_owned()).clone();
        if first != body {
            self.finding("I4", format!("key {} was told `{first}` first and `{body}` later", key.key));
        }
    }

    pub fn answers(&self) -> BTreeMap<AnswerKey, String> {
        self.lock().answers.clone()
    }

    /// A client was told that this order is placed.
    pub fn acknowledged(&self, order: OrderId, content: String) {
        let first = self.lock().acknowledged.entry(order).or_insert_with(|| content.clone()).clone();
        if first != content {
            self.finding("I12", format!("order {order} was told to be `{first}` and `{content}`"));
        }
    }

    pub fn all_acknowledged(&self) -> BTreeMap<OrderId, String> {
        self.lock().acknowledged.clone()
    }

    /// The newest version anybody was shown of this order so far.
    pub fn seen(&self, order: OrderId) -> u32 {
        self.lock().seen.get(&order).copied().unwrap_or(0)
    }

    /// Somebody was shown this order; `at_least` is what had been shown before the question was asked.
    pub fn shown(&self, order: &Order, at_least: u32) {
        {
            let mut told = self.lock();
            let seen = told.seen.entry(order.id).or_default();
            *seen = order.version.max(*seen);
        }
        if order.version < at_least {
            let what = format!("order {} was shown at version {at_least}, then at {}", order.id, order.version);
            self.finding("I3", what);
        }
        let acknowledged = self.lock().acknowledged.get(&order.id).cloned();
        if acknowledged.is_some_and(|first| first != content(order)) {
            self.finding("I3", format!("order {} reads differently from what was acknowledged", order.id));
        }
    }

    pub fn received(&self, product: u64, qty: i64) {
        *self.lock().stock_received.entry(product).or_default() += qty;
    }

    pub fn stock_received(&self) -> BTreeMap<u64, i64> {
        self.lock().stock_received.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
