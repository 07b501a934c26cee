//! The latest changes of orders in the order of commit, for followers of the change feed that keep up.

use doos_domain::order::Order;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Changes {
    ring: VecDeque<(u64, Arc<Order>)>,
    count_max: usize,
    /// Every change after this position is in the ring.
    complete_after: u64,
}

impl Changes {
    pub fn new(count_max: usize, complete_after: u64) -> Self {
        Self { ring: VecDeque::new(), count_max, complete_after }
    }

    pub fn push(&mut self, position: u64, order: Arc<Order>) {
        self.ring.push_back((position, order));
        while self.ring.len() > self.count_max {
            if let Some((position, _)) = self.ring.pop_front() {
                self.complete_after = position;
            }
        }
    }

    /// At most `limit` changes after `after`, or `None` if some of them are not here any more.
    pub fn after(&self, after: u64, limit: usize) -> Option<Vec<(u64, Arc<Order>)>> {
        if after < self.complete_after {
            return None;
        }
        let from = self.ring.partition_point(|(position, _)| *position <= after);
        Some(self.ring.range(from..).take(limit).cloned().collect())
    }
}
