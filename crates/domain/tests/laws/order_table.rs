//! Every state × every command, in the order of the enums, so that coverage can be audited by eye.
//!
//! A cell reads `status(reason) attempt: messages` for a change, `nothing` where nothing is left to do, or the refusal.
//! States with the same outcome share a line; `rest` is every state not named above it. The test fails if a state is
//! named twice or missing.

use doos_domain::ids::AttemptId;
use doos_domain::order::{Order, Outcome, Refusal, Status, Verdict};
use doos_domain::payment::AttemptState;
use doos_domain::stock::Decision;
use std::collections::BTreeSet;

use crate::orders::{Command, Who, apply, order_after, place, states};

type Cells = &'static [(&'static str, &'static str)];

fn table() -> Vec<(Command, Cells)> {
    vec![
        (
            Command::Stock(Decision::Deducted),
            &[
                ("pending", "confirmed"),
                ("pending+waiting", "confirmed capturing: CapturePayment"),
                ("pending+captured", "confirmed captured"),
                ("rest", "nothing"),
            ],
        ),
        (
            Command::Stock(Decision::Short),
            &[
                ("pending", "cancelled(out_of_stock)"),
                ("pending+waiting", "cancelled(out_of_stock) closing: ClosePayment"),
                ("pending+captured", "cancelled(out_of_stock) captured"),
                ("rest", "nothing"),
            ],
        ),
        (
            Command::Stock(Decision::Void),
            &[
                ("pending", "cancelled(timeout): ReleaseStock"),
                ("pending+waiting", "cancelled(timeout) closing: ClosePayment ReleaseStock"),
                ("pending+captured", "cancelled(timeout) captured: ReleaseStock"),
                ("rest", "nothing"),
            ],
        ),
        (
            Command::Cancel(Who::Customer),
            &[
                ("pending confirmed", "cancelled(user): ReleaseStock"),
                ("pending+waiting confirmed+capturing", "cancelled(user) closing: ClosePayment ReleaseStock"),
                ("pending+captured", "cancelled(user) captured: ReleaseStock"),
                ("confirmed+closing", "cancelled(user) closing: ReleaseStock"),
                ("confirmed+closed", "cancelled(user) closed: ReleaseStock"),
                ("paid ship_failed", "cancelled(user) captured: RefundPayment ReleaseStock"),
                ("shipped", "operator only"),
                ("delivered returned", "illegal"),
                ("cancelled cancelled+closing cancelled+refunding cancelled+parcel", "nothing"),
            ],
        ),
        (
            Command::Cancel(Who::Operator),
            &[
                ("pending confirmed", "cancelled(operator): ReleaseStock"),
                ("pending+waiting confirmed+capturing", "cancelled(operator) closing: ClosePayment ReleaseStock"),
                ("pending+captured", "cancelled(operator) captured: ReleaseStock"),
                ("confirmed+closing", "cancelled(operator) closing: ReleaseStock"),
                ("confirmed+closed", "cancelled(operator) closed: ReleaseStock"),
                ("paid ship_failed", "cancelled(operator) captured: RefundPayment ReleaseStock"),
                ("shipped", "cancelled(operator) captured: RefundPayment RecallShipment"),
                ("delivered returned", "illegal"),
                ("cancelled cancelled+closing cancelled+refunding cancelled+parcel", "nothing"),
            ],
        ),
        (
            Command::Cancel(Who::Service),
            &[
                ("pending confirmed", "cancelled(operator): ReleaseStock"),
                ("pending+waiting confirmed+capturing", "cancelled(operator) closing: ClosePayment ReleaseStock"),
                ("pending+captured", "cancelled(operator) captured: ReleaseStock"),
                ("confirmed+closing", "cancelled(operator) closing: ReleaseStock"),
                ("confirmed+closed", "cancelled(operator) closed: ReleaseStock"),
                ("paid ship_failed", "cancelled(operator) captured: RefundPayment ReleaseStock"),
                ("shipped", "operator only"),
                ("delivered returned", "illegal"),
                ("cancelled cancelled+closing cancelled+refunding cancelled+parcel", "nothing"),
            ],
        ),
        (
            Command::Cancel(Who::System),
            &[
                ("pending confirmed", "cancelled(timeout): ReleaseStock"),
                ("pending+waiting confirmed+capturing", "cancelled(timeout) closing: ClosePayment ReleaseStock"),
                ("pending+captured", "cancelled(timeout) captured: ReleaseStock"),
                ("confirmed+closing", "cancelled(timeout) closing: ReleaseStock"),
                ("confirmed+closed", "cancelled(timeout) closed: ReleaseStock"),
                ("paid ship_failed", "cancelled(timeout) captured: RefundPayment ReleaseStock"),
                ("shipped", "operator only"),
                ("delivered returned", "illegal"),
                ("cancelled cancelled+closing cancelled+refunding cancelled+parcel", "nothing"),
            ],
        ),
        (
            Command::Pay,
            &[
                ("pending pending+captured", "pending waiting"),
                ("pending+waiting confirmed+capturing", "nothing"),
                ("confirmed confirmed+closed", "confirmed capturing: CapturePayment"),
                ("confirmed+closing", "attempt closing"),
                ("paid ship_failed shipped delivered", "paid already"),
                ("cancelled cancelled+closing cancelled+refunding cancelled+parcel returned", "illegal"),
            ],
        ),
        (
            Command::Captured(1),
            &[
                ("pending+waiting", "pending captured: RefundPayment"),
                ("confirmed+capturing confirmed+closing confirmed+closed", "paid captured: ShipOrder"),
                ("cancelled+closing", "cancelled(user) captured: RefundPayment"),
                ("rest", "nothing"),
            ],
        ),
        (Command::Captured(2), &[("rest", "nothing")]),
        (
            Command::Closed(1),
            &[
                ("pending+waiting", "pending closed"),
                ("confirmed+capturing", "confirmed closed"),
                ("confirmed+closing", "cancelled(timeout) closed: ReleaseStock"),
                ("cancelled+closing", "cancelled(user) closed"),
                ("rest", "nothing"),
            ],
        ),
        (Command::Closed(2), &[("rest", "nothing")]),
        (
            Command::RefundSettled(1),
            &[
                ("pending+captured", "pending captured"),
                ("cancelled+refunding", "cancelled(user) captured"),
                ("cancelled+parcel", "cancelled(operator) captured"),
                ("returned", "returned captured"),
                ("rest", "nothing"),
            ],
        ),
        (Command::RefundSettled(2), &[("rest", "nothing")]),
        (Command::Overdue(999), &[("rest", "nothing")]),
        (
            Command::Overdue(1_000),
            &[
                ("pending confirmed", "cancelled(timeout): ReleaseStock"),
                ("pending+waiting", "cancelled(timeout) closing: ClosePayment ReleaseStock"),
                ("pending+captured", "cancelled(timeout) captured: ReleaseStock"),
                ("confirmed+capturing", "confirmed closing: ClosePayment"),
                ("confirmed+closed", "cancelled(timeout) closed: ReleaseStock"),
                ("rest", "nothing"),
            ],
        ),
        (
            Command::Overdue(1_499),
            &[
                ("pending confirmed", "cancelled(timeout): ReleaseStock"),
                ("pending+waiting", "cancelled(timeout) closing: ClosePayment ReleaseStock"),
                ("pending+captured", "cancelled(timeout) captured: ReleaseStock"),
                ("confirmed+capturing", "confirmed closing: ClosePayment"),
                ("confirmed+closed", "cancelled(timeout) closed: ReleaseStock"),
                ("rest", "nothing"),
            ],
        ),
        (
            Command::Overdue(1_500),
            &[
                ("pending confirmed", "cancelled(timeout): ReleaseStock"),
                ("pending+waiting", "cancelled(timeout) closing: ClosePayment ReleaseStock"),
                ("pending+captured", "cancelled(timeout) captured: ReleaseStock"),
                ("confirmed+capturing", "confirmed closing: ClosePayment"),
                ("confirmed+closing", "cancelled(timeout) closing: ReleaseStock"),
                ("confirmed+closed", "cancelled(timeout) closed: ReleaseStock"),
                ("rest", "nothing"),
            ],
        ),
        (
            Command::Ship,
            &[("paid ship_failed", "shipped captured"), ("shipped delivered returned", "nothing"), ("rest", "illegal")],
        ),
        (
            Command::CarrierTook,
            &[
                ("paid ship_failed", "shipped captured"),
                ("cancelled", "cancelled(user): RecallShipment"),
                ("cancelled+closing", "cancelled(user) closing: RecallShipment"),
                ("cancelled+refunding", "cancelled(user) captured: RecallShipment"),
                ("rest", "nothing"),
            ],
        ),
        (Command::ShippingFailed, &[("paid", "ship_failed captured"), ("rest", "nothing")]),
        (Command::Deliver, &[("shipped", "delivered captured"), ("delivered", "nothing"), ("rest", "illegal")]),
        (
            Command::TakeBack(Who::Customer),
            &[
                ("delivered", "returned captured: RefundPayment ReturnStock"),
                ("cancelled+parcel", "operator only"),
                ("returned", "nothing"),
                ("rest", "illegal"),
            ],
        ),
        (
            Command::TakeBack(Who::Operator),
            &[
                ("delivered", "returned captured: RefundPayment ReturnStock"),
                ("cancelled+parcel", "cancelled(operator) captured: ReturnStock"),
                ("returned", "nothing"),
                ("rest", "illegal"),
            ],
        ),
    ]
}

fn told(verdict: &Verdict) -> String {
    let step = match verdict {
        Ok(Outcome::Unchanged) => return "nothing".to_owned(),
        Ok(Outcome::Changed(step)) => step,
        Err(Refusal::IllegalMove { .. }) => return "illegal".to_owned(),
        Err(Refusal::OperatorOnly { .. }) => return "operator only".to_owned(),
        Err(Refusal::AlreadyPaid) => return "paid already".to_owned(),
        Err(Refusal::AttemptClosing) => return "attempt closing".to_owned(),
        Err(Refusal::TooManyAttempts) => return "too many attempts".to_owned(),
        Err(Refusal::ReturnWindowOver) => return "too late".to_owned(),
    };
    let order = &step.order;
    let mut text = order.status.name().to_owned();
    if let Some(reason) = order.cancel_reason {
        text += &format!("({})", reason.name());
    }
    if let Some(attempt) = &order.money.attempt {
        text += match attempt.state {
            AttemptState::Waiting => " waiting",
            AttemptState::Capturing => " capturing",
            AttemptState::Closing => " closing",
            AttemptState::Captured => " captured",
            AttemptState::Closed => " closed",
        };
    }
    let events: Vec<_> = step.messages.iter().map(|message| message.body.event()).collect();
    if events.is_empty() { text } else { format!("{text}: {}", events.join(" ")) }
}

#[test]
fn every_command_does_in_every_state_what_the_table_says() {
    let states = states();
    let mut wrong = Vec::new();
    for (command, cells) in table() {
        let mut seen = BTreeSet::new();
        for (names, expected) in cells {
            let rest = states.iter().map(|(name, _)| *name).filter(|name| !seen.contains(name)).collect::<Vec<_>>();
            let named = if *names == "rest" { rest } else { names.split_whitespace().collect() };
            for name in named {
                assert!(seen.insert(name), "{command:?} names {name} twice");
                let (_, order) = states.iter().find(|(known, _)| *known == name).unwrap();
                let told = told(&apply(order, command, 20));
                if told != *expected {
                    wrong.push(format!("{command:?} on {name}: {told}, the table says {expected}"));
                }
            }
        }
        for (name, order) in states.iter().filter(|(name, _)| !seen.contains(name)) {
            wrong.push(format!("{command:?} lacks {name}: {}", told(&apply(order, command, 20))));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_states_of_the_table_cover_every_status_and_every_state_of_an_attempt() {
    let states = states();
    for status in Status::ALL {
        assert!(states.iter().any(|(_, order)| order.status == status), "{status}");
    }
    for state in [
        AttemptState::Waiting,
        AttemptState::Capturing,
        AttemptState::Closing,
        AttemptState::Captured,
        AttemptState::Closed,
    ] {
        let has = |order: &Order| order.money.attempt.as_ref().is_some_and(|attempt| attempt.state == state);
        assert!(states.iter().any(|(_, order)| has(order)), "{state:?}");
    }
}

#[test]
fn placing_asks_inventory_for_the_stock_and_records_itself() {
    let step = place();
    assert_eq!((step.order.version, step.order.status), (1, Status::Pending));
    assert_eq!(step.order.history.len(), 1);
    assert_eq!((step.order.history[0].from, step.order.history[0].to), (None, Status::Pending));
    let events: Vec<_> = step.messages.iter().map(|message| message.body.event()).collect();
    assert_eq!(events, ["DeductStock"]);
}

#[test]
fn the_graph_is_the_one_the_design_draws() {
    let edges: Vec<String> = Status::ALL
        .into_iter()
        .map(|from| {
            let to: Vec<_> = Status::ALL.into_iter().filter(|to| from.may_become(*to)).map(Status::name).collect();
            format!("{from} -> {}", to.join(" "))
        })
        .collect();
    assert_eq!(
        edges,
        [
            "pending -> confirmed cancelled",
            "confirmed -> paid cancelled",
            "paid -> ship_failed shipped cancelled",
            "ship_failed -> shipped cancelled",
            "shipped -> delivered cancelled",
            "delivered -> returned",
            "cancelled -> ",
            "returned -> ",
        ]
    );
}

#[test]
fn a_clock_that_steps_back_does_not_turn_the_order_back() {
    let order = order_after(&[Command::Stock(Decision::Deducted)]);
    let Ok(Outcome::Changed(step)) = apply(&order, Command::Cancel(Who::Customer), -5_000) else { panic!() };
    assert_eq!(step.order.updated_at, order.updated_at);
    assert!(step.order.history.is_sorted_by_key(|entry| entry.at));
}

#[test]
fn a_parcel_is_called_back_once_however_often_the_carrier_reports_it() {
    let shipped_by_hand = [Command::Stock(Decision::Deducted), Command::Pay, Command::Captured(1), Command::Ship];
    let recalled = [&shipped_by_hand[..], &[Command::CarrierTook, Command::Cancel(Who::Operator)]].concat();
    let order = order_after(&recalled);
    assert_eq!(order.recalled, ["t-2", "t-1"], "the carrier's parcel, then the one sent by hand");
    assert!(matches!(apply(&order, Command::CarrierTook, 0), Ok(Outcome::Unchanged)));
}

#[test]
fn money_of_a_closed_attempt_goes_back_whatever_the_newer_one_does() {
    use Command::{Captured, Closed, Pay, Stock};
    let declined = [Stock(Decision::Deducted), Pay, Closed(1), Pay];
    let order = order_after(&[&declined[..], &[Captured(1)]].concat());
    let [refund] = &order.money.refunds[..] else { panic!("one refund, not {:?}", order.money.refunds) };
    assert_eq!((refund.attempt_id.clone(), refund.amount), (AttemptId::nth(order.id, 1), order.total));
    assert_eq!((order.status, order.money.captured_minor), (Status::Confirmed, order.total.amount_minor));
    assert!(matches!(apply(&order, Captured(1), 0), Ok(Outcome::Unchanged)), "a repeat gives nothing back again");
    let paid = order_after(&[&declined[..], &[Captured(1), Captured(2)]].concat());
    assert_eq!((paid.status, paid.money.captured_minor), (Status::Paid, 2 * paid.total.amount_minor));
}
