//! Recently written or read orders, by id and version, so that the next step of an order need not read it again.
//!
//! Nobody may take what is found here for the newest version: the caller names the version it wants. What is put in
//! first goes first.

use doos_domain::order::Order;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct RecentOrders {
    orders: HashMap<u64, Arc<Order>>,
    arrivals: VecDeque<(u64, u32)>,
    count_max: usize,
}

impl RecentOrders {
    pub fn new(count_max: usize) -> Self {
        Self { orders: HashMap::new(), arrivals: VecDeque::new(), count_max }
    }

    pub fn get(&self, id: u64, version: u32) -> Option<Arc<Order>> {
        self.orders.get(&id).filter(|order| order.version == version).cloned()
    }

    pub fn put(&mut self, order: &Arc<Order>) {
        let id = order.id.get();
        if self.count_max == 0 || self.orders.get(&id).is_some_and(|known| known.version >= order.version) {
            return;
        }
        self.orders.insert(id, Arc::clone(order));
        self.arrivals.push_back((id, order.version));
        while self.arrivals.len() > self.count_max {
            let Some((id, version)) = self.arrivals.pop_front() else { break };
            if self.orders.get(&id).is_some_and(|order| order.version == version) {
                self.orders.remove(&id);
            }
        }
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

    fn order(id: u64, version: u32) -> Arc<Order> {
        let quote = Quote { lines: Vec::new(), total: Money::new(0, Currency::Eur) };
        let cause = Cause::system("test", Timestamp::from_millis(0));
        let step = Order::place(OrderId::new(id).unwrap(), UserId::new(1).unwrap(), quote, None, &cause);
        Arc::new(Order { version, ..step.order })
    }

    #[test]
    fn an_older_version_never_takes_the_place_of_a_newer_one() {
        let mut recent = RecentOrders::new(10);
        recent.put(&order(1, 2));
        recent.put(&order(1, 1));
        assert!(recent.get(1, 2).is_some() && recent.get(1, 1).is_none());
    }

    #[test]
    fn the_number_is_bounded_and_the_latest_stay() {
        let mut recent = RecentOrders::new(3);
        for version in 1..=3 {
            recent.put(&order(1, version));
        }
        recent.put(&order(2, 1));
        assert!(recent.get(1, 3).is_some(), "its newest version is among the latest three");
        for id in 3..=4 {
            recent.put(&order(id, 1));
        }
        assert!(recent.get(1, 3).is_none() && recent.get(2, 1).is_some() && recent.get(4, 1).is_some());
        assert_eq!((recent.orders.len(), recent.arrivals.len()), (3, 3));
    }
}
