//! What every order store must do for the order context as a consumer: effects and progress as one unit, and the
//! states of the messages that orders have sent.

use doos_domain::ids::OrderId;
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::order::Order;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::scene::Scene;
use super::suite;
use crate::Ports;
use crate::bus::Delivery;
use crate::inbox::Progress;
use crate::order_store::{Change, CommitError, MessageState};

suite!($ order_consume order_consume_suite {
    a_group_and_its_progress_are_stored_together,
    progress_without_a_change_is_stored,
    one_lost_version_and_nothing_of_the_group_is_stored,
    a_void_in_the_group_and_nothing_of_it_is_stored,
    a_group_may_hold_successive_versions_of_one_order,
    a_gap_in_the_versions_of_a_group_stores_nothing,
    a_group_stored_twice_is_refused_the_second_time,
    a_message_is_listed_with_the_order_that_sent_it,
    a_message_that_was_consumed_says_so,
    a_message_that_was_parked_says_so,
    an_order_is_undecided_until_it_has_heard_the_decision,
    a_cancelled_order_stays_undecided_too,
});

/// Progress with one of everything that must not be stored alone.
fn progress(scene: &Scene, order: &Order) -> Progress {
    let mut progress = Progress::new(Consumer::Order);
    progress.wait.push(scene.waiting(&scene.message_to(Consumer::Order, order, 1), 1, 50));
    progress.park.push(scene.dead_letter(Consumer::Order, &scene.message_to(Consumer::Order, order, 2), 2, 60));
    progress.outgoing.push(scene.message_to(Consumer::Shipping, order, 3));
    progress
}

async fn progress_is_stored(scene: &Scene) -> bool {
    let inbox = &scene.ports.inbox;
    let waiting = inbox.waiting_count(Consumer::Order).await.expect("the inbox can be read");
    let parked = inbox.dead_letter_count().await.expect("the inbox can be read");
    assert_eq!(waiting, parked, "one part of the progress is there without the other");
    waiting == 1
}

pub async fn a_group_and_its_progress_are_stored_together(ports: Ports) {
    let scene = Scene::new(ports);
    let (one, other) = (scene.placed(1, 0).await, scene.placed(2, 1).await);
    let group = vec![scene.confirmed(&one, 10), scene.cancelled(&other, 10)];
    let after: Vec<Arc<Order>> = group.iter().map(|change| Arc::clone(&change.order)).collect();
    scene.ports.orders.consume(group, progress(&scene, &one)).await.expect("the group is stored");
    assert_eq!(scene.load(one.id).await.as_ref(), Some(&after[0]));
    assert_eq!(scene.load(other.id).await.as_ref(), Some(&after[1]));
    assert!(progress_is_stored(&scene).await);
    let told = scene.arrivals(Consumer::Shipping, 1).await;
    assert_eq!(told[0].message, scene.message_to(Consumer::Shipping, &one, 3));
    let asked = scene.arrivals(Consumer::Inventory, 3).await;
    let release = asked.iter().any(|delivery| matches!(delivery.message.body, Body::ReleaseStock { .. }));
    assert!(release, "the messages of the group's changes go out: {asked:?}");
}

pub async fn progress_without_a_change_is_stored(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    scene.ports.orders.consume(Vec::new(), progress(&scene, &order)).await.expect("progress alone is stored");
    assert!(progress_is_stored(&scene).await);
}

/// A group that cannot be stored, and the orders as they must stay.
async fn expect_nothing_stored(
    scene: &Scene,
    group: Vec<Change>,
    stay: &[&Arc<Order>],
    expected: impl Fn(&CommitError) -> bool,
) {
    let before = scene.ports.feed.end().await.expect("the feed has an end");
    let error = scene.ports.orders.consume(group, progress(scene, stay[0])).await.expect_err("the group is refused");
    assert!(expected(&error), "{error:?}");
    for order in stay {
        assert_eq!(scene.load(order.id).await.as_ref(), Some(*order));
        let written = scene.ports.orders.messages(order.id).await.expect("messages can be listed");
        assert!(written.iter().all(|(message, _)| message.order_version <= order.version), "{written:?}");
    }
    assert!(!progress_is_stored(scene).await);
    assert!(scene.ports.feed.read(before, 10).await.expect("the feed can be read").is_empty());
    let mut shipping = scene.subscribe(Consumer::Shipping).await;
    scene.expect_silence(&mut shipping).await;
}

pub async fn one_lost_version_and_nothing_of_the_group_is_stored(ports: Ports) {
    let scene = Scene::new(ports);
    let (one, other, third) = (scene.placed(1, 0).await, scene.placed(2, 1).await, scene.placed(3, 2).await);
    let moved_on = scene.confirmed(&other, 5);
    let now = Arc::clone(&moved_on.order);
    scene.commit(moved_on).await.expect("the second version is taken");
    // The loser stands before, between and after its neighbours, whatever shard each of them is in.
    for place in 0..3 {
        let mut group = vec![scene.cancelled(&one, 10), scene.cancelled(&third, 10)];
        group.insert(place, scene.cancelled(&other, 10));
        let conflict = |error: &CommitError| matches!(error, CommitError::Conflict { expected: 1 });
        expect_nothing_stored(&scene, group, &[&one, &now, &third], conflict).await;
    }
}

pub async fn a_void_in_the_group_and_nothing_of_it_is_stored(ports: Ports) {
    let scene = Scene::new(ports);
    let one = scene.placed(1, 0).await;
    let given_up = scene.new_order(2, 1);
    scene.ports.orders.void(given_up.order.id).await.expect("an id can be voided");
    let group = vec![scene.confirmed(&one, 10), given_up];
    expect_nothing_stored(&scene, group, &[&one], |error| matches!(error, CommitError::Void)).await;
}

pub async fn a_group_may_hold_successive_versions_of_one_order(ports: Ports) {
    let scene = Scene::new(ports);
    let (first, neighbour) = (scene.placed(1, 0).await, scene.placed(2, 1).await);
    let end = scene.ports.feed.end().await.expect("the feed has an end");
    let second = scene.confirmed(&first, 10);
    let third = scene.cancelled(&second.order, 20);
    let last = Arc::clone(&third.order);
    let group = vec![second, scene.cancelled(&neighbour, 15), third];
    scene.ports.orders.consume(group, progress(&scene, &first)).await.expect("the group is stored");
    assert_eq!(scene.load(first.id).await, Some(last));
    let changed = scene.ports.feed.read(end, 10).await.expect("the feed can be read");
    let versions = |id: OrderId| -> Vec<u32> {
        changed.iter().filter(|change| change.order.id == id).map(|change| change.order.version).collect()
    };
    assert_eq!((versions(first.id), versions(neighbour.id)), (vec![2, 3], vec![2]));
}

pub async fn a_gap_in_the_versions_of_a_group_stores_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    let first = scene.placed(1, 0).await;
    let third = scene.cancelled(&scene.confirmed(&first, 10).order, 20);
    let conflict = |error: &CommitError| matches!(error, CommitError::Conflict { expected: 2 });
    expect_nothing_stored(&scene, vec![third], &[&first], conflict).await;
    // Two successors of one version are no chain either.
    let group = vec![scene.confirmed(&first, 10), scene.cancelled(&first, 10)];
    let conflict = |error: &CommitError| matches!(error, CommitError::Conflict { expected: 1 });
    expect_nothing_stored(&scene, group, &[&first], conflict).await;
}

pub async fn a_group_stored_twice_is_refused_the_second_time(ports: Ports) {
    let scene = Scene::new(ports);
    let one = scene.placed(1, 0).await;
    let group = vec![scene.cancelled(&one, 10)];
    scene.ports.orders.consume(group.clone(), progress(&scene, &one)).await.expect("the group is stored");
    let again = scene.ports.orders.consume(group, progress(&scene, &one)).await;
    assert!(matches!(again, Err(CommitError::Conflict { expected: 1 })), "{again:?}");
}

async fn states(scene: &Scene, order: &Order) -> Vec<(&'static str, MessageState)> {
    let messages = scene.ports.orders.messages(order.id).await.expect("messages can be listed");
    messages.into_iter().map(|(message, state)| (message.body.event(), state)).collect()
}

pub async fn a_message_is_listed_with_the_order_that_sent_it(ports: Ports) {
    let scene = Scene::new(ports);
    let placing = scene.new_order(1, 0);
    let order = Arc::clone(&placing.order);
    let mut written = placing.messages.clone();
    scene.commit(placing).await.expect("a new order is taken");
    scene.placed(2, 1).await;
    let cancel = scene.cancelled(&order, 10);
    written.extend(cancel.messages.clone());
    scene.commit(cancel).await.expect("the second version is taken");
    let listed = scene.ports.orders.messages(order.id).await.expect("messages can be listed");
    let (messages, states): (Vec<Message>, Vec<MessageState>) = listed.into_iter().unzip();
    assert_eq!(messages, written);
    let open = [MessageState::Ready, MessageState::Published];
    assert!(states.iter().all(|state| open.contains(state)), "nobody has read them: {states:?}");
    assert!(states_of_unknown(&scene).await.is_empty());
}

async fn states_of_unknown(scene: &Scene) -> Vec<(&'static str, MessageState)> {
    states(scene, &scene.new_order(1, 50).order).await
}

/// Inventory decides, and the order context takes note of the outcomes without a change.
async fn decide_and_note(scene: &Scene, deliveries: &[Delivery], notes: usize) {
    scene.let_inventory_decide(deliveries).await;
    let outcomes = scene.arrivals(Consumer::Order, notes).await;
    let mut progress = Progress::new(Consumer::Order);
    progress.position = outcomes.last().map(|outcome| outcome.position);
    progress.done = outcomes.into_iter().map(|outcome| outcome.message.id).collect();
    scene.ports.orders.consume(Vec::new(), progress).await.expect("progress is stored");
}

pub async fn a_message_that_was_consumed_says_so(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 100, "d1").await;
    scene.receive(2, 100, "d2").await;
    let order = scene.placed(1, 0).await;
    let asked = scene.arrivals(Consumer::Inventory, 1).await;
    // An outcome that changes nothing counts as well.
    decide_and_note(&scene, &asked, 1).await;
    assert_eq!(states(&scene, &order).await, [("DeductStock", MessageState::Consumed)]);
}

pub async fn a_message_that_was_parked_says_so(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let asked = scene.arrivals(Consumer::Inventory, 1).await.remove(0);
    let mut progress = Progress::new(Consumer::Inventory);
    progress.position = Some(asked.position);
    progress.park.push(scene.dead_letter(Consumer::Inventory, &asked.message, 1, 10));
    scene.ports.inbox.store(progress).await.expect("progress is stored");
    assert_eq!(states(&scene, &order).await, [("DeductStock", MessageState::Failed)]);
}

async fn undecided(scene: &Scene) -> BTreeSet<OrderId> {
    let orders = scene.ports.orders.undecided().await.expect("undecided orders can be listed");
    orders.iter().map(|order| order.id).collect()
}

pub async fn an_order_is_undecided_until_it_has_heard_the_decision(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 100, "d1").await;
    scene.receive(2, 100, "d2").await;
    assert!(undecided(&scene).await.is_empty());
    let (one, other) = (scene.placed(1, 0).await, scene.placed(2, 1).await);
    assert_eq!(undecided(&scene).await, BTreeSet::from([one.id, other.id]));
    let asked = scene.arrivals(Consumer::Inventory, 2).await;
    let mut first = asked[..1].to_vec();
    first.truncate(1);
    let decided = first[0].message.order_id;
    decide_and_note(&scene, &first, 1).await;
    let left = if decided == one.id { other.id } else { one.id };
    assert_eq!(undecided(&scene).await, BTreeSet::from([left]));
}

pub async fn a_cancelled_order_stays_undecided_too(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    scene.commit(scene.cancelled(&order, 10)).await.expect("the second version is taken");
    let listed = scene.ports.orders.undecided().await.expect("undecided orders can be listed");
    let listed: Vec<(OrderId, u32)> = listed.iter().map(|order| (order.id, order.version)).collect();
    assert_eq!(listed, [(order.id, 2)], "its hold still stands, and its newest version says so");
}
