//! The newest changes in memory, for all who keep up.
//!
//! What holds: everything between its start and the timeline's frontier is in it. It is bounded; what falls out is read
//! from the binlogs again.

use doos_ports::change_feed::Changed;
use std::collections::VecDeque;

pub(crate) struct Recent {
    from: u64,
    changes: VecDeque<Changed>,
    changes_max: usize,
}

impl Recent {
    pub fn new(from: u64, changes_max: usize) -> Self {
        Self { from, changes: VecDeque::new(), changes_max: changes_max.max(1) }
    }

    pub const fn from(&self) -> u64 {
        self.from
    }

    pub fn start_at(&mut self, from: u64) {
        self.from = from;
        self.changes.clear();
    }

    pub fn push(&mut self, changes: &[Changed]) {
        for changed in changes {
            if self.changes.len() >= self.changes_max
                && let Some(oldest) = self.changes.pop_front()
            {
                self.from = oldest.position.0;
            }
            self.changes.push_back(changed.clone());
        }
    }

    pub fn after(&self, after: u64, limit: usize) -> Vec<Changed> {
        let first = self.changes.partition_point(|changed| changed.position.0 <= after);
        self.changes.iter().skip(first).take(limit).cloned().collect()
    }

    pub fn count_after(&self, after: u64) -> usize {
        self.changes.len() - self.changes.partition_point(|changed| changed.position.0 <= after)
    }
}
