//! When an order is at its end, and until when its customer may give it back.

use doos_domain::order::{Outcome, Refusal, StillOpen};
use std::collections::BTreeSet;

use crate::orders::{Command, RETURN_WINDOW_MS, Who, apply, at, order_after, states};
use doos_domain::stock::Decision;

#[test]
fn an_order_is_closed_when_nothing_is_owed_in_either_direction() {
    let late = at(10 + RETURN_WINDOW_MS);
    let told: Vec<(&str, &str)> = states()
        .iter()
        .map(|(name, order)| (*name, order.still_open(RETURN_WINDOW_MS, late).map_or("closed", StillOpen::name)))
        .collect();
    assert_eq!(
        told,
        [
            ("pending", "pending"),
            ("pending+waiting", "pending"),
            ("pending+captured", "pending"),
            ("confirmed", "confirmed"),
            ("confirmed+capturing", "confirmed"),
            ("confirmed+closing", "confirmed"),
            ("confirmed+closed", "confirmed"),
            ("paid", "paid"),
            ("ship_failed", "ship_failed"),
            ("shipped", "shipped"),
            ("delivered", "closed"),
            ("cancelled", "closed"),
            ("cancelled+closing", "payment_open"),
            ("cancelled+refunding", "refund_open"),
            ("cancelled+parcel", "parcel_out"),
            ("returned", "refund_open"),
        ]
    );
    let returned = states().pop().expect("there are states").1;
    let Ok(Outcome::Changed(step)) = apply(&returned, Command::RefundSettled(1), 20) else { panic!() };
    assert_eq!(step.order.still_open(RETURN_WINDOW_MS, at(20)), None);
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = StillOpen::ALL.into_iter().map(StillOpen::name).collect();
    assert_eq!(names.len(), StillOpen::ALL.len());
    assert!(StillOpen::ALL.is_sorted());
}

#[test]
fn the_window_ends_for_the_customer_at_the_moment_in_which_the_order_is_closed() {
    let paid = [Command::Stock(Decision::Deducted), Command::Pay, Command::Captured(1)];
    let order = order_after(&[&paid[..], &[Command::Ship, Command::Deliver]].concat());
    for (now_ms, is_open) in [(10, true), (9 + RETURN_WINDOW_MS, true), (10 + RETURN_WINDOW_MS, false)] {
        let open = order.still_open(RETURN_WINDOW_MS, at(now_ms));
        assert_eq!(open, is_open.then_some(StillOpen::Returnable), "at {now_ms}");
        let asked = apply(&order, Command::TakeBack(Who::Customer), now_ms);
        assert_eq!(matches!(asked, Ok(Outcome::Changed(_))), is_open, "at {now_ms}");
        assert_eq!(matches!(asked, Err(Refusal::ReturnWindowOver)), !is_open, "at {now_ms}");
        // The shop may be generous at any time.
        assert!(matches!(apply(&order, Command::TakeBack(Who::Operator), now_ms), Ok(Outcome::Changed(_))));
    }
}
