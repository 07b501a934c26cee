//! I3 and I4 against the oracle: what clients were told is what is stored.

use super::View;
use crate::oracle::{Oracle, content};

pub(super) fn check(view: &View, oracle: &Oracle) {
    for (id, told) in oracle.all_acknowledged() {
        match view.orders.get(&id) {
            None => oracle.finding("I3", format!("order {id} was acknowledged and is gone")),
            Some(order) if content(order) != told => {
                oracle.finding("I3", format!("order {id} is `{}`, acknowledged was `{told}`", content(order)));
            }
            Some(_) => {}
        }
    }
    for (key, told) in oracle.answers() {
        match view.answers.get(&key) {
            None => oracle.finding("I4", format!("key {} was answered `{told}`, nothing is stored", key.key)),
            Some(stored) if stored.body != told => {
                oracle.finding("I4", format!("key {}: `{}` is stored, told was `{told}`", key.key, stored.body));
            }
            Some(_) => {}
        }
    }
    for (product, received) in oracle.stock_received() {
        let stored = view.stock.iter().find(|(id, _)| id.get() == product).map_or(0, |(_, row)| row.received);
        if stored != received {
            oracle.finding("I1", format!("product {product}: {received} pieces were delivered, {stored} are booked"));
        }
    }
}
