//! Callbacks: signed, repeated until accepted, late, doubled, out of order; and the untrue ones.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use doos_adapter_standin::signature::{self, Rejected};
use doos_adapter_standin::{
    Callback, CallbackBody, CallbackEvent, CallbackSink, ProviderOptions, Receipt, StandinProvider,
};
use doos_domain::ids::RefundId;
use doos_domain::money::Currency;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::outside::PaymentProvider;
use futures::FutureExt;
use futures::future::{Either, select};
use tokio::sync::Notify;

use crate::clock::{HandClock, START_MS};
use crate::{charge, order};

const SECRET: &str = "only for these tests";

fn options() -> ProviderOptions {
    ProviderOptions::with_secret(SECRET.to_owned().into())
}

/// Turns down the first few and keeps everything it was sent, with the time.
#[derive(Default)]
struct Letterbox {
    refusals_left: Mutex<usize>,
    received: Mutex<Vec<Callback>>,
    arrived: Notify,
}

impl Letterbox {
    fn refusing(count: usize) -> Self {
        Self { refusals_left: Mutex::new(count), ..Self::default() }
    }

    fn take(&self) -> Vec<Callback> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

#[async_trait]
impl CallbackSink for Letterbox {
    async fn post(&self, callback: Callback) -> Receipt {
        self.received.lock().unwrap().push(callback);
        self.arrived.notify_one();
        let mut refusals_left = self.refusals_left.lock().unwrap();
        if *refusals_left == 0 {
            return Receipt::Accepted;
        }
        *refusals_left -= 1;
        Receipt::Refused
    }
}

/// Never answers.
struct Silence;

#[async_trait]
impl CallbackSink for Silence {
    async fn post(&self, _callback: Callback) -> Receipt {
        std::future::pending().await
    }
}

fn verified(callback: &Callback, now: Timestamp) -> Result<Timestamp, Rejected> {
    let (header, body) = (&callback.signature, &callback.body);
    signature::verify(SECRET.as_bytes(), header, body, now, signature::TOLERANCE_MS)
}

fn body(callback: &Callback) -> CallbackBody {
    serde_json::from_slice(&callback.body).unwrap()
}

fn events(callbacks: &[Callback]) -> Vec<CallbackEvent> {
    callbacks.iter().map(|callback| body(callback).event).collect()
}

#[tokio::test]
async fn a_capture_is_told_once_signed_and_in_the_written_form() {
    let clock = HandClock::drawing([0xabc]);
    let provider = StandinProvider::new(options(), Arc::clone(&clock) as _);
    let letterbox = Letterbox::default();
    provider.capture(&charge(7)).await.unwrap();
    let delivery = provider.deliver_due(clock.now(), &letterbox).await;
    assert_eq!((delivery.sent, delivery.next_due), (1, None));
    assert_eq!(provider.deliver_due(clock.now(), &letterbox).await.sent, 0);

    let received = letterbox.take();
    let [callback] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(verified(callback, clock.now()), Ok(clock.now()));
    let text = std::str::from_utf8(&callback.body).unwrap();
    let reference = body(callback).provider_reference;
    let expected = format!(
        concat!(
            r#"{{"attempt_id":"pay_7_1","order_id":"7","amount_minor":19998,"currency":"CNY","event":"captured","#,
            r#""provider_reference":"{}","nonce":"0000000000000abc","sent_at_ms":{}}}"#
        ),
        reference, START_MS
    );
    assert_eq!(text, expected);
    let answer = provider.query(&charge(7)).await.unwrap();
    assert_eq!(answer, doos_ports::outside::AttemptAnswer::Captured { provider_reference: reference });
}

#[tokio::test]
async fn declines_closings_and_refunds_are_told_too() {
    let clock = HandClock::drawing([999, 0]);
    let options = ProviderOptions { decline_per_mille: 1, ..options() };
    let provider = StandinProvider::new(options, Arc::clone(&clock) as _);
    let letterbox = Letterbox::default();
    provider.capture(&charge(1)).await.unwrap();
    provider.capture(&charge(2)).await.unwrap();
    provider.close(&charge(3)).await.unwrap();
    let number = provider.refund(&RefundId::nth(order(1), 1), &charge(1)).await.unwrap();
    provider.deliver_due(clock.now(), &letterbox).await;
    let received = letterbox.take();
    use CallbackEvent::{Captured, Closed, Refunded};
    assert_eq!(events(&received), [Captured, Closed, Closed, Refunded]);
    let refund = body(&received[3]);
    assert_eq!(refund.refund_id, Some(RefundId::nth(order(1), 1)));
    assert_eq!(refund.provider_reference, number);
}

#[tokio::test]
async fn a_callback_that_is_not_accepted_comes_again_by_the_schedule_freshly_signed() {
    let clock = HandClock::new();
    let retry = vec![15_000, 30_000];
    let provider =
        StandinProvider::new(ProviderOptions { callback_retry_ms: retry, ..options() }, Arc::clone(&clock) as _);
    let letterbox = Letterbox::refusing(2);
    provider.capture(&charge(7)).await.unwrap();
    for (wait_ms, is_last) in [(15_000, false), (30_000, false), (0, true)] {
        let delivery = provider.deliver_due(clock.now(), &letterbox).await;
        assert_eq!(delivery.sent, 1);
        assert_eq!(delivery.next_due, (!is_last).then(|| clock.now().plus_millis(wait_ms)));
        let ms = u64::try_from(wait_ms).unwrap();
        clock.advance_ms(ms.saturating_sub(1));
        assert_eq!(provider.deliver_due(clock.now(), &letterbox).await.sent, 0);
        clock.advance_ms(ms.min(1));
    }
    let received = letterbox.take();
    for (callback, after_ms) in received.iter().zip([0, 15_000, 45_000]) {
        let sent_at = Timestamp::from_millis(START_MS + after_ms);
        assert_eq!(verified(callback, sent_at), Ok(sent_at));
        assert_eq!(body(callback).sent_at_ms, sent_at.as_millis());
    }
    assert_ne!(body(&received[0]).nonce, body(&received[1]).nonce);
    assert_eq!((provider.callbacks_waiting(), provider.callbacks_lost()), (0, 0));
}

#[tokio::test]
async fn a_callback_that_nobody_ever_accepts_is_given_up_at_the_end_of_the_schedule() {
    let clock = HandClock::new();
    let provider = StandinProvider::new(options(), Arc::clone(&clock) as _);
    let letterbox = Letterbox::refusing(usize::MAX);
    provider.capture(&charge(7)).await.unwrap();
    let mut sendings = 0;
    while let Some(due) = provider.deliver_due(clock.now(), &letterbox).await.next_due {
        sendings += 1;
        assert!(sendings < 100, "the schedule has no end");
        clock.advance_ms(u64::try_from(due.millis_since(clock.now())).unwrap());
    }
    // Fifteen intervals, 24 hours and 4 minutes in all.
    assert_eq!((sendings, letterbox.take().len()), (15, 16));
    assert_eq!(clock.elapsed_ms(), (24 * 60 + 4) * 60_000);
    assert_eq!((provider.callbacks_waiting(), provider.callbacks_lost()), (0, 1));
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_has_not_accepted() {
    let clock = HandClock::new();
    let provider = StandinProvider::new(options(), Arc::clone(&clock) as _);
    provider.capture(&charge(7)).await.unwrap();
    let delivery = provider.deliver_due(clock.now(), &Silence).await;
    assert_eq!(clock.elapsed_ms(), 5_000);
    assert_eq!(delivery.next_due, Some(Timestamp::from_millis(START_MS + 15_000)));
}

#[tokio::test]
async fn an_accepted_callback_is_repeated_as_often_as_told() {
    let clock = HandClock::new();
    let provider = StandinProvider::new(ProviderOptions { callback_repeats: 2, ..options() }, Arc::clone(&clock) as _);
    let letterbox = Letterbox::default();
    provider.capture(&charge(7)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(provider.deliver_due(clock.now(), &letterbox).await.sent, 1);
    }
    assert_eq!(provider.deliver_due(clock.now(), &letterbox).await.sent, 0);
    let received = letterbox.take();
    assert_eq!(events(&received), [CallbackEvent::Captured; 3]);
    assert!(received.iter().all(|callback| verified(callback, clock.now()).is_ok()));
}

#[tokio::test]
async fn a_delayed_callback_is_not_sent_before_its_time() {
    let clock = HandClock::new();
    let options = ProviderOptions { callback_delay_ms: 500, ..options() };
    let provider = StandinProvider::new(options, Arc::clone(&clock) as _);
    let letterbox = Letterbox::default();
    provider.capture(&charge(7)).await.unwrap();
    clock.advance_ms(499);
    assert_eq!(provider.deliver_due(clock.now(), &letterbox).await.sent, 0);
    clock.advance_ms(1);
    assert_eq!(provider.deliver_due(clock.now(), &letterbox).await.sent, 1);
}

#[tokio::test]
async fn callbacks_overtake_each_other_when_told_to() {
    let clock = HandClock::drawing([900, 10]);
    let options = ProviderOptions { callback_reorder_within_ms: 1_000, ..options() };
    let provider = StandinProvider::new(options, Arc::clone(&clock) as _);
    let letterbox = Letterbox::default();
    provider.capture(&charge(7)).await.unwrap();
    provider.refund(&RefundId::nth(order(7), 1), &charge(7)).await.unwrap();
    clock.advance_ms(1_000);
    provider.deliver_due(clock.now(), &letterbox).await;
    assert_eq!(events(&letterbox.take()), [CallbackEvent::Refunded, CallbackEvent::Captured]);
}

#[tokio::test]
async fn every_kind_of_forgery_fails_verification_and_is_sent_once() {
    for draw in 0..3 {
        // The first draw decides that there is a forgery, the second of which kind.
        let clock = HandClock::drawing([0, draw]);
        let options = ProviderOptions { forge_per_mille: 1, ..options() };
        let provider = StandinProvider::new(options, Arc::clone(&clock) as _);
        let letterbox = Letterbox::refusing(1);
        provider.capture(&charge(7)).await.unwrap();
        provider.deliver_due(clock.now(), &letterbox).await;
        let received = letterbox.take();
        let [forged, genuine] = received.as_slice() else { panic!("{received:?}") };
        assert_eq!(verified(forged, clock.now()), Err(Rejected::Mismatch), "kind {draw}");
        assert!(verified(genuine, clock.now()).is_ok());
        let told = (body(forged).amount_minor, body(forged).order_id);
        let expected = [(19_998, order(7)), (1, order(7)), (19_998, order(6))];
        assert_eq!(told, expected[usize::try_from(draw).unwrap()]);
        // It was the forgery that was turned down, and it does not come again.
        assert_eq!(provider.callbacks_waiting(), 0);
    }
}

#[tokio::test]
async fn a_forger_says_captured_where_no_money_moved() {
    let clock = HandClock::drawing([0, 0]);
    let provider = StandinProvider::new(ProviderOptions { forge_per_mille: 1, ..options() }, Arc::clone(&clock) as _);
    let letterbox = Letterbox::default();
    provider.close(&charge(7)).await.unwrap();
    provider.deliver_due(clock.now(), &letterbox).await;
    assert_eq!(events(&letterbox.take()), [CallbackEvent::Captured, CallbackEvent::Closed]);
}

#[tokio::test]
async fn a_mistaken_callback_is_truly_signed_and_differs_in_amount_currency_or_order() {
    let expected = [(1, Currency::Cny, order(7)), (19_998, Currency::Krw, order(7)), (19_998, Currency::Cny, order(6))];
    for (draw, expected) in (0..).zip(expected) {
        let clock = HandClock::drawing([0, draw]);
        let options = ProviderOptions { mistake_per_mille: 1, ..options() };
        let provider = StandinProvider::new(options, Arc::clone(&clock) as _);
        let letterbox = Letterbox::default();
        provider.capture(&charge(7)).await.unwrap();
        provider.deliver_due(clock.now(), &letterbox).await;
        let received = letterbox.take();
        let [mistaken, genuine] = received.as_slice() else { panic!("{received:?}") };
        assert!(verified(mistaken, clock.now()).is_ok() && verified(genuine, clock.now()).is_ok());
        let told = body(mistaken);
        assert_eq!((told.amount_minor, told.currency, told.order_id), expected);
    }
}

#[tokio::test]
async fn during_an_outage_no_callback_is_sent() {
    let clock = HandClock::new();
    let provider = StandinProvider::new(options(), Arc::clone(&clock) as _);
    let letterbox = Letterbox::default();
    provider.capture(&charge(7)).await.unwrap();
    provider.set_outage(true);
    assert_eq!(provider.deliver_due(clock.now(), &letterbox).await.sent, 0);
    provider.set_outage(false);
    assert_eq!(provider.deliver_due(clock.now(), &letterbox).await.sent, 1);
}

#[tokio::test]
async fn what_does_not_fit_the_queue_is_dropped_and_counted() {
    let clock = HandClock::new();
    let options = ProviderOptions { callbacks_waiting_max: 2, ..options() };
    let provider = StandinProvider::new(options, Arc::clone(&clock) as _);
    for number in 1..=5 {
        provider.capture(&charge(number)).await.unwrap();
    }
    assert_eq!((provider.callbacks_waiting(), provider.callbacks_lost()), (2, 3));
}

#[tokio::test]
async fn a_sender_that_is_dropped_half_way_leaves_the_callback_to_the_next() {
    let clock = HandClock::new();
    clock.stand_still();
    let provider = StandinProvider::new(options(), Arc::clone(&clock) as _);
    let letterbox = Letterbox::default();
    provider.capture(&charge(7)).await.unwrap();
    assert_eq!(provider.deliver_due(clock.now(), &Silence).now_or_never(), None);
    assert_eq!(provider.deliver_due(clock.now(), &letterbox).await.sent, 1);
    assert_eq!(events(&letterbox.take()), [CallbackEvent::Captured]);
}

#[tokio::test]
async fn the_standing_sender_wakes_for_new_callbacks_and_for_those_due_again() {
    let clock = HandClock::new();
    let provider = StandinProvider::new(options(), Arc::clone(&clock) as _);
    let letterbox = Letterbox::refusing(3);
    let shop = async {
        for number in 1..=3 {
            provider.capture(&charge(number)).await.unwrap();
            letterbox.arrived.notified().await;
        }
        while provider.callbacks_waiting() > 0 {
            letterbox.arrived.notified().await;
            tokio::task::yield_now().await;
        }
    };
    let sent = async {
        match select(std::pin::pin!(shop), std::pin::pin!(provider.deliver(&letterbox))).await {
            Either::Left(((), _)) => {}
            Either::Right((never, _)) => never,
        }
    };
    // A deadline for a sender that sleeps through a callback, and nothing that a good one ever waits for.
    tokio::time::timeout(Duration::from_secs(20), sent).await.unwrap();
    assert_eq!(letterbox.take().len(), 6);
    assert!(clock.elapsed_ms() >= 15_000);
}
