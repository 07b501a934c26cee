//! Compares promises with what is there.
//!
//! Every order of a run is another user's and of one piece, so an order placed twice is a user with two orders, and a
//! product has sold as many pieces as there are orders for it that were not cancelled.

use serde::Serialize;
use std::collections::HashMap;

use super::seen::{Scope, Seen, SeenOrder};
use crate::notes::{Acknowledged, Faults, Notes};

#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    pub acknowledged: u64,
    pub unanswered: u64,
    pub orders_seen: u64,
    pub sold: u64,
    pub faults: Faults,
}

impl Verdict {
    pub fn merge(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.unanswered += other.unanswered;
        self.orders_seen += other.orders_seen;
        self.sold += other.sold;
        self.faults.merge(other.faults);
    }

    pub fn holds(&self) -> bool {
        self.faults.found == 0
    }
}

pub fn check(notes: &Notes, seen: &Seen) -> Verdict {
    let mut faults = notes.faults.clone();
    promised_once(&notes.acknowledged, &mut faults);
    kept(&notes.acknowledged, &seen.orders, &mut faults);
    if seen.scope == Scope::Everything {
        nothing_else(notes, &seen.orders, &mut faults);
    }
    let sold = nothing_oversold(seen, &mut faults);
    if let Some(differences) = seen.audit_differences.filter(|differences| *differences > 0) {
        faults.add(|| format!("the audit found {differences} differences"));
    }
    Verdict {
        acknowledged: notes.acknowledged.len() as u64,
        unanswered: notes.unanswered,
        orders_seen: seen.orders.len() as u64,
        sold,
        faults,
    }
}

/// No two calls were answered with one number.
fn promised_once(acknowledged: &[Acknowledged], faults: &mut Faults) {
    let mut ids: Vec<u64> = acknowledged.iter().map(|promise| promise.order_id).collect();
    ids.sort_unstable();
    for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
        faults.add(|| format!("two buyers were given the order number {}", pair[0]));
    }
}

/// Every promised order is there, once, as it was placed.
fn kept(acknowledged: &[Acknowledged], orders: &[SeenOrder], faults: &mut Faults) {
    let mut by_id: HashMap<u64, &SeenOrder> = HashMap::with_capacity(orders.len());
    for order in orders {
        if by_id.insert(order.order_id, order).is_some() {
            faults.add(|| format!("order {} is listed twice", order.order_id));
        }
    }
    for promise in acknowledged {
        match by_id.get(&promise.order_id) {
            None => faults.add(|| format!("order {} was acknowledged and is lost", promise.order_id)),
            Some(order) => {
                let is_same =
                    (order.user_id, order.product_id, order.quantity) == (promise.user_id, promise.product_id, 1);
                if !is_same {
                    faults.add(|| format!("order {} is not the one that was placed", promise.order_id));
                }
            }
        }
    }
}

/// There are no orders but the promised ones and those whose answer never came, and nobody has two.
fn nothing_else(notes: &Notes, orders: &[SeenOrder], faults: &mut Faults) {
    let mut users: Vec<u64> = orders.iter().map(|order| order.user_id).collect();
    users.sort_unstable();
    for pair in users.windows(2).filter(|pair| pair[0] == pair[1]) {
        faults.add(|| format!("user {} placed one order and has two", pair[0]));
    }
    let explained = notes.acknowledged.len() as u64 + notes.unanswered;
    if orders.len() as u64 > explained {
        faults.add(|| format!("{} orders are there, and only {explained} were placed", orders.len()));
    }
}

/// Every product's numbers balance, and it sold what its orders say. Returns all that was sold.
fn nothing_oversold(seen: &Seen, faults: &mut Faults) -> u64 {
    let mut ordered: HashMap<u64, u64> = HashMap::new();
    for order in seen.orders.iter().filter(|order| !order.is_cancelled) {
        *ordered.entry(order.product_id).or_default() += order.quantity;
    }
    let mut sold = 0;
    for stock in &seen.stock {
        let product = stock.product_id;
        sold += u64::try_from(stock.sold).unwrap_or_default();
        if stock.received != stock.given {
            faults.add(|| {
                format!("product {product} was given {} pieces and has received {}", stock.given, stock.received)
            });
        }
        if !stock.balances() {
            faults.add(|| format!("the numbers of product {product} do not balance: {stock:?}"));
        }
        let expected = ordered.get(&product).copied().unwrap_or_default();
        if seen.scope == Scope::Everything && u64::try_from(stock.sold) != Ok(expected) {
            faults.add(|| format!("product {product} sold {} pieces, and its orders say {expected}", stock.sold));
        }
    }
    sold
}

#[cfg(test)]
mod tests {
    use super::super::seen::Stock;
    use super::*;

    fn promise(order_id: u64) -> Acknowledged {
        Acknowledged { order_id, user_id: order_id + 100, product_id: 1 }
    }

    fn order(order_id: u64) -> SeenOrder {
        let Acknowledged { user_id, product_id, .. } = promise(order_id);
        SeenOrder { order_id, user_id, product_id, quantity: 1, is_cancelled: false }
    }

    fn stock(free: i64, sold: i64) -> Stock {
        Stock { product_id: 1, given: 10, received: 10, on_hand: free, free, held: 0, sold }
    }

    /// Three orders, promised, kept, and sold.
    fn sound() -> (Notes, Seen) {
        let notes = Notes { acknowledged: (1..=3).map(promise).collect(), ..Notes::default() };
        let orders = (1..=3).map(order).collect();
        let seen = Seen { scope: Scope::Everything, orders, stock: vec![stock(7, 3)], audit_differences: Some(0) };
        (notes, seen)
    }

    #[track_caller]
    fn expect_fault(break_it: impl FnOnce(&mut Notes, &mut Seen), words: &str) {
        let (mut notes, mut seen) = sound();
        break_it(&mut notes, &mut seen);
        let verdict = check(&notes, &seen);
        assert!(verdict.faults.told.iter().any(|fault| fault.contains(words)), "{:?}", verdict.faults);
        assert!(!verdict.holds());
    }

    #[test]
    fn kept_promises_hold() {
        let (notes, seen) = sound();
        let verdict = check(&notes, &seen);
        assert!(verdict.holds(), "{:?}", verdict.faults);
        assert_eq!((verdict.acknowledged, verdict.orders_seen, verdict.sold), (3, 3, 3));
    }

    #[test]
    fn a_lost_order_is_found() {
        let lose = |_: &mut _, seen: &mut Seen| {
            seen.orders.remove(1);
        };
        expect_fault(lose, "order 2 was acknowledged and is lost");
    }

    #[test]
    fn an_order_that_is_somebody_elses_is_found() {
        expect_fault(|_, seen| seen.orders[0].user_id = 9, "order 1 is not the one");
        expect_fault(|_, seen| seen.orders[0].quantity = 2, "order 1 is not the one");
    }

    #[test]
    fn a_number_given_twice_is_found() {
        expect_fault(|notes, _| notes.acknowledged.push(promise(2)), "the order number 2");
    }

    #[test]
    fn an_order_placed_twice_is_found() {
        expect_fault(
            |_, seen| seen.orders.push(SeenOrder { order_id: 4, ..order(3) }),
            "user 103 placed one order and has two",
        );
        expect_fault(|_, seen| seen.orders.push(order(3)), "order 3 is listed twice");
    }

    #[test]
    fn an_order_that_nobody_placed_is_found_unless_an_answer_was_lost() {
        expect_fault(|_, seen| seen.orders.push(order(4)), "4 orders are there, and only 3");
        let (mut notes, mut seen) = sound();
        notes.unanswered = 1;
        seen.orders.push(order(4));
        seen.stock = vec![stock(6, 4)];
        assert!(check(&notes, &seen).holds());
    }

    #[test]
    fn oversold_stock_is_found() {
        expect_fault(|_, seen| seen.stock = vec![stock(-1, 11)], "do not balance");
        expect_fault(|_, seen| seen.stock = vec![stock(6, 3)], "do not balance");
        expect_fault(|_, seen| seen.stock = vec![stock(6, 4)], "sold 4 pieces, and its orders say 3");
        expect_fault(|_, seen| seen.stock[0].given = 9, "was given 9 pieces");
    }

    #[test]
    fn a_cancelled_order_sells_nothing() {
        let (notes, mut seen) = sound();
        seen.orders[0].is_cancelled = true;
        assert!(!check(&notes, &seen).holds());
        seen.stock = vec![stock(8, 2)];
        assert!(check(&notes, &seen).holds());
    }

    #[test]
    fn what_the_audit_and_the_clients_found_counts() {
        expect_fault(|_, seen| seen.audit_differences = Some(2), "the audit found 2");
        expect_fault(|notes, _| notes.faults.add(|| "a client saw it".to_owned()), "a client saw it");
    }

    #[test]
    fn beside_other_customers_only_the_own_orders_are_judged() {
        let (notes, mut seen) = sound();
        seen.scope = Scope::Own;
        seen.stock = vec![stock(2, 8)];
        assert!(check(&notes, &seen).holds());
        seen.orders.pop();
        assert!(!check(&notes, &seen).holds());
    }
}
