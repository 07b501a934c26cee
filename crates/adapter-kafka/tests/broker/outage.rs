//! A broker killed, and then stopped for a while, under load; it is one of this test's own.

use doos_adapter_kafka::KafkaBus;
use doos_domain::message::Consumer;
use doos_ports::Error;
use doos_ports::bus::EventBus;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::engine;
use crate::private::Broker;
use crate::words::{Clock, TICK, message, within};

/// How long the broker stays away: longer than a message may take, and than a member may be silent.
const AWAY: Duration = Duration::from_secs(6);

async fn tell(broker: &Arc<Broker>, verb: &'static str) {
    let broker = Arc::clone(broker);
    tokio::task::spawn_blocking(move || broker.tell(verb)).await.unwrap();
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

/// Reads until the writer has ended and the group has nothing before it any more. What was acknowledged and has not come
/// by then is on no broker. How long a reader takes to find a broker that came back says nothing, nor does a count, since
/// what was never acknowledged may come too.
async fn read(bus: &KafkaBus, seen: &Seen) -> BTreeSet<u64> {
    let mut arrived = BTreeSet::new();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    loop {
        // Asked before the poll: what was acknowledged by then has its place in the topic.
        let has_ended = seen.ended.load(Ordering::Acquire);
        let deliveries = subscription.poll(200).await.unwrap();
        arrived.extend(deliveries.iter().map(|delivery| delivery.message.order_id.get()));
        if let Some(last) = deliveries.last() {
            subscription.acknowledge(last.position).await.unwrap();
        } else {
            if has_ended && bus.lag(Consumer::Shipping).await.is_ok_and(|lag| lag == 0) {
                return arrived;
            }
            let _ = tokio::time::timeout(TICK, subscription.ready()).await;
        }
    }
}

async fn survives(broker: &Arc<Broker>, down: &'static str, up: &'static str) {
    let mut options = engine::options_at(&broker.address(), 8);
    options.publish_timeout_ms = 3_000;
    // A broker that has just been made makes its own topics when the first group comes.
    (options.join_timeout_ms, options.call_timeout_ms) = (60_000, 30_000);
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
        tell(broker, down).await;
        tokio::time::sleep(AWAY).await;
        let before = seen.acknowledged.load(Ordering::Acquire);
        tell(broker, up).await;
        let clock = Clock::start();
        within("the messages after the outage", taken(20)).await;
        println!("{down}: published again {} ms after it was back; {before} before", clock.elapsed_ms());
        within("the last messages", taken(400)).await;
        seen.end.store(true, Ordering::Release);
    };
    let all = async { futures::join!(direct, write(&bus, &seen), read(&bus, &seen)) };
    let ((), written, arrived) = tokio::time::timeout(Duration::from_secs(240), all).await.expect("it ends");
    println!("{down}: {written} acknowledged, unknown {:?}, refused {:?}", seen.unknown, seen.unavailable);
    let lost: Vec<u64> = (1..=written).filter(|number| !arrived.contains(number)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(seen.unknown.load(Ordering::Relaxed) + seen.unavailable.load(Ordering::Relaxed) > 0, "it was never away");
    assert!(!bus.stats().is_away);
    bus.close().await;
    engine::clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_and_one_stopped_lose_nothing_that_was_acknowledged() {
    let Some(broker) = tokio::task::spawn_blocking(Broker::start).await.unwrap() else { return };
    let broker = Arc::new(broker);
    survives(&broker, "kill", "start").await;
    survives(&broker, "pause", "resume").await;
    tokio::task::spawn_blocking(move || drop(broker)).await.unwrap();
}
