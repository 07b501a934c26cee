//! What a load was promised: the orders that were acknowledged, and what must never have happened.

use serde::Serialize;

/// Faults told in full; more are only counted.
const FAULTS_MAX: usize = 20;

/// An order that was answered with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acknowledged {
    pub order_id: u64,
    pub user_id: u64,
    pub product_id: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Notes {
    pub acknowledged: Vec<Acknowledged>,
    /// Calls that may have placed an order and were not answered.
    pub unanswered: u64,
    pub faults: Faults,
}

/// Broken promises that a client has seen for itself.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Faults {
    pub found: u64,
    pub told: Vec<String>,
}

impl Faults {
    pub fn add(&mut self, fault: impl FnOnce() -> String) {
        self.found += 1;
        if self.told.len() < FAULTS_MAX {
            self.told.push(fault());
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.found += other.found;
        let room = FAULTS_MAX.saturating_sub(self.told.len());
        self.told.extend(other.told.into_iter().take(room));
    }
}

impl Notes {
    pub fn merge(&mut self, mut other: Self) {
        self.acknowledged.append(&mut other.acknowledged);
        self.unanswered += other.unanswered;
        self.faults.merge(other.faults);
    }
}
