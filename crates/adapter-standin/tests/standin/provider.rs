//! Money: once per key, settled for ever, never more back than was taken, and known again after a restart.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;

use doos_adapter_standin::{OpenError, ProviderOptions, StandinProvider, provider::LOG_FILE};
use doos_domain::ids::{AttemptId, RefundId};
use doos_domain::money::{Currency, Money};
use doos_ports::outside::{AttemptAnswer, Charge, PaymentProvider};

use crate::clock::HandClock;
use crate::{charge, is_refused, is_unclear, of_amount, order};

fn options() -> ProviderOptions {
    ProviderOptions::with_secret("only for these tests".to_owned().into())
}

fn provider() -> StandinProvider {
    StandinProvider::new(options(), HandClock::new())
}

fn refund_id(number: usize) -> RefundId {
    RefundId::nth(order(7), number)
}

fn is_captured(answer: &AttemptAnswer) -> bool {
    matches!(answer, AttemptAnswer::Captured { .. })
}

fn is_closed(answer: &AttemptAnswer) -> bool {
    matches!(answer, AttemptAnswer::Closed { .. })
}

/// Behaves as told for the first draws; see `HandClock`.
fn unclear_provider(draws: [u64; 2]) -> StandinProvider {
    StandinProvider::new(ProviderOptions { unclear_per_mille: 1, ..options() }, HandClock::drawing(draws))
}

#[tokio::test]
async fn an_attempt_asked_twice_takes_money_once() {
    let provider = provider();
    let first = provider.capture(&charge(7)).await.unwrap();
    assert!(is_captured(&first));
    assert_eq!(provider.capture(&charge(7)).await.unwrap(), first);
    assert_eq!(provider.query(&charge(7)).await.unwrap(), first);
    assert_eq!(provider.callbacks_waiting(), 1);
    let all = of_amount(&charge(7), 19_998);
    provider.refund(&refund_id(1), &all).await.unwrap();
    assert!(is_refused(&provider.refund(&refund_id(2), &of_amount(&all, 1)).await));
}

#[tokio::test]
async fn two_attempts_are_two_captures_with_numbers_of_their_own() {
    let provider = provider();
    let other = Charge { attempt_id: AttemptId::nth(order(7), 2), ..charge(7) };
    let (first, second) = (provider.capture(&charge(7)).await.unwrap(), provider.capture(&other).await.unwrap());
    assert!(is_captured(&first) && is_captured(&second));
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_known_attempt_with_another_amount_currency_or_order_is_refused() {
    let provider = provider();
    provider.capture(&charge(7)).await.unwrap();
    let other_currency = Charge { amount: Money::new(19_998, Currency::Usd), ..charge(7) };
    let other_order = Charge { order_id: order(8), ..charge(7) };
    for wrong in [of_amount(&charge(7), 19_997), other_currency, other_order] {
        assert!(is_refused(&provider.capture(&wrong).await), "{wrong:?}");
        assert!(is_refused(&provider.close(&wrong).await), "{wrong:?}");
        assert!(is_refused(&provider.query(&wrong).await), "{wrong:?}");
    }
    for amount_minor in [0, -1, i64::MIN] {
        assert!(is_refused(&provider.capture(&of_amount(&charge(9), amount_minor)).await));
    }
}

#[tokio::test]
async fn a_reply_lost_after_the_capture_is_found_by_asking() {
    let provider = unclear_provider([0, 1]);
    assert!(is_unclear(&provider.capture(&charge(7)).await));
    assert!(is_captured(&provider.query(&charge(7)).await.unwrap()));
    assert_eq!(provider.callbacks_waiting(), 1);
}

#[tokio::test]
async fn a_request_lost_on_its_way_has_done_nothing_and_may_be_sent_again() {
    let provider = unclear_provider([0, 0]);
    assert!(is_unclear(&provider.capture(&charge(7)).await));
    assert_eq!(provider.query(&charge(7)).await.unwrap(), AttemptAnswer::Open);
    assert_eq!(provider.callbacks_waiting(), 0);
    assert!(is_captured(&provider.capture(&charge(7)).await.unwrap()));
}

#[tokio::test]
async fn of_a_thousand_unclear_captures_some_took_money_and_some_did_not() {
    let options = ProviderOptions { unclear_per_mille: 1_000, ..options() };
    let provider = StandinProvider::new(options, HandClock::new());
    for number in 1..=1_000 {
        assert!(is_unclear(&provider.capture(&charge(number)).await));
    }
    let captured = provider.callbacks_waiting();
    assert!((400..600).contains(&captured), "{captured}");
}

#[tokio::test]
async fn a_declined_attempt_stays_declined_and_another_may_succeed() {
    let options = ProviderOptions { decline_per_mille: 1, ..options() };
    let provider = StandinProvider::new(options, HandClock::drawing([0]));
    let declined = AttemptAnswer::Closed { cause: "declined".into() };
    assert_eq!(provider.capture(&charge(7)).await.unwrap(), declined);
    assert_eq!(provider.capture(&charge(7)).await.unwrap(), declined);
    assert_eq!(provider.query(&charge(7)).await.unwrap(), declined);
    let second = Charge { attempt_id: AttemptId::nth(order(7), 2), ..charge(7) };
    assert!(is_captured(&provider.capture(&second).await.unwrap()));
}

#[tokio::test]
async fn what_was_closed_before_its_capture_never_takes_money() {
    let provider = provider();
    assert!(is_closed(&provider.close(&charge(7)).await.unwrap()));
    assert!(is_closed(&provider.capture(&charge(7)).await.unwrap()));
    assert!(is_closed(&provider.close(&charge(7)).await.unwrap()));
    assert!(is_closed(&provider.query(&charge(7)).await.unwrap()));
    assert!(is_refused(&provider.refund(&refund_id(1), &charge(7)).await));
}

#[tokio::test]
async fn closing_what_was_captured_says_captured() {
    let provider = provider();
    let captured = provider.capture(&charge(7)).await.unwrap();
    assert_eq!(provider.close(&charge(7)).await.unwrap(), captured);
    assert_eq!(provider.query(&charge(7)).await.unwrap(), captured);
}

#[tokio::test]
async fn a_refund_asked_twice_gives_back_once() {
    let provider = provider();
    provider.capture(&charge(7)).await.unwrap();
    let half = of_amount(&charge(7), 9_999);
    let number = provider.refund(&refund_id(1), &half).await.unwrap();
    assert_eq!(provider.refund(&refund_id(1), &half).await.unwrap(), number);
    // Had the repeat given back again, nothing would be left for the other half.
    assert_ne!(provider.refund(&refund_id(2), &half).await.unwrap(), number);
    assert!(is_refused(&provider.refund(&refund_id(3), &of_amount(&half, 1)).await));
    assert!(is_refused(&provider.refund(&refund_id(1), &of_amount(&half, 1)).await));
}

#[tokio::test]
async fn fifty_refunds_at_once_never_give_back_more_than_was_captured() {
    let provider = provider();
    provider.capture(&charge(7)).await.unwrap();
    let part = of_amount(&charge(7), 11_998);
    let refunds: Vec<_> = (1..=50).map(refund_id).collect();
    let answers = futures::future::join_all(refunds.iter().map(|id| provider.refund(id, &part))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(answers.iter().filter(|answer| is_refused(answer)).count(), 49);
}

#[tokio::test]
async fn a_refund_without_capture_or_of_another_order_currency_or_sign_is_refused() {
    let provider = provider();
    assert!(is_refused(&provider.refund(&refund_id(1), &charge(7)).await));
    provider.capture(&charge(7)).await.unwrap();
    let other_order = Charge { order_id: order(8), ..charge(7) };
    let other_currency = Charge { amount: Money::new(1, Currency::Usd), ..charge(7) };
    for wrong in [other_order, other_currency, of_amount(&charge(7), 0), of_amount(&charge(7), -5)] {
        assert!(is_refused(&provider.refund(&refund_id(1), &wrong).await), "{wrong:?}");
    }
    assert!(provider.refund(&refund_id(1), &charge(7)).await.is_ok());
}

#[tokio::test]
async fn an_outage_answers_nothing_and_ends_when_told() {
    let provider = provider();
    provider.capture(&charge(7)).await.unwrap();
    provider.set_outage(true);
    assert!(is_unclear(&provider.capture(&charge(8)).await));
    assert!(is_unclear(&provider.close(&charge(8)).await));
    assert!(is_unclear(&provider.query(&charge(7)).await));
    assert!(is_unclear(&provider.refund(&refund_id(1), &charge(7)).await));
    provider.set_outage(false);
    assert_eq!(provider.query(&charge(8)).await.unwrap(), AttemptAnswer::Open);
    assert!(is_captured(&provider.query(&charge(7)).await.unwrap()));
}

#[tokio::test]
async fn a_call_takes_its_latency() {
    let clock = HandClock::new();
    let provider = StandinProvider::new(ProviderOptions { latency_ms: 30, ..options() }, Arc::clone(&clock) as _);
    provider.capture(&charge(7)).await.unwrap();
    assert_eq!(clock.elapsed_ms(), 30);
}

#[tokio::test]
async fn the_books_are_known_again_after_a_restart_with_a_torn_last_line() {
    let directory = tempfile::tempdir().unwrap();
    let open = || StandinProvider::open(options(), HandClock::new(), directory.path()).unwrap();
    let half = of_amount(&charge(7), 9_999);
    let first = open();
    let captured = first.capture(&charge(7)).await.unwrap();
    let number = first.refund(&refund_id(1), &half).await.unwrap();
    first.close(&charge(8)).await.unwrap();
    drop(first);

    let path = directory.path().join(LOG_FILE);
    let torn = br#"{"captured":{"attempt_id":"pay_9_1","order_id":"9","#;
    OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
    let second = open();
    assert_eq!(second.query(&charge(9)).await.unwrap(), AttemptAnswer::Open);
    assert_eq!(second.capture(&charge(7)).await.unwrap(), captured);
    assert_eq!(second.refund(&refund_id(1), &half).await.unwrap(), number);
    second.refund(&refund_id(2), &half).await.unwrap();
    second.capture(&charge(9)).await.unwrap();
    drop(second);

    let third = open();
    assert!(is_refused(&third.refund(&refund_id(3), &of_amount(&half, 1)).await));
    assert!(is_closed(&third.capture(&charge(8)).await.unwrap()));
    assert!(is_captured(&third.query(&charge(9)).await.unwrap()));
}

#[tokio::test]
async fn a_declined_attempt_stays_declined_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let declining = ProviderOptions { decline_per_mille: 1_000, ..options() };
    let first = StandinProvider::open(declining, HandClock::new(), directory.path()).unwrap();
    let declined = first.capture(&charge(7)).await.unwrap();
    assert!(is_closed(&declined));
    drop(first);
    let second = StandinProvider::open(options(), HandClock::new(), directory.path()).unwrap();
    assert_eq!(second.capture(&charge(7)).await.unwrap(), declined);
}

#[tokio::test]
async fn many_callers_at_once_are_all_on_disk_when_they_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let provider = StandinProvider::open(options(), HandClock::new(), directory.path()).unwrap();
    let charges: Vec<_> = (1..=200).map(charge).collect();
    let answers = futures::future::join_all(charges.iter().map(|charge| provider.capture(charge))).await;
    assert!(answers.iter().all(|answer| is_captured(answer.as_ref().unwrap())));
    let again = StandinProvider::open(options(), HandClock::new(), directory.path()).unwrap();
    for charge in &charges {
        assert!(is_captured(&again.query(charge).await.unwrap()));
    }
}

#[test]
fn books_that_cannot_be_read_are_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(LOG_FILE), "{\"captured\":{}}\n").unwrap();
    let refused = StandinProvider::open(options(), HandClock::new(), directory.path()).err();
    assert!(matches!(refused, Some(OpenError::BadLine { line_number: 1, .. })), "{refused:?}");
}
