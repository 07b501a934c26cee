//! I4, I5, I12: one order a key, histories that are paths, ids that are nobody else's.

use doos_domain::order::{Order, Status};
use std::collections::BTreeMap;

use super::{Findings, View, has_ended};

pub(super) fn check(view: &View, findings: &mut Findings) {
    let mut by_address: BTreeMap<&str, usize> = BTreeMap::new();
    for order in view.orders.values() {
        check_history(order, findings);
        findings.unless(has_ended(order), "I6", || format!("order {} rests as {}", order.id, order.status));
        findings.unless(!view.voids.contains(&order.id), "I3", || format!("{} is an order and void", order.id));
        // Buyers write the name of their key into the address.
        *by_address.entry(order.address.as_deref().unwrap_or_default()).or_default() += 1;
    }
    for (address, count) in by_address {
        findings.unless(count == 1, "I4", || format!("{count} orders under the key {address}"));
    }
}

fn check_history(order: &Order, findings: &mut Findings) {
    let id = order.id;
    let path: Vec<Status> = order.history.iter().map(|entry| entry.to).collect();
    let legal = path.first() == Some(&Status::Pending)
        && path.last() == Some(&order.status)
        && path.windows(2).all(|pair| pair[0].may_become(pair[1]));
    findings.unless(legal, "I5", || format!("order {id} went {path:?}"));
    let versions_rise = order.history.windows(2).all(|pair| pair[0].version < pair[1].version);
    findings.unless(versions_rise, "I5", || format!("order {id}: the versions of its history do not rise"));
    let terminal = path.iter().filter(|status| matches!(status, Status::Cancelled | Status::Returned)).count();
    findings.unless(terminal <= 1, "I5", || format!("order {id} ended {terminal} times"));
    findings.unless(id.bucket() == order.user_id.bucket(), "I12", || format!("order {id} lies in another's bucket"));
}
