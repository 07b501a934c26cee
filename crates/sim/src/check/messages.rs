//! I7, I10, I16: every event has its message, every message its effect, and each is in exactly one place.

use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::{Body, Message};
use doos_domain::order::{CancelReason, Order, Status};
use doos_domain::payment::AttemptState;
use doos_ports::order_store::MessageState;
use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, View};
use crate::cluster::POISON;

pub(super) fn check(view: &View, poisoned: bool, findings: &mut Findings) {
    findings.unless(view.unsent == 0 && view.unread == 0, "I10", || {
        format!("{} messages unsent, {} unread", view.unsent, view.unread)
    });
    check_parked(view, poisoned, findings);
    for (message, state) in &view.message_states {
        findings
            .unless(*state == MessageState::Consumed, "I16", || format!("{} rests as {}", message.id, state.name()));
    }
    let none = Vec::new();
    for order in view.orders.values() {
        let sent = view.sent.get(&order.id).unwrap_or(&none);
        check_sent(order, sent, findings);
        for message in sent {
            check_arrival(view, message, findings);
            check_effect(view, order, message, findings);
        }
    }
}

/// Nothing but poison is ever given up on, and nothing is in two places.
fn check_parked(view: &View, poisoned: bool, findings: &mut Findings) {
    let waiting: BTreeSet<&MessageId> = view.waiting.iter().map(|(_, waiting)| &waiting.message.id).collect();
    findings.unless(waiting.is_empty(), "I16", || format!("still waiting: {waiting:?}"));
    for letter in &view.parked {
        let expected = poisoned && letter.message.id.as_str() == POISON;
        findings.unless(expected, "I16", || format!("{} was given up: {}", letter.message.id, letter.cause));
        findings
            .unless(!waiting.contains(&letter.message.id), "I16", || format!("{} is in two places", letter.message.id));
    }
    let poison_parked = view.parked.iter().any(|letter| letter.message.id.as_str() == POISON);
    findings.unless(!poisoned || poison_parked, "I16", || "poison vanished".to_owned());
}

/// I10: the messages of an order are those that its history calls for, one to one.
fn check_sent(order: &Order, sent: &[Message], findings: &mut Findings) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for message in sent {
        *counts.entry(message.body.event()).or_default() += 1;
        findings.unless(ids.insert(&message.id), "I12", || format!("two messages have the id {}", message.id));
        findings.unless((1..=order.version).contains(&message.order_version), "I10", || {
            format!("{} carries version {} of {}", message.id, message.order_version, order.version)
        });
    }
    let count = |event: &str| counts.get(event).copied().unwrap_or(0);
    let was = |status: Status| order.history.iter().any(|entry| entry.to == status);
    let released = order.status == Status::Cancelled
        && order.cancel_reason != Some(CancelReason::OutOfStock)
        && !was(Status::Shipped);
    let returned = order.status == Status::Returned
        || (order.status == Status::Cancelled && was(Status::Shipped) && !order.goods_out);
    let expected = [
        ("DeductStock", 1),
        ("ReleaseStock", usize::from(released)),
        ("ReturnStock", usize::from(returned)),
        ("ShipOrder", usize::from(was(Status::Paid))),
        ("RefundPayment", order.money.refunds.len()),
    ];
    for (event, wanted) in expected {
        findings.unless(count(event) == wanted, "I10", || {
            let id = order.id;
            format!(
                "order {id} ({}) wrote {event} {} times, its history calls for {wanted}",
                order.status,
                count(event)
            )
        });
    }
    let attempts = order.money.attempt.as_ref().map_or(0, |attempt| attempt.number as usize);
    findings.unless(count("CapturePayment") <= attempts, "I10", || format!("order {}: too many captures", order.id));
}

/// I10: what was committed got to its consumer, and so did inventory's answer to what was asked of it.
fn check_arrival(view: &View, message: &Message, findings: &mut Findings) {
    let arrived = |id: &MessageId| view.arrived.contains(id);
    findings.unless(arrived(&message.id), "I10", || format!("{} was committed and never got there", message.id));
    if view.shows_answers && matches!(message.body, Body::DeductStock { .. }) {
        let outcome = MessageId::from_text(format!("{}/StockDecided", message.id));
        findings.unless(arrived(&outcome), "I10", || format!("{} was never answered", message.id));
    }
}

/// I7: at rest every message has had its effect, once.
fn check_effect(view: &View, order: &Order, message: &Message, findings: &mut Findings) {
    let lost = |findings: &mut Findings, what: &str| findings.add("I7", format!("{}: {what}", message.id));
    match &message.body {
        Body::DeductStock { .. } if !view.decisions.contains_key(&order.id) => lost(findings, "nothing was decided"),
        Body::RefundPayment { refund_id, .. } if !view.provider.refunds.contains_key(refund_id) => {
            lost(findings, "nothing was given back");
        }
        Body::ClosePayment { attempt_id, .. } => {
            let ours = order.money.attempt.as_ref().filter(|attempt| attempt.id == *attempt_id);
            let open =
                ours.is_some_and(|attempt| !matches!(attempt.state, AttemptState::Captured | AttemptState::Closed));
            let known = view.provider.attempts.contains_key(attempt_id);
            if open || !known {
                lost(findings, "the attempt is not closed");
            }
        }
        Body::ShipOrder { .. } => check_parcel(view, order.id, order, findings),
        Body::CapturePayment { attempt_id, .. } if !view.provider.attempts.contains_key(attempt_id) => {
            lost(findings, "the provider was never asked");
        }
        Body::RecallShipment { .. } if view.parcels.get(&order.id) == Some(&false) => {
            lost(findings, "the parcel was not called back");
        }
        _ => {}
    }
}

/// A parcel is with the carrier if the order went that way, and is called back if the order was cancelled before.
fn check_parcel(view: &View, id: OrderId, order: &Order, findings: &mut Findings) {
    let by_hand = order.tracking.as_deref() == Some("by-hand");
    let parcel = view.parcels.get(&id);
    let went_out = order.history.iter().any(|entry| entry.to == Status::Shipped);
    if went_out && !by_hand {
        findings.unless(parcel.is_some(), "I7", || format!("order {id} was shipped, the carrier has no parcel"));
    }
    let unwanted = parcel == Some(&false) && (!went_out || by_hand);
    findings.unless(!unwanted, "I7", || format!("a parcel of order {id} travels that nobody wants any more"));
}
