//! Parcels: one an order, called back for good, arrived when it is time, and known again after a restart.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;

use doos_adapter_standin::{CarrierOptions, StandinCarrier, carrier::LOG_FILE};
use doos_domain::ids::ProductId;
use doos_domain::message::Demand;
use doos_domain::shipping::Parcel;
use doos_ports::outside::Carrier;

use crate::clock::HandClock;
use crate::{is_refused, is_unclear, order};

fn parcel() -> Parcel {
    Parcel { lines: vec![Demand { product_id: ProductId::new(101).unwrap(), qty: 2 }], address: None }
}

fn delivering_after(ms: u64) -> CarrierOptions {
    CarrierOptions { deliver_after_ms: Some(ms), ..CarrierOptions::default() }
}

#[tokio::test]
async fn one_order_is_one_parcel_with_one_tracking_number() {
    let clock = HandClock::new();
    let carrier = StandinCarrier::new(delivering_after(100), Arc::clone(&clock) as _);
    let tracking = carrier.ship(order(7), &parcel()).await.unwrap();
    assert_eq!(tracking, "DS0000000000000000007");
    clock.advance_ms(60);
    assert_eq!(carrier.ship(order(7), &parcel()).await.unwrap(), tracking);
    // The second asking did not start the journey anew.
    clock.advance_ms(40);
    assert!(carrier.is_delivered(order(7), &tracking).await.unwrap());
    assert_ne!(carrier.ship(order(8), &parcel()).await.unwrap(), tracking);
}

#[tokio::test]
async fn an_empty_parcel_is_refused() {
    let carrier = StandinCarrier::new(CarrierOptions::default(), HandClock::new());
    assert!(is_refused(&carrier.ship(order(7), &Parcel { lines: vec![], address: None }).await));
}

#[tokio::test]
async fn a_parcel_arrives_when_it_is_time_or_never_by_itself() {
    let clock = HandClock::new();
    for (options, arrives) in [(delivering_after(1_000), true), (CarrierOptions::default(), false)] {
        let carrier = StandinCarrier::new(options, Arc::clone(&clock) as _);
        let tracking = carrier.ship(order(7), &parcel()).await.unwrap();
        clock.advance_ms(999);
        assert!(!carrier.is_delivered(order(7), &tracking).await.unwrap());
        clock.advance_ms(1);
        assert_eq!(carrier.is_delivered(order(7), &tracking).await.unwrap(), arrives);
        clock.advance_ms(u64::from(u32::MAX));
        assert_eq!(carrier.is_delivered(order(7), &tracking).await.unwrap(), arrives);
    }
}

#[tokio::test]
async fn a_parcel_called_back_on_its_way_never_arrives_and_asking_twice_is_harmless() {
    let clock = HandClock::new();
    let carrier = StandinCarrier::new(delivering_after(100), Arc::clone(&clock) as _);
    let tracking = carrier.ship(order(7), &parcel()).await.unwrap();
    clock.advance_ms(50);
    carrier.recall(order(7), &tracking).await.unwrap();
    clock.advance_ms(500);
    carrier.recall(order(7), &tracking).await.unwrap();
    assert_eq!(carrier.ship(order(7), &parcel()).await.unwrap(), tracking);
    clock.advance_ms(500);
    assert!(!carrier.is_delivered(order(7), &tracking).await.unwrap());
}

#[tokio::test]
async fn a_parcel_that_had_arrived_stays_arrived_when_it_is_called_back() {
    let clock = HandClock::new();
    let carrier = StandinCarrier::new(delivering_after(100), Arc::clone(&clock) as _);
    let tracking = carrier.ship(order(7), &parcel()).await.unwrap();
    clock.advance_ms(101);
    carrier.recall(order(7), &tracking).await.unwrap();
    assert!(carrier.is_delivered(order(7), &tracking).await.unwrap());
}

#[tokio::test]
async fn an_unknown_parcel_or_a_wrong_tracking_number_is_refused() {
    let carrier = StandinCarrier::new(CarrierOptions::default(), HandClock::new());
    let tracking = carrier.ship(order(7), &parcel()).await.unwrap();
    assert!(is_refused(&carrier.recall(order(8), &tracking).await));
    assert!(is_refused(&carrier.recall(order(7), "DS8").await));
    assert!(is_refused(&carrier.is_delivered(order(8), &tracking).await));
    assert!(is_refused(&carrier.is_delivered(order(7), "DS8").await));
}

#[tokio::test]
async fn a_failed_call_may_have_taken_the_parcel_and_asking_again_takes_it_once() {
    let options = || CarrierOptions { fail_per_mille: 1, ..delivering_after(100) };
    // The second draw says whether the reply (odd) or the request (even) was lost.
    for (lost, was_taken) in [(1, true), (0, false)] {
        let clock = HandClock::drawing([0, lost]);
        let carrier = StandinCarrier::new(options(), Arc::clone(&clock) as _);
        assert!(is_unclear(&carrier.ship(order(7), &parcel()).await));
        clock.advance_ms(60);
        let tracking = carrier.ship(order(7), &parcel()).await.unwrap();
        clock.advance_ms(60);
        assert_eq!(carrier.is_delivered(order(7), &tracking).await.unwrap(), was_taken);
    }
}

#[tokio::test]
async fn an_outage_and_a_latency_are_what_the_options_say() {
    let clock = HandClock::new();
    let options = CarrierOptions { outage: true, latency_ms: 25, ..CarrierOptions::default() };
    let carrier = StandinCarrier::new(options, Arc::clone(&clock) as _);
    assert!(is_unclear(&carrier.ship(order(7), &parcel()).await));
    carrier.set_outage(false);
    assert!(is_refused(&carrier.recall(order(7), "DS0000000000000000007").await));
    assert_eq!(clock.elapsed_ms(), 25);
    let tracking = carrier.ship(order(7), &parcel()).await.unwrap();
    carrier.set_outage(true);
    assert!(is_unclear(&carrier.is_delivered(order(7), &tracking).await));
    assert!(is_unclear(&carrier.recall(order(7), &tracking).await));
}

#[tokio::test]
async fn the_books_are_known_again_after_a_restart_with_a_torn_last_line() {
    let directory = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let open = || StandinCarrier::open(delivering_after(100), Arc::clone(&clock) as _, directory.path()).unwrap();
    let first = open();
    let kept = first.ship(order(7), &parcel()).await.unwrap();
    let recalled = first.ship(order(8), &parcel()).await.unwrap();
    first.recall(order(8), &recalled).await.unwrap();
    drop(first);

    let mut file = OpenOptions::new().append(true).open(directory.path().join(LOG_FILE)).unwrap();
    file.write_all(br#"{"shipped":{"order_id":"9""#).unwrap();
    clock.advance_ms(100);
    let second = open();
    assert!(second.is_delivered(order(7), &kept).await.unwrap());
    assert!(!second.is_delivered(order(8), &recalled).await.unwrap());
    assert!(is_refused(&second.is_delivered(order(9), "DS0000000000000000009").await));
    second.ship(order(9), &parcel()).await.unwrap();
    drop(second);
    assert!(!open().is_delivered(order(9), "DS0000000000000000009").await.unwrap());
}
