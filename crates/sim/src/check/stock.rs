//! I1, I2, I6: the books balance, nothing is sold twice, every hold has ended.

use doos_domain::ids::ProductId;
use doos_domain::order::{CancelReason, Order, Status};
use doos_domain::stock::{Decision, MovementKind};
use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, View};

pub(super) fn check(view: &View, findings: &mut Findings) {
    for row in view.stock.values() {
        findings.unless(row.balances(), "I1", || format!("the books do not balance: {row:?}"));
        let sold = sold_by_orders(view, row.product_id);
        findings.unless(sold == row.sold, "I2", || {
            format!("product {}: orders have {sold} pieces, the ledger sold {}", row.product_id, row.sold)
        });
        let supply = row.received - row.written_off;
        findings.unless(sold <= supply, "I2", || format!("product {}: {sold} sold of {supply}", row.product_id));
    }
    for order in view.orders.values() {
        check_decision(view, order, findings);
        findings.unless(!view.released.contains(&order.id), "I6", || {
            format!("order {} is stored, its hold had been given back", order.id)
        });
    }
    check_movements(view, findings);
    check_gate(view, findings);
}

/// Whether this order has its pieces, by its own row alone.
pub(super) fn has_goods(order: &Order) -> bool {
    match order.status {
        Status::Confirmed | Status::Paid | Status::ShipFailed | Status::Shipped | Status::Delivered => true,
        Status::Cancelled => order.goods_out,
        Status::Pending | Status::Returned => false,
    }
}

fn sold_by_orders(view: &View, product: ProductId) -> i64 {
    let lines = view.orders.values().filter(|order| has_goods(order)).flat_map(|order| &order.lines);
    lines.filter(|line| line.product_id == product).map(|line| i64::from(line.quantity)).sum()
}

/// The ledger's decision and the order's state tell the same story.
fn check_decision(view: &View, order: &Order, findings: &mut Findings) {
    let id = order.id;
    let Some(row) = view.decisions.get(&id) else {
        findings.add("I6", format!("order {id} is {} and inventory never decided", order.status));
        return;
    };
    let has_stock = row.decision == Decision::Deducted && !row.given_back;
    findings.unless(has_stock == has_goods(order), "I6", || {
        format!("order {id} is {}, its stock {:?} (given back: {})", order.status, row.decision, row.given_back)
    });
    let short = order.cancel_reason == Some(CancelReason::OutOfStock);
    findings.unless(!short || row.decision == Decision::Short, "I17", || {
        format!("order {id} was cancelled for want of stock, inventory decided {:?}", row.decision)
    });
    let was_confirmed = order.history.iter().any(|entry| entry.to == Status::Confirmed);
    findings.unless(!was_confirmed || row.decision == Decision::Deducted, "I2", || {
        format!("order {id} was confirmed, inventory decided {:?}", row.decision)
    });
}

/// One movement a reference, product and kind, and none without a decision behind it.
fn check_movements(view: &View, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    let mut by_order: BTreeMap<(String, ProductId), i64> = BTreeMap::new();
    for movement in &view.movements {
        let key = (movement.reference.clone(), movement.product_id, movement.kind);
        findings.unless(seen.insert(key), "I7", || format!("booked twice: {movement:?}"));
        let order = movement.reference.trim_start_matches("ret_").to_owned();
        let sum = by_order.entry((order, movement.product_id)).or_default();
        match movement.kind {
            MovementKind::Deduct => *sum += movement.qty,
            MovementKind::Release | MovementKind::Return => *sum -= movement.qty,
            _ => {}
        }
    }
    for ((reference, product), sum) in by_order {
        let order = reference.parse().ok().and_then(|id| view.orders.get(&id));
        let wanted = order.filter(|order| has_goods(order)).map_or(0, |order| {
            let lines = order.lines.iter().filter(|line| line.product_id == product);
            lines.map(|line| i64::from(line.quantity)).sum()
        });
        findings.unless(sum == wanted, "I7", || {
            format!("{reference}: movements of product {product} sum up to {sum}, the order has {wanted}")
        });
    }
}

/// At rest nothing is held, and the gate knows what the ledger knows.
fn check_gate(view: &View, findings: &mut Findings) {
    for (product, level) in &view.gate {
        let row = view.stock.get(product);
        let Some(level) = level else {
            findings.unless(row.is_none(), "I17", || format!("the gate does not know product {product}"));
            continue;
        };
        findings.unless(level.held == 0, "I6", || format!("product {product}: {} still held", level.held));
        let free = row.map_or(0, |row| row.free);
        findings.unless(level.free == free, "I17", || {
            format!("product {product}: {free} free in the ledger, the gate gives {}", level.free)
        });
    }
}
