//! The real broker killed, and stopped for a while, under load.
//!
//! Everybody on this machine shares that broker, so these run only when asked for, one at a time:
//! `DOOS_TEST_OUTAGE=1 cargo test -p doos-adapter-kafka --test broker outage -- --test-threads=1 --nocapture`

use doos_adapter_kafka::KafkaBus;
use doos_domain::message::Consumer;
use doos_ports::Error;
use doos_ports::bus::EventBus;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::engine;
use crate::words::{Clock, TICK, message, within};

/// How long the broker stays away: longer than a message may take, and than a member may be silent.
const AWAY: Duration = Duration::from_secs(6);

/// A reader gives up on what does not come after so many looks, once nothing more is written.
const LOOKS_IN_VAIN_MAX: u32 = 500;

async fn service(verb: &'static str) {
    let ran = tokio::task::spawn_blocking(move || engine::services().args([verb, "kafka"]).status().unwrap());
    assert!(ran.await.unwrap().success(), "{verb}");
}

#[derive(Default)]
struct Seen {
    unknown: AtomicU64,
    unavailable: AtomicU64,
    acknowledged: AtomicU64,
    /// The writer is to end after the group that it is at.
    end: AtomicBool,
    /// It has ended: nothing will be acknowledged any more.
    ended: AtomicBool,
}

/// Hands over small groups one after the other, each until it is taken; ends when told to. Returns how many messages.
async fn write(bus: &KafkaBus, seen: &Seen) -> u64 {
    let mut next = 1;
    while !seen.end.load(Ordering::Acquire) {
        let group: Vec<_> = (next..next + 20).map(|number| message(number, 1)).collect();
        match bus.publish(group).await {
            Ok(()) => {
                next += 20;
                seen.acknowledged.store(next - 1, Ordering::Release);
            }
            Err(Error::Unknown { .. }) => {
                seen.unknown.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::Unavailable { .. }) => {
                seen.unavailable.fetch_add(1, Ordering::Relaxed);
            }
            Err(other) => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen.ended.store(true, Ordering::Release);
    next - 1
}

/// Reads until everything that was acknowledged to the writer has come, or nothing comes any more. What was never
/// acknowledged may come too, so the count alone says nothing.
async fn read(bus: &KafkaBus, seen: &Seen) -> BTreeSet<u64> {
    let mut arrived = BTreeSet::new();
    let mut looks_in_vain = 0;
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    loop {
        let deliveries = subscription.poll(200).await.unwrap();
        arrived.extend(deliveries.iter().map(|delivery| delivery.message.order_id.get()));
        if let Some(last) = deliveries.last() {
            looks_in_vain = 0;
            subscription.acknowledge(last.position).await.unwrap();
        } else {
            let acknowledged = seen.acknowledged.load(Ordering::Acquire);
            let all_came = || (1..=acknowledged).all(|number| arrived.contains(&number));
            if seen.ended.load(Ordering::Acquire) {
                if looks_in_vain >= LOOKS_IN_VAIN_MAX || all_came() {
                    return arrived;
                }
                looks_in_vain += 1;
            }
            let _ = tokio::time::timeout(TICK, subscription.ready()).await;
        }
    }
}

async fn survives(down: &'static str, up: &'static str) {
    if std::env::var("DOOS_TEST_OUTAGE").is_err() {
        println!("NOT RUN: it takes the broker from others; set DOOS_TEST_OUTAGE=1");
        return;
    }
    let Some(mut options) = engine::options(8) else { return };
    options.publish_timeout_ms = 3_000;
    let bus = engine::open(&options);
    bus.prepare().await.unwrap();
    let seen = Seen::default();
    let direct = async {
        let taken = async |count: u64| {
            let from = seen.acknowledged.load(Ordering::Acquire);
            while seen.acknowledged.load(Ordering::Acquire) < from + count {
                tokio::time::sleep(TICK).await;
            }
        };
        within("the first messages", taken(200)).await;
        service(down).await;
        tokio::time::sleep(AWAY).await;
        let before = seen.acknowledged.load(Ordering::Acquire);
        service(up).await;
        let clock = Clock::start();
        within("the messages after the outage", taken(20)).await;
        println!("{down}: published again {} ms after it was back; {before} before", clock.elapsed_ms());
        within("the last messages", taken(400)).await;
        seen.end.store(true, Ordering::Release);
    };
    let all = async { futures::join!(direct, write(&bus, &seen), read(&bus, &seen)) };
    let ((), written, arrived) = tokio::time::timeout(Duration::from_secs(180), all).await.expect("it ends");
    println!("{down}: {written} acknowledged, unknown {:?}, refused {:?}", seen.unknown, seen.unavailable);
    let lost: Vec<u64> = (1..=written).filter(|number| !arrived.contains(number)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(seen.unknown.load(Ordering::Relaxed) + seen.unavailable.load(Ordering::Relaxed) > 0, "it was never away");
    assert!(!bus.stats().is_away);
    bus.close().await;
    engine::clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_nothing_that_was_acknowledged() {
    survives("kill", "start").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_broker_loses_nothing_that_was_acknowledged() {
    survives("pause", "resume").await;
}
