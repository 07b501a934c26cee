//! I8 and I9: three ledgers (the order's, the payment context's, the provider's) tell the same, to the cent.

use doos_domain::ids::OrderId;
use doos_domain::order::{Order, Status};
use doos_domain::payment::MoneyKind;
use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, View};

pub(super) fn check(view: &View, findings: &mut Findings) {
    let mut outside: BTreeMap<OrderId, (i64, i64)> = BTreeMap::new();
    for (order, taken, given_back) in view.provider.attempts.values() {
        let sums = outside.entry(*order).or_default();
        *sums = (sums.0 + taken, sums.1 + given_back);
    }
    let booked = booked(view, findings);
    for order in view.orders.values() {
        let (taken, given_back) = outside.remove(&order.id).unwrap_or_default();
        let (captured, refunded) = booked.get(&order.id).copied().unwrap_or_default();
        check_order(order, taken, given_back, findings);
        findings.unless((captured, refunded) == (taken, given_back), "I8", || {
            format!("order {}: booked {captured}/{refunded}, the provider has {taken}/{given_back}", order.id)
        });
        check_refunds(view, order, findings);
    }
    let strangers: Vec<_> = outside.into_iter().filter(|(_, (taken, _))| *taken > 0).collect();
    findings.unless(strangers.is_empty(), "I8", || format!("money was taken for no order: {strangers:?}"));
}

fn check_order(order: &Order, taken: i64, given_back: i64, findings: &mut Findings) {
    let (id, money) = (order.id, &order.money);
    findings.unless(money.captured_minor == taken, "I8", || {
        format!("order {id} knows of {} captured, the provider took {taken}", money.captured_minor)
    });
    findings.unless(money.refund_settled_minor() == given_back, "I8", || {
        format!("order {id} knows of {} given back, the provider gave {given_back}", money.refund_settled_minor())
    });
    let kept = match order.status {
        Status::Paid | Status::ShipFailed | Status::Shipped | Status::Delivered => order.total.amount_minor,
        _ => 0,
    };
    let law = if matches!(order.status, Status::Cancelled | Status::Returned) { "I9" } else { "I8" };
    findings.unless(taken - given_back == kept, law, || {
        format!("order {id} is {}: {taken} taken, {given_back} given back, {kept} should be kept", order.status)
    });
}

/// Every refund an order asked for was paid by the provider, once, in that amount, and none else.
fn check_refunds(view: &View, order: &Order, findings: &mut Findings) {
    for refund in &order.money.refunds {
        let paid = view.provider.refunds.get(&refund.id).copied().unwrap_or(0);
        findings.unless(paid == refund.amount.amount_minor, "I9", || {
            format!("refund {} is of {}, the provider paid {paid}", refund.id, refund.amount.amount_minor)
        });
    }
}

/// What the payment context has booked for each order; a reference and kind twice is a finding.
fn booked(view: &View, findings: &mut Findings) -> BTreeMap<OrderId, (i64, i64)> {
    let mut sums: BTreeMap<OrderId, (i64, i64)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in &view.money {
        let key = (entry.reference.clone(), format!("{:?}", entry.kind));
        findings.unless(seen.insert(key), "I7", || format!("booked twice: {entry:?}"));
        let sums = sums.entry(entry.order_id).or_default();
        match entry.kind {
            MoneyKind::Captured => sums.0 += entry.amount.amount_minor,
            MoneyKind::Refunded => sums.1 += entry.amount.amount_minor,
            MoneyKind::Closed => {}
        }
    }
    sums
}
