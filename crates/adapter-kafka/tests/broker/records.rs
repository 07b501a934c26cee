//! What travels: its size, its speed, its headers, and what is no message at all.

use doos_adapter_kafka::{KafkaBus, Options};
use doos_domain::message::{Body, Consumer};
use doos_domain::shipping::Parcel;
use doos_ports::Error;
use doos_ports::bus::EventBus;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{Header, Headers, Message as _, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use std::collections::BTreeMap;

use crate::engine;
use crate::words::{Clock, TICK, ids, message, read, within};

/// Somebody else's producer.
async fn produce(options: &Options, key: &str, value: &str) {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", options.brokers.join(",")).create().unwrap();
    let topic = options.topic_of(Consumer::Shipping);
    let headers = OwnedHeaders::new().insert(Header { key: "theirs", value: Some("kept") });
    let record = FutureRecord::to(&topic).key(key).payload(value).headers(headers);
    producer.send(record, Timeout::Never).await.unwrap();
}

/// The first record of a topic, as any client sees it.
async fn first_record(options: &Options, topic: &str) -> OwnedMessage {
    let reader: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", options.brokers.join(","))
        .set("group.id", format!("{topic}.onlooker"))
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    reader.subscribe(&[topic]).unwrap();
    let record = within("reading as a stranger", reader.recv()).await.unwrap().detach();
    tokio::task::spawn_blocking(move || drop(reader)).await.unwrap();
    record
}

fn headers(record: &OwnedMessage) -> BTreeMap<String, String> {
    let text =
        |header: Header<'_, &[u8]>| (header.key.to_owned(), String::from_utf8(header.value.unwrap().to_vec()).unwrap());
    record.headers().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn a_record_is_a_cloud_event_keyed_by_its_order() {
    let Some(options) = engine::options(4) else { return };
    let bus = engine::open(&options);
    let sent = message(77, 3);
    bus.publish(vec![sent.clone()]).await.unwrap();
    let record = first_record(&options, &options.topic_of(Consumer::Shipping)).await;
    assert_eq!(record.key(), Some(&b"77"[..]));
    assert_eq!(record.payload().unwrap(), serde_json::to_vec(&sent).unwrap(), "the stored form, byte for byte");
    let headers = headers(&record);
    assert_eq!(headers["ce_id"], "77.3");
    assert_eq!(headers["ce_type"], "doos.RecallShipment");
    assert_eq!(Some(&headers["traceparent"]), sent.trace.as_ref());
    engine::clean_up(&options).await;
}

#[tokio::test]
async fn a_record_that_is_no_message_is_put_aside_and_blocks_nobody() {
    let Some(options) = engine::options(1) else { return };
    let bus = engine::open(&options);
    bus.publish(vec![message(1, 1)]).await.unwrap();
    produce(&options, "k", "none of ours").await;
    bus.publish(vec![message(1, 2)]).await.unwrap();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let deliveries = read(&mut subscription, 2).await;
    assert_eq!(ids(&deliveries), ["1.1", "1.2"]);
    let aside = first_record(&options, &options.unreadable_topic()).await;
    assert_eq!((aside.key(), aside.payload()), (Some(&b"k"[..]), Some(&b"none of ours"[..])));
    let headers = headers(&aside);
    assert_eq!(headers["theirs"], "kept");
    assert_eq!(headers["doos_origin"], format!("{}/0/1", options.topic_of(Consumer::Shipping)));
    assert!(headers["doos_cause"].contains("expected"), "{headers:?}");
    let of_shipping = |stats: doos_adapter_kafka::Stats| {
        stats.consumers.into_iter().find(|one| one.consumer == Consumer::Shipping).unwrap()
    };
    assert_eq!(of_shipping(bus.stats()).unreadable, 1);
    subscription.acknowledge(deliveries[1].position).await.unwrap();
    assert_eq!(bus.lag(Consumer::Shipping).await.unwrap(), 0);
    drop(subscription);
    bus.close().await;
    engine::clean_up(&options).await;
}

#[tokio::test]
async fn a_record_that_is_no_message_is_settled_without_a_message_behind_it() {
    let Some(options) = engine::options(1) else { return };
    let bus = engine::open(&options);
    bus.prepare().await.unwrap();
    produce(&options, "k", "none of ours").await;
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let settled = async {
        while bus.lag(Consumer::Shipping).await.unwrap() > 0 {
            assert!(subscription.poll(10).await.unwrap().is_empty());
            let _ = tokio::time::timeout(TICK, subscription.ready()).await;
        }
    };
    within("settling", settled).await;
    drop(subscription);
    bus.close().await;
    engine::clean_up(&options).await;
}

#[tokio::test]
async fn an_order_at_the_limit_of_its_size_travels() {
    let Some(options) = engine::options(2) else { return };
    let bus = engine::open(&options);
    let mut large = message(5, 1);
    // A quotation mark takes two bytes as JSON, a control character six.
    let address = Some("\u{1}".repeat(64 << 10));
    large.body = Body::ShipOrder { parcel: Parcel { lines: Vec::new(), address } };
    bus.publish(vec![message(4, 1), large.clone()]).await.unwrap();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let deliveries = read(&mut subscription, 2).await;
    let arrived = deliveries.iter().find(|delivery| delivery.message.id == large.id).unwrap();
    assert_eq!(arrived.message, large);
    drop(subscription);
    bus.close().await;
    engine::clean_up(&options).await;
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_with_its_whole_group() {
    let Some(mut options) = engine::options(1) else { return };
    options.message_bytes_max = 16 << 10;
    let bus = engine::open(&options);
    let mut large = message(5, 1);
    large.body = Body::RecallShipment { tracking: "T".repeat(16 << 10) };
    let refused = bus.publish(vec![message(4, 1), large]).await;
    assert!(matches!(&refused, Err(Error::Broken { cause, .. }) if cause.contains("16384")), "{refused:?}");
    assert_eq!(bus.lag(Consumer::Shipping).await.unwrap(), 0, "nothing was done");
    engine::clean_up(&options).await;
}

#[tokio::test]
async fn a_topic_with_fewer_partitions_is_refused_by_name() {
    let Some(options) = engine::options(8) else { return };
    let name = options.topic_of(Consumer::Inventory);
    let smaller = NewTopic::new(&name, 2, TopicReplication::Fixed(1));
    engine::admin(&options).create_topics([&smaller], &AdminOptions::new()).await.unwrap();
    let bus = engine::open(&options);
    let refused = bus.prepare().await;
    let Err(Error::Broken { cause, .. }) = refused else { panic!("{refused:?}") };
    assert!(cause.contains(&name) && cause.contains("2 partitions") && cause.contains("--alter"), "{cause}");
    assert!(matches!(bus.publish(vec![message(1, 1)]).await, Err(Error::Broken { .. })));
    assert!(matches!(bus.subscribe(Consumer::Shipping).await.err(), Some(Error::Broken { .. })));
    // With no more asked for than there is, the same topics do.
    let fewer = Options { partitions: 2, ..options.clone() };
    engine::open(&fewer).prepare().await.unwrap();
    engine::clean_up(&options).await;
}

#[tokio::test]
async fn topics_are_created_as_stated() {
    let Some(mut options) = engine::options(3) else { return };
    options.retention_hours = 5;
    engine::open(&options).prepare().await.unwrap();
    let admin = engine::admin(&options);
    for consumer in Consumer::ALL {
        let name = options.topic_of(consumer);
        let topic = rdkafka::admin::ResourceSpecifier::Topic(&name);
        let config = admin.describe_configs([&topic], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
        assert_eq!(config.get("retention.ms").unwrap().value.as_deref(), Some("18000000"));
        let metadata = admin.inner().fetch_metadata(Some(&name), Timeout::Never).unwrap();
        assert_eq!(metadata.topics()[0].partitions().len(), 3);
    }
    engine::clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_go_through() {
    let Some(options) = engine::options(16) else { return };
    let bus = engine::open(&options);
    bus.prepare().await.unwrap();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let count = 10_000_u64;
    let clock = Clock::start();
    for group in 0..count / 200 {
        let messages = (1..=200).map(|number| message(group * 200 + number, 1)).collect();
        within("publishing", bus.publish(messages)).await.unwrap();
    }
    let published_ms = clock.elapsed_ms();
    let mut seen = 0;
    let clock = Clock::start();
    while seen < count {
        within("reading", subscription.ready()).await;
        let deliveries = subscription.poll(200).await.unwrap();
        seen += deliveries.len() as u64;
        if let Some(last) = deliveries.last() {
            subscription.acknowledge(last.position).await.unwrap();
        }
    }
    let read_ms = clock.elapsed_ms();
    let rate = |ms: u64| count * 1_000 / ms.max(1);
    println!(
        "{count} messages in groups of 200 over 16 partitions: published one group after the other in {published_ms} ms \
         ({}/s), read and settled in {read_ms} ms ({}/s)",
        rate(published_ms),
        rate(read_ms)
    );
    println!("with 8 groups in flight: {}/s", rate(in_flight(&bus, 8, 7, 200).await) * 8 * 7 * 200 / count);
    println!("with 40 groups in flight: {}/s", rate(in_flight(&bus, 40, 5, 200).await) * 40 * 5 * 200 / count);
    println!("64 writers of single messages: {}/s", rate(in_flight(&bus, 64, 50, 1).await) * 64 * 50 / count);
    println!("one message alone: {} us on average of 200", in_flight(&bus, 1, 200, 1).await * 1_000 / 200);
    assert_eq!(bus.stats().publish_queue_len, 0);
    assert_eq!(bus.stats().published, count + 8 * 7 * 200 + 40 * 5 * 200 + 64 * 50 + 200);
    drop(subscription);
    bus.close().await;
    engine::clean_up(&options).await;
}

/// How long so many writers take, each handing over so many groups, one after the other.
async fn in_flight(bus: &KafkaBus, writers: u64, groups: u64, group_len: u64) -> u64 {
    let clock = Clock::start();
    let writers = (0..writers).map(|writer| async move {
        for group in 0..groups {
            let first = (writer * groups + group) * group_len;
            bus.publish((1..=group_len).map(|number| message(first + number, 2)).collect()).await.unwrap();
        }
    });
    within("publishing", futures::future::join_all(writers)).await;
    clock.elapsed_ms()
}
