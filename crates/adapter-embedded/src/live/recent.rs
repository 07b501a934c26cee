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
