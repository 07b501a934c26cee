//! What every bus (with the outbox before it) must do: carry each message to its consumer, at least once, and start
//! again where the stored progress ends.

use doos_domain::ids::MessageId;
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::order::Order;
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::scene::{Scene, product};
use super::suite;
use crate::Ports;
use crate::bus::{Delivery, Position, Subscription};
use crate::inbox::Progress;

suite!($ bus bus_suite {
    what_an_order_sends_arrives_as_it_was_written,
    a_consumer_gets_its_own_messages_only,
    nothing_is_lost_of_many_written_at_once,
    one_order_s_messages_arrive_in_order,
    positions_grow,
    a_poll_of_nothing_does_not_wait,
    a_poll_holds_no_more_than_asked_for,
    what_was_polled_does_not_come_again_by_itself,
    a_subscription_starts_where_the_stored_progress_ends,
    what_was_read_and_not_stored_comes_again,
    a_rewind_brings_back_everything_after_the_stored_progress,
    an_acknowledgement_settles_what_is_before_it_and_no_more,
    consumers_progress_apart,
    progress_without_a_position_leaves_the_position,
    every_context_stores_its_position_with_its_effects,
    what_a_consumer_sends_arrives,
    a_message_sent_again_arrives_again,
    readiness_comes_with_a_message,
    a_dropped_wait_loses_nothing,
    lag_counts_what_is_not_settled,
    an_outbox_hands_out_a_message_until_it_is_marked,
    marking_what_is_not_there_is_no_harm,
});

async fn place_some(scene: &Scene, count: u64) -> Vec<Arc<Order>> {
    let mut orders = Vec::new();
    for number in 1..=count {
        orders.push(scene.placed(number, number.cast_signed()).await);
    }
    orders
}

fn ids(deliveries: &[Delivery]) -> Vec<MessageId> {
    deliveries.iter().map(|delivery| delivery.message.id.clone()).collect()
}

type Subscribed = Box<dyn Subscription>;

/// Stores progress and tells the bus, as a consumer does. Some engines keep a consumer's place by the one, some by the
/// other.
async fn settle(scene: &Scene, from: &mut Subscribed, consumer: Consumer, position: Position) {
    let mut progress = Progress::new(consumer);
    progress.position = Some(position);
    scene.ports.inbox.store(progress).await.expect("progress is stored");
    from.acknowledge(position).await.expect("progress can be acknowledged");
}

pub async fn what_an_order_sends_arrives_as_it_was_written(ports: Ports) {
    let scene = Scene::new(ports);
    let change = scene.new_order(1, 0);
    let written: Vec<Message> = change.messages.clone();
    scene.commit(change).await.expect("a new order is taken");
    let arrived = scene.arrivals(Consumer::Inventory, 1).await;
    assert_eq!(arrived[0].message, written[0]);
    assert_eq!(arrived[0].message.trace.as_deref(), Some("00-scene-01"));
}

pub async fn a_consumer_gets_its_own_messages_only(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let mut progress = Progress::new(Consumer::Order);
    progress.outgoing = Consumer::ALL.map(|consumer| scene.message_to(consumer, &order, 1)).to_vec();
    scene.ports.inbox.store(progress).await.expect("progress is stored");
    for consumer in Consumer::ALL {
        // Inventory was asked for the order's stock as well.
        let count = if consumer == Consumer::Inventory { 2 } else { 1 };
        let mut subscription = scene.subscribe(consumer).await;
        let arrived = scene.read(&mut subscription, count).await;
        assert!(arrived.iter().all(|delivery| delivery.message.to == consumer), "{arrived:?}");
        assert!(ids(&arrived).contains(&scene.message_to(consumer, &order, 1).id));
    }
}

pub async fn nothing_is_lost_of_many_written_at_once(ports: Ports) {
    let scene = Scene::new(ports);
    let changes: Vec<_> = (1..=60_u64).map(|number| scene.new_order(number, number.cast_signed())).collect();
    let written: BTreeSet<MessageId> = changes.iter().map(|change| change.messages[0].id.clone()).collect();
    let halves = changes.chunks(20).map(|group| scene.ports.orders.commit(group.to_vec()));
    for results in join_all(halves).await {
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    let arrived = scene.arrivals(Consumer::Inventory, 60).await;
    assert_eq!(ids(&arrived).into_iter().collect::<BTreeSet<_>>(), written);
}

pub async fn one_order_s_messages_arrive_in_order(ports: Ports) {
    let scene = Scene::new(ports);
    for order in place_some(&scene, 10).await {
        scene.commit(scene.cancelled(&order, 100)).await.expect("the second version is taken");
    }
    let mut last: BTreeMap<_, u32> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for Delivery { message, .. } in scene.arrivals(Consumer::Inventory, 20).await {
        // A repeat may come at any time; only first arrivals keep their order.
        if seen.insert(message.id.clone()) {
            let before = last.insert(message.order_id, message.order_version).unwrap_or(0);
            assert_eq!(message.order_version, before + 1, "{} has overtaken", message.id);
        }
    }
    assert!(last.values().all(|version| *version == 2));
}

pub async fn positions_grow(ports: Ports) {
    let scene = Scene::new(ports);
    place_some(&scene, 8).await;
    let arrived = scene.arrivals(Consumer::Inventory, 8).await;
    assert!(arrived[0].position > Position(0), "zero stands for the beginning");
    assert!(arrived.windows(2).all(|pair| pair[0].position < pair[1].position));
}

pub async fn a_poll_of_nothing_does_not_wait(ports: Ports) {
    let scene = Scene::new(ports);
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    let polled = scene.ends("a poll", subscription.poll(10)).await;
    assert!(polled.expect("a subscription can be polled").is_empty());
}

pub async fn a_poll_holds_no_more_than_asked_for(ports: Ports) {
    let scene = Scene::new(ports);
    place_some(&scene, 7).await;
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    let first = scene.read(&mut subscription, 1).await;
    let mut count = first.len();
    while count < 7 {
        let deliveries = subscription.poll(2).await.expect("a subscription can be polled");
        assert!(deliveries.len() <= 2);
        count += deliveries.len();
        if deliveries.is_empty() {
            scene.ends("waiting for the rest", subscription.ready()).await;
        }
    }
}

pub async fn what_was_polled_does_not_come_again_by_itself(ports: Ports) {
    let scene = Scene::new(ports);
    place_some(&scene, 3).await;
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    scene.read(&mut subscription, 3).await;
    scene.expect_silence(&mut subscription).await;
}

pub async fn a_subscription_starts_where_the_stored_progress_ends(ports: Ports) {
    let scene = Scene::new(ports);
    place_some(&scene, 5).await;
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    let all = scene.read(&mut subscription, 5).await;
    let mut rest = all.clone();
    for settled in 1..5 {
        settle(&scene, &mut subscription, Consumer::Inventory, rest[0].position).await;
        drop(subscription);
        subscription = scene.subscribe(Consumer::Inventory).await;
        rest = scene.read(&mut subscription, 5 - settled).await;
        assert_eq!(ids(&rest), ids(&all[settled..]));
    }
    settle(&scene, &mut subscription, Consumer::Inventory, rest[0].position).await;
    drop(subscription);
    let mut done = scene.subscribe(Consumer::Inventory).await;
    scene.expect_silence(&mut done).await;
    let order = scene.placed(1, 500).await;
    assert_eq!(scene.read(&mut done, 1).await[0].message.order_id, order.id);
}

pub async fn what_was_read_and_not_stored_comes_again(ports: Ports) {
    let scene = Scene::new(ports);
    place_some(&scene, 4).await;
    let first = scene.arrivals(Consumer::Inventory, 4).await;
    let again = scene.arrivals(Consumer::Inventory, 4).await;
    assert_eq!(ids(&again), ids(&first));
}

pub async fn a_rewind_brings_back_everything_after_the_stored_progress(ports: Ports) {
    let scene = Scene::new(ports);
    place_some(&scene, 6).await;
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    let read = scene.read(&mut subscription, 4).await;
    settle(&scene, &mut subscription, Consumer::Inventory, read[1].position).await;
    subscription.rewind().await.expect("a subscription can be rewound");
    let again = scene.read(&mut subscription, 4).await;
    assert_eq!(ids(&again)[..2], ids(&read)[2..]);
    subscription.rewind().await.expect("a subscription can be rewound");
    assert_eq!(ids(&scene.read(&mut subscription, 4).await), ids(&again));
}

pub async fn an_acknowledgement_settles_what_is_before_it_and_no_more(ports: Ports) {
    let scene = Scene::new(ports);
    place_some(&scene, 3).await;
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    let read = scene.read(&mut subscription, 3).await;
    settle(&scene, &mut subscription, Consumer::Inventory, read[0].position).await;
    drop(subscription);
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    let rest = scene.read(&mut subscription, 2).await;
    assert_eq!(ids(&rest), ids(&read[1..]));
    settle(&scene, &mut subscription, Consumer::Inventory, rest[1].position).await;
    drop(subscription);
    let mut done = scene.subscribe(Consumer::Inventory).await;
    scene.expect_silence(&mut done).await;
}

pub async fn consumers_progress_apart(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let mut progress = Progress::new(Consumer::Order);
    progress.outgoing =
        vec![scene.message_to(Consumer::Shipping, &order, 1), scene.message_to(Consumer::Payment, &order, 1)];
    scene.ports.inbox.store(progress).await.expect("progress is stored");
    let mut shipping = scene.subscribe(Consumer::Shipping).await;
    let read = scene.read(&mut shipping, 1).await;
    settle(&scene, &mut shipping, Consumer::Shipping, read[0].position).await;
    drop(shipping);
    assert_eq!(scene.arrivals(Consumer::Payment, 1).await.len(), 1);
    assert_eq!(scene.arrivals(Consumer::Inventory, 1).await.len(), 1);
    let mut done = scene.subscribe(Consumer::Shipping).await;
    scene.expect_silence(&mut done).await;
}

pub async fn progress_without_a_position_leaves_the_position(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = place_some(&scene, 2).await;
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    let read = scene.read(&mut subscription, 2).await;
    settle(&scene, &mut subscription, Consumer::Inventory, read[0].position).await;
    drop(subscription);
    let mut progress = Progress::new(Consumer::Inventory);
    progress.outgoing.push(scene.outcome_for(&orders[0]));
    scene.ports.inbox.store(progress).await.expect("progress is stored");
    assert_eq!(ids(&scene.arrivals(Consumer::Inventory, 1).await), ids(&read[1..]));
}

pub async fn every_context_stores_its_position_with_its_effects(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let mut progress = Progress::new(Consumer::Order);
    let two = |consumer| [scene.message_to(consumer, &order, 1), scene.message_to(consumer, &order, 2)];
    progress.outgoing = Consumer::ALL.map(two).concat();
    scene.ports.inbox.store(progress).await.expect("progress is stored");
    for consumer in Consumer::ALL {
        let count = if consumer == Consumer::Inventory { 3 } else { 2 };
        let mut subscription = scene.subscribe(consumer).await;
        let read = scene.read(&mut subscription, count).await;
        let mut progress = Progress::new(consumer);
        progress.position = Some(read[0].position);
        store_with_effects(&scene, progress).await;
        subscription.acknowledge(read[0].position).await.expect("progress can be acknowledged");
        drop(subscription);
        let rest = scene.arrivals(consumer, count - 1).await;
        assert_eq!(ids(&rest), ids(&read[1..]), "{consumer}");
    }
}

/// The way each context takes to store what it did.
async fn store_with_effects(scene: &Scene, progress: Progress) {
    let ports = &scene.ports;
    match progress.consumer {
        Consumer::Inventory => {
            let locks = ports.ledger.lock(vec![product(1)], vec![]).await.expect("rows can be locked");
            let nothing = doos_domain::stock::Changes::default();
            locks.commit(nothing, Some(progress), None).await.expect("progress is stored");
        }
        Consumer::Order => ports.orders.consume(vec![], progress).await.expect("progress is stored"),
        Consumer::Payment => {
            ports.payments.record(vec![], Some(progress)).await.expect("progress is stored");
        }
        Consumer::Shipping => ports.shipments.store(vec![], progress).await.expect("progress is stored"),
    }
}

pub async fn what_a_consumer_sends_arrives(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let mut sent = BTreeSet::new();
    for (number, consumer) in (10..).zip(Consumer::ALL) {
        let mut progress = Progress::new(consumer);
        let message = scene.message_to(Consumer::Order, &order, number);
        sent.insert(message.id.clone());
        progress.outgoing.push(message);
        store_with_effects(&scene, progress).await;
    }
    let arrived = scene.arrivals(Consumer::Order, 4).await;
    assert_eq!(ids(&arrived).into_iter().collect::<BTreeSet<_>>(), sent);
}

pub async fn a_message_sent_again_arrives_again(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let outcome = scene.outcome_for(&order);
    let send = || async {
        let mut progress = Progress::new(Consumer::Inventory);
        progress.outgoing.push(outcome.clone());
        store_with_effects(&scene, progress).await;
    };
    send().await;
    let mut subscription = scene.subscribe(Consumer::Order).await;
    let first = scene.read(&mut subscription, 1).await;
    settle(&scene, &mut subscription, Consumer::Order, first[0].position).await;
    drop(subscription);
    // A repeated question has its stored outcome sent again, under the same id, to somebody who has forgotten it.
    send().await;
    let again = scene.arrivals(Consumer::Order, 1).await;
    assert_eq!(again[0].message, outcome);
    assert!(again[0].position > first[0].position);
}

pub async fn readiness_comes_with_a_message(ports: Ports) {
    let scene = Scene::new(ports);
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    let write = async {
        let order = scene.placed(1, 0).await;
        scene.relay().await;
        order
    };
    let wait = scene.ends("waiting for the message", subscription.ready());
    let (order, ()) = futures::join!(write, wait);
    assert_eq!(scene.read(&mut subscription, 1).await[0].message.order_id, order.id);
    drop(subscription);
    // What is there already is not waited for.
    let mut late = scene.subscribe(Consumer::Inventory).await;
    scene.ends("waiting for what is there", late.ready()).await;
}

pub async fn a_dropped_wait_loses_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    for number in 1..=5 {
        let mut ready = subscription.ready();
        let _ = futures::poll!(&mut ready);
        let order = scene.placed(number, number.cast_signed()).await;
        scene.relay().await;
        let _ = futures::poll!(&mut ready);
        drop(ready);
        let arrived = scene.read(&mut subscription, 1).await;
        assert!(arrived.iter().any(|delivery| delivery.message.order_id == order.id));
    }
}

pub async fn lag_counts_what_is_not_settled(ports: Ports) {
    let scene = Scene::new(ports);
    let lag = |consumer| {
        let bus = Arc::clone(&scene.ports.bus);
        async move { bus.lag(consumer).await.expect("lag can be read") }
    };
    place_some(&scene, 4).await;
    let mut subscription = scene.subscribe(Consumer::Inventory).await;
    let read = scene.read(&mut subscription, 4).await;
    let unread = lag(Consumer::Inventory).await;
    assert!(unread >= 4, "four messages lie before inventory, not {unread}");
    let last = read[read.len() - 1].position;
    settle(&scene, &mut subscription, Consumer::Inventory, last).await;
    assert_eq!((lag(Consumer::Inventory).await, lag(Consumer::Shipping).await), (0, 0));
}

/// Says nothing about an engine whose journal is the bus: it hands out nothing.
pub async fn an_outbox_hands_out_a_message_until_it_is_marked(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = place_some(&scene, 3).await;
    scene.commit(scene.cancelled(&orders[0], 50)).await.expect("the second version is taken");
    let outbox = &scene.ports.outbox;
    let later = scene.at(1_000_000);
    let open = outbox.open(later, 100).await.expect("the outbox opens");
    if open.is_empty() {
        assert_eq!(scene.arrivals(Consumer::Inventory, 4).await.len(), 4, "then the messages are on the bus");
        return;
    }
    assert_eq!(open.len(), 4);
    scene.ends("waiting for what is open", outbox.ready()).await;
    assert_eq!(outbox.open(later, 100).await.expect("the outbox opens"), open, "nothing was marked");
    assert_eq!(outbox.open(later, 2).await.expect("the outbox opens").len(), 2);
    let (asked, released) = (open.iter().position(is_first_deduct(&orders[0])), open.iter().position(is_release));
    assert!(asked < released, "oldest first, at least within an order");
    outbox.mark_published(vec![open[0].id.clone(), open[2].id.clone()], later).await.expect("marks are taken");
    let left = outbox.open(later, 100).await.expect("the outbox opens");
    assert_eq!(left, [open[1].clone(), open[3].clone()]);
}

fn is_first_deduct(order: &Order) -> impl FnMut(&Message) -> bool {
    let id = order.id;
    move |message| message.order_id == id && matches!(message.body, Body::DeductStock { .. })
}

fn is_release(message: &Message) -> bool {
    matches!(message.body, Body::ReleaseStock { .. })
}

pub async fn marking_what_is_not_there_is_no_harm(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let unknown = scene.message_to(Consumer::Shipping, &order, 9).id;
    scene.ports.outbox.mark_published(vec![unknown], scene.at(10)).await.expect("an unknown mark is no harm");
    assert_eq!(scene.arrivals(Consumer::Inventory, 1).await[0].message.order_id, order.id);
}
