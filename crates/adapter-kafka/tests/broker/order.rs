//! What an order's messages may rely on, and what becomes of them when readers come, go and die.

use doos_adapter_kafka::KafkaBus;
use doos_domain::message::{Consumer, Message};
use doos_ports::bus::EventBus;
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::engine;
use crate::words::{TICK, ids, message, read, within};

/// Where a child process finds its topics.
const CHILD_TOPICS: &str = "DOOS_TEST_CHILD_TOPICS";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_one_order_keep_their_order_among_concurrent_writers() {
    let Some(options) = engine::options(8) else { return };
    let buses = [engine::open(&options), engine::open(&options)];
    buses[0].prepare().await.unwrap();
    let (orders_each, messages_each) = (25_u64, 20_u32);
    // Each writer has orders of its own, and hands over the next message once the last is published, in small groups.
    let writers = (0..4_u64).map(|writer| {
        let bus = &buses[(writer % 2) as usize];
        async move {
            for first in (1..=messages_each).step_by(4) {
                let group = (0..orders_each).flat_map(|number| {
                    (first..first + 4).map(move |version| message(writer * 1_000 + number + 1, version))
                });
                bus.publish(group.collect()).await.unwrap();
            }
        }
    });
    within("writing", join_all(writers)).await;
    let mut subscription = buses[0].subscribe(Consumer::Shipping).await.unwrap();
    let count = (4 * orders_each * u64::from(messages_each)) as usize;
    let mut last: BTreeMap<_, u32> = BTreeMap::new();
    for delivery in read(&mut subscription, count).await {
        let before = last.insert(delivery.message.order_id, delivery.message.order_version).unwrap_or(0);
        assert_eq!(delivery.message.order_version, before + 1, "{} has overtaken", delivery.message.id);
    }
    assert_eq!(last.len(), 4 * orders_each as usize);
    assert!(last.values().all(|version| *version == messages_each));
    drop(subscription);
    buses[0].close().await;
    engine::clean_up(&options).await;
}

/// Not a test of its own: what the process does that the next test kills. Without its topics it has nothing to do.
#[tokio::test]
async fn child_that_reads_ten_and_settles_four() {
    let Ok(prefix) = std::env::var(CHILD_TOPICS) else { return };
    let Some(mut options) = engine::options(4) else { return };
    options.topic_prefix = prefix;
    let bus = engine::open(&options);
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let deliveries = read(&mut subscription, 10).await;
    subscription.acknowledge(deliveries[3].position).await.unwrap();
    // Polls on as a consumer does until the commit is known to be on the broker.
    let committed = async {
        while bus.stats().consumers.iter().all(|consumer| consumer.commits == 0) {
            let _ = tokio::time::timeout(TICK, subscription.ready()).await;
        }
    };
    within("the commit", committed).await;
    println!("settled {}", ids(&deliveries[..4]).join(" "));
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_killed_before_it_acknowledges_loses_nothing() {
    let Some(options) = engine::options(4) else { return };
    let bus = engine::open(&options);
    bus.publish((1..=10).map(|number| message(number, 1)).collect()).await.unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "order::child_that_reads_ten_and_settles_four"])
        .env(CHILD_TOPICS, &options.topic_prefix)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let settled = lines.map(|line| line.split_once("settled ").map(|(_, ids)| ids.to_owned())).find_map(|ids| ids);
    child.kill().unwrap();
    child.wait().unwrap();
    let settled: BTreeSet<String> = settled.expect("the child settles four").split(' ').map(str::to_owned).collect();
    assert_eq!(settled.len(), 4);
    // The group waits out the dead member's session, then the newcomer has all partitions.
    let mut subscription = within("joining", bus.subscribe(Consumer::Shipping)).await.unwrap();
    let again: BTreeSet<String> = ids(&read(&mut subscription, 6).await).into_iter().collect();
    let all: BTreeSet<String> = (1..=10).map(|number| format!("{number}.1")).collect();
    assert_eq!(again, &all - &settled, "what was settled and committed stays done, all else comes again");
    drop(subscription);
    bus.close().await;
    engine::clean_up(&options).await;
}

/// What two readers do, each message counted by its id, as a consumer's database would.
#[derive(Default)]
struct Effects {
    counts: Mutex<BTreeMap<String, u32>>,
    distinct: AtomicUsize,
}

impl Effects {
    fn apply(&self, message: &Message) {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(message.id.as_str().to_owned()).or_default();
        *count += 1;
        self.distinct.store(counts.len(), Ordering::Release);
    }

    fn distinct(&self) -> usize {
        self.distinct.load(Ordering::Acquire)
    }
}

/// Works until it is told that it has done enough; says how many messages it was handed.
async fn work(bus: &KafkaBus, effects: &Effects, is_enough: impl Fn(usize) -> bool) -> usize {
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let mut handed = 0;
    while !is_enough(handed) {
        let deliveries = subscription.poll(50).await.unwrap();
        deliveries.iter().for_each(|delivery| effects.apply(&delivery.message));
        handed += deliveries.len();
        match deliveries.last() {
            Some(last) => subscription.acknowledge(last.position).await.unwrap(),
            None => {
                let _ = tokio::time::timeout(TICK, subscription.ready()).await;
            }
        }
    }
    handed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_members_come_and_go() {
    let Some(options) = engine::options(8) else { return };
    let (staying, leaving) = (engine::open(&options), engine::open(&options));
    staying.prepare().await.unwrap();
    let effects = Effects::default();
    let (has_left, written) = (AtomicBool::new(false), AtomicUsize::new(usize::MAX));
    // The writing goes on for a while after the other member has come, worked and left.
    let write = async {
        let mut next = 1;
        let mut groups_left = 20;
        while groups_left > 0 {
            staying.publish((next..next + 40).map(|number| message(number, 1)).collect()).await.unwrap();
            next += 40;
            groups_left -= usize::from(has_left.load(Ordering::Acquire));
        }
        written.store(next as usize - 1, Ordering::Release);
    };
    let visit = async {
        let handed = work(&leaving, &effects, |handed| handed >= 300).await;
        leaving.close().await;
        has_left.store(true, Ordering::Release);
        handed
    };
    let stay = work(&staying, &effects, |_| effects.distinct() == written.load(Ordering::Acquire));
    let ((), visitor, stayer) = within("the work", async { futures::join!(write, visit, stay) }).await;
    let written = written.load(Ordering::Acquire);
    let counts = effects.counts.lock().unwrap().clone();
    assert_eq!(counts.len(), written, "every message had its effect");
    let repeated = counts.values().filter(|count| **count > 1).count();
    let stats = staying.stats().consumers.into_iter().find(|one| one.consumer == Consumer::Shipping).unwrap();
    println!("{written} messages: {stayer} + {visitor} handed out, {repeated} more than once; {stats:?}");
    assert!(visitor >= 300 && stayer > 0);
    assert!(stats.rebalances >= 2, "{stats:?}");
    assert_eq!(stats.partitions_lost, 0, "{stats:?}");
    assert_eq!(repeated, 0, "a member that finishes its group before it polls again hands over cleanly");
    staying.close().await;
    engine::clean_up(&options).await;
}

#[tokio::test]
async fn lag_is_summed_over_partitions_and_falls_with_what_is_settled() {
    let Some(options) = engine::options(8) else { return };
    let bus = engine::open(&options);
    bus.publish((1..=30).map(|number| message(number, 1)).collect()).await.unwrap();
    assert_eq!(bus.lag(Consumer::Shipping).await.unwrap(), 30);
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let deliveries = read(&mut subscription, 30).await;
    assert_eq!(bus.lag(Consumer::Shipping).await.unwrap(), 30, "read is not settled");
    subscription.acknowledge(deliveries[11].position).await.unwrap();
    assert_eq!(bus.lag(Consumer::Shipping).await.unwrap(), 18);
    drop(subscription);
    bus.close().await;
    let other = engine::open(&options);
    assert_eq!(other.lag(Consumer::Shipping).await.unwrap(), 18, "committed on the way out");
    assert_eq!(other.lag(Consumer::Payment).await.unwrap(), 0);
    let mut rest = other.subscribe(Consumer::Shipping).await.unwrap();
    let expected: BTreeSet<_> = ids(&deliveries[12..]).into_iter().collect();
    assert_eq!(ids(&read(&mut rest, 18).await).into_iter().collect::<BTreeSet<_>>(), expected);
    drop(rest);
    other.close().await;
    engine::clean_up(&options).await;
}
