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

#[cfg(test)]
mod tests {
    use super::*;
    use doos_domain::actor::Cause;
    use doos_domain::ids::{OrderId, UserId};
    use doos_domain::money::{Currency, Money};
    use doos_domain::pricing::Quote;
    use doos_domain::time::Timestamp;

    #[test]
    fn a_follower_that_fell_behind_is_told_so_instead_of_being_given_a_hole() {
        let quote = Quote { lines: Vec::new(), total: Money::new(0, Currency::Eur) };
        let cause = Cause::system("test", Timestamp::from_millis(0));
        let step = Order::place(OrderId::new(1).unwrap(), UserId::new(1).unwrap(), quote, None, &cause);
        let order = Arc::new(step.order);
        let mut changes = Changes::new(2, 100);
        assert!(changes.after(99, 10).is_none(), "what was before the start is not known here");
        for position in [110, 120, 130] {
            changes.push(position, Arc::clone(&order));
        }
        let positions = |after| {
            changes.after(after, 10).map(|found| found.iter().map(|(position, _)| *position).collect::<Vec<_>>())
        };
        assert_eq!(positions(100), None, "110 is not there any more");
        assert_eq!(positions(110), Some(vec![120, 130]));
        assert_eq!(positions(130), Some(vec![]));
    }
}
