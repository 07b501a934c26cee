//! The bus on a mock cluster inside this process: what a broker does when it is away, slow or refuses, at no cost to
//! anybody else who uses the real one.
#![cfg(test)]

use doos_adapter_kafka::{KafkaBus, Options};
use doos_domain::ids::{MessageId, OrderId, UserId};
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::time::Timestamp;
use doos_ports::Error;
use doos_ports::bus::{Delivery, EventBus, Subscription};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const BROKER: i32 = 1;

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster(partitions: u32) -> (Cluster, Options) {
    let cluster = MockCluster::new(1).unwrap();
    let options = Options {
        brokers: vec![cluster.bootstrap_servers()],
        partitions,
        publish_timeout_ms: 1_500,
        call_timeout_ms: 1_000,
        join_timeout_ms: 10_000,
        ..Options::default()
    };
    for consumer in Consumer::ALL {
        cluster.create_topic(&options.topic_of(consumer), i32::try_from(partitions).unwrap(), 1).unwrap();
    }
    cluster.create_topic(&options.unreadable_topic(), 1, 1).unwrap();
    (cluster, options)
}

fn message(order_number: u64, number: u32) -> Message {
    Message {
        id: MessageId::from_text(format!("{order_number}.{number}")),
        to: Consumer::Shipping,
        order_id: OrderId::new(order_number).unwrap(),
        user_id: UserId::new(7).unwrap(),
        order_version: number,
        at: Timestamp::from_millis(1_790_000_000_000),
        trace: None,
        body: Body::RecallShipment { tracking: format!("T{number}") },
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

async fn try_read(from: &mut Box<dyn Subscription>, count: usize) -> Result<Vec<Delivery>, Error> {
    let mut read = Vec::new();
    while read.len() < count {
        from.ready().await;
        read.extend(from.poll(count - read.len()).await?);
    }
    Ok(read)
}

async fn read(from: &mut Box<dyn Subscription>, count: usize) -> Vec<Delivery> {
    within("reading", try_read(from, count)).await.unwrap()
}

fn ids(deliveries: &[Delivery]) -> BTreeSet<String> {
    deliveries.iter().map(|delivery| delivery.message.id.as_str().to_owned()).collect()
}

/// Publishes until it works, as the relay does.
async fn publish_in_the_end(bus: &KafkaBus, messages: &[Message]) {
    let publishing = async {
        while bus.publish(messages.to_vec()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within("publishing", publishing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_is_read_and_settled() {
    let (_cluster, options) = cluster(4);
    let bus = KafkaBus::open(options).unwrap();
    bus.publish((1..=20).map(|number| message(number, 1)).collect()).await.unwrap();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let deliveries = read(&mut subscription, 20).await;
    assert_eq!(ids(&deliveries).len(), 20);
    subscription.acknowledge(deliveries[7].position).await.unwrap();
    subscription.rewind().await.unwrap();
    assert_eq!(ids(&read(&mut subscription, 12).await), ids(&deliveries[8..]));
    drop(subscription);
    bus.close().await;
    let mut again = bus.subscribe(Consumer::Shipping).await.unwrap();
    assert_eq!(ids(&read(&mut again, 12).await), ids(&deliveries[8..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_the_outcome_is_unknown_once_and_then_refused_at_once() {
    let (cluster, options) = cluster(2);
    let bus = KafkaBus::open(options).unwrap();
    bus.publish(vec![message(1, 1)]).await.unwrap();
    cluster.broker_down(BROKER).unwrap();
    let seen = async {
        while !bus.stats().is_away {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("seeing that nobody answers", seen).await;
    let (first, others) = futures::join!(bus.publish(vec![message(2, 1)]), async {
        let mut others = Vec::new();
        for number in 3..=50 {
            others.push(bus.publish(vec![message(number, 1)]).await);
        }
        // All of them have been answered while the first still waits.
        (bus.stats().publish_queue_len, others)
    });
    assert!(matches!(first, Err(Error::Unknown { .. })), "{first:?}");
    assert_eq!(others.0, 1, "one call finds out, the others are not queued");
    assert!(others.1.iter().all(|other| matches!(other, Err(Error::Unavailable { .. }))), "{others:?}");
    cluster.broker_up(BROKER).unwrap();
    publish_in_the_end(&bus, &[message(2, 1)]).await;
    assert!(!bus.stats().is_away);
    bus.publish(vec![message(3, 1), message(4, 1)]).await.unwrap();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let expected = ["1.1", "2.1", "3.1", "4.1"].map(str::to_owned).into();
    let mut arrived = BTreeSet::new();
    while arrived != expected {
        arrived.extend(ids(&read(&mut subscription, 1).await));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_opens_while_nobody_answers_and_works_once_somebody_does() {
    let (cluster, options) = cluster(2);
    cluster.broker_down(BROKER).unwrap();
    let bus = KafkaBus::open(options).unwrap();
    for result in [bus.prepare().await, bus.publish(vec![message(1, 1)]).await] {
        assert!(matches!(result, Err(Error::Unavailable { .. })), "{result:?}");
    }
    assert!(matches!(bus.subscribe(Consumer::Shipping).await.err(), Some(Error::Unavailable { .. })));
    let lag = within("every consumer's lag", futures::future::join_all(Consumer::ALL.map(|one| bus.lag(one)))).await;
    assert!(lag.iter().all(|lag| matches!(lag, Err(Error::Unavailable { .. }))), "{lag:?}");
    cluster.broker_up(BROKER).unwrap();
    publish_in_the_end(&bus, &[message(1, 1)]).await;
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    assert_eq!(read(&mut subscription, 1).await[0].message, message(1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_goes_on_by_itself_after_the_broker_was_away() {
    let (cluster, options) = cluster(2);
    let bus = KafkaBus::open(options).unwrap();
    bus.publish(vec![message(1, 1)]).await.unwrap();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    let first = read(&mut subscription, 1).await;
    cluster.broker_down(BROKER).unwrap();
    subscription.acknowledge(first[0].position).await.unwrap();
    assert!(subscription.poll(10).await.unwrap().is_empty(), "nothing to read is no failure");
    cluster.broker_up(BROKER).unwrap();
    publish_in_the_end(&bus, &[message(2, 1)]).await;
    let arrived = read(&mut subscription, 1).await;
    assert_eq!(arrived[0].message, message(2, 1), "what was settled during the outage does not come again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passing_error_of_the_broker_is_mended_without_a_word() {
    let (cluster, options) = cluster(1);
    let bus = KafkaBus::open(options).unwrap();
    bus.prepare().await.unwrap();
    let passing = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    ];
    cluster.request_errors(RDKafkaApiKey::Produce, &passing);
    bus.publish(vec![message(1, 1)]).await.unwrap();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    assert_eq!(read(&mut subscription, 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_of_the_broker_left_nothing_behind() {
    let (cluster, options) = cluster(1);
    let bus = KafkaBus::open(options).unwrap();
    bus.prepare().await.unwrap();
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let refused = bus.publish(vec![message(1, 1)]).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    assert_eq!(bus.lag(Consumer::Shipping).await.unwrap(), 0);
    publish_in_the_end(&bus, &[message(1, 1)]).await;
    assert_eq!(bus.lag(Consumer::Shipping).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once_and_the_rest_arrives() {
    let (cluster, mut options) = cluster(1);
    options.publish_queue_len_max = 100;
    options.publish_timeout_ms = 20_000;
    let bus = KafkaBus::open(options).unwrap();
    bus.publish(vec![message(1_000, 1)]).await.unwrap();
    cluster.broker_round_trip_time(BROKER, Duration::from_millis(500)).unwrap();
    let group = |first: u64| (first..first + 60).map(|number| message(number, 1)).collect::<Vec<_>>();
    let (taken, refused) = futures::join!(bus.publish(group(1)), bus.publish(group(101)));
    assert!(taken.is_ok(), "{taken:?}");
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    assert_eq!(bus.stats().publish_queue_len, 0);
    cluster.broker_round_trip_time(BROKER, Duration::ZERO).unwrap();
    bus.publish(group(101)).await.unwrap();
    assert_eq!(bus.lag(Consumer::Shipping).await.unwrap(), 121, "what was refused was not published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_the_queue_free() {
    let (_cluster, options) = cluster(1);
    let bus = KafkaBus::open(options).unwrap();
    bus.prepare().await.unwrap();
    let mut publishing = Box::pin(bus.publish(vec![message(1, 1)]));
    let _ = futures::poll!(&mut publishing);
    drop(publishing);
    let free = async {
        while bus.stats().published < 1 || bus.stats().publish_queue_len > 0 {
            tokio::task::yield_now().await;
        }
    };
    within("the report", free).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_never_settles_is_refused_until_it_is_rewound() {
    let (_cluster, mut options) = cluster(1);
    options.unacknowledged_len_max = 5;
    let bus = KafkaBus::open(options).unwrap();
    bus.publish((1..=8).map(|number| message(number, 1)).collect()).await.unwrap();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    read(&mut subscription, 5).await;
    let refused = subscription.poll(1).await;
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    subscription.rewind().await.unwrap();
    let again = read(&mut subscription, 5).await;
    subscription.acknowledge(again[4].position).await.unwrap();
    assert_eq!(ids(&read(&mut subscription, 3).await), ["6.1", "7.1", "8.1"].map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_put_aside_is_read_again() {
    use rdkafka::producer::{FutureProducer, FutureRecord};
    let (cluster, options) = cluster(1);
    let topic = options.topic_of(Consumer::Shipping);
    let bus = KafkaBus::open(options.clone()).unwrap();
    bus.publish(vec![message(1, 1)]).await.unwrap();
    let theirs: FutureProducer =
        rdkafka::ClientConfig::new().set("bootstrap.servers", options.brokers.join(",")).create().unwrap();
    theirs.send(FutureRecord::to(&topic).key("k").payload("none of ours"), PATIENCE).await.unwrap();
    bus.publish(vec![message(1, 2)]).await.unwrap();
    let mut subscription = bus.subscribe(Consumer::Shipping).await.unwrap();
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let failed = async {
        loop {
            subscription.ready().await;
            if let Err(error) = subscription.poll(10).await {
                break error;
            }
        }
    };
    let failed = within("the failure", failed).await;
    assert!(matches!(failed, Error::Unavailable { .. }), "{failed:?}");
    assert!(subscription.poll(10).await.is_err(), "nothing is skipped: it must be rewound first");
    // On a slow machine the first try may have been given up before its refusal came; then the refusal is the second's.
    let rewound = async {
        loop {
            subscription.rewind().await.unwrap();
            if let Ok(deliveries) = try_read(&mut subscription, 2).await {
                break deliveries;
            }
        }
    };
    let deliveries = within("reading what was rewound", rewound).await;
    assert_eq!(ids(&deliveries), ["1.1", "1.2"].map(str::to_owned).into());
    let shipping = bus.stats().consumers.into_iter().find(|one| one.consumer == Consumer::Shipping).unwrap();
    assert_eq!(shipping.unreadable, 1);
}
