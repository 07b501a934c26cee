//! Recently written or read orders, so that the next reader, and the next step of an order, need not look for them.
//!
//! What holds: what is found here is the newest version there is. The writer puts every version in before anybody else
//! can see it, and what is put in first goes first, so a version that was written stays for as many further ones as are
//! kept. A reader that has read an order elsewhere puts it in only if no more than that have come since it began: had
//! somebody written a newer version meanwhile, it would still be here, and stays.

use doos_domain::order::Order;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// When a reader began, counted in orders put in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun(u64);

#[derive(Debug)]
pub(crate) struct RecentOrders {
    orders: HashMap<u64, Arc<Order>>,
    arrivals: VecDeque<(u64, u32)>,
    arrived: u64,
    count_max: usize,
}

impl RecentOrders {
    pub fn new(count_max: usize) -> Self {
        Self { orders: HashMap::new(), arrivals: VecDeque::new(), arrived: 0, count_max }
    }

    /// The newest version of the order, or from when on a reader must look for it elsewhere.
    pub fn find(&self, id: u64) -> Result<Arc<Order>, Begun> {
        self.orders.get(&id).cloned().ok_or(Begun(self.arrived))
    }

    pub fn get(&self, id: u64, version: u32) -> Option<Arc<Order>> {
        self.orders.get(&id).filter(|order| order.version == version).cloned()
    }

    /// What a reader that began then has found elsewhere.
    pub fn put_read(&mut self, order: &Arc<Order>, Begun(arrived): Begun) {
        if self.arrived - arrived < self.count_max as u64 {
            self.put(order);
        }
    }

    pub fn put(&mut self, order: &Arc<Order>) {
        let id = order.id.get();
        if self.count_max == 0 || self.orders.get(&id).is_some_and(|known| known.version >= order.version) {
            return;
        }
        self.orders.insert(id, Arc::clone(order));
        self.arrivals.push_back((id, order.version));
        self.arrived += 1;
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
    fn a_reader_that_was_overtaken_by_a_write_does_not_bring_the_old_version_back() {
        let mut recent = RecentOrders::new(3);
        let begun = recent.find(1).unwrap_err();
        recent.put(&order(1, 2));
        recent.put_read(&order(1, 1), begun);
        assert_eq!(recent.find(1).unwrap().version, 2);
        for id in 2..=4 {
            recent.put(&order(id, 1));
        }
        recent.put_read(&order(1, 1), begun);
        assert!(recent.find(1).is_err(), "the version written meanwhile has gone, so nobody knows which is the newest");
        let begun = recent.find(1).unwrap_err();
        recent.put_read(&order(1, 2), begun);
        assert_eq!(recent.find(1).unwrap().version, 2);
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
