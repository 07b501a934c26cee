//! May these lines be held? Decided in memory, from what was read.

use doos_domain::answer::AnswerKey;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_ports::stock_gate::{Hold, HoldError, ShortLine};
use std::collections::{BTreeMap, BTreeSet};

use crate::rows::key_hash;

/// Summed pieces by product.
pub type Sums = BTreeMap<ProductId, i64>;
pub type KeyHash = [u8; 16];

/// Lines of one product are one demand.
pub fn merged(lines: &[Demand]) -> Sums {
    let mut demands = BTreeMap::new();
    for line in lines {
        *demands.entry(line.product_id).or_insert(0) += i64::from(line.qty);
    }
    demands
}

pub fn hash_of(hold: &Hold) -> Option<KeyHash> {
    hold.key.as_ref().map(|key: &AnswerKey| key_hash(key))
}

/// A product as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// The ledger's free pieces less the undecided ones.
    pub free: i64,
    pub turn: u64,
}

/// What was read about some holds, and what a group adds to it as it goes.
#[derive(Default)]
pub struct Seen {
    pub shelves: BTreeMap<ProductId, Shelf>,
    pub orders: BTreeSet<OrderId>,
    pub keys: BTreeMap<KeyHash, OrderId>,
}

#[derive(Debug)]
pub enum Verdict {
    /// It stands already.
    Repeat,
    Take(Sums),
    Refuse(HoldError),
}

impl Seen {
    pub fn judge(&self, hold: &Hold) -> Verdict {
        if self.orders.contains(&hold.order_id) {
            return Verdict::Repeat;
        }
        if let Some(other) = hash_of(hold).and_then(|hash| self.keys.get(&hash)) {
            return Verdict::Refuse(HoldError::InProgress(*other));
        }
        let sums = merged(&hold.lines);
        let free = |product| self.shelves.get(product).map_or(0, |shelf| shelf.free.max(0));
        let short: Vec<ShortLine> = sums
            .iter()
            .map(|(product_id, wanted)| ShortLine { product_id: *product_id, wanted: *wanted, free: free(product_id) })
            .filter(|line| line.free < line.wanted)
            .collect();
        if short.is_empty() { Verdict::Take(sums) } else { Verdict::Refuse(HoldError::Short(short)) }
    }

    /// As if it were written already: the next one of the group finds it.
    pub fn take(&mut self, hold: &Hold, sums: &Sums) {
        for (product, qty) in sums {
            if let Some(shelf) = self.shelves.get_mut(product) {
                shelf.free -= qty;
            }
        }
        self.orders.insert(hold.order_id);
        if let Some(hash) = hash_of(hold) {
            self.keys.insert(hash, hold.order_id);
        }
    }
}
