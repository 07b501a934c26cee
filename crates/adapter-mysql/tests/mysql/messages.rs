//! The life of messages: handed over, polled after a crash, published again, consumed, forgotten.

use doos_adapter_mysql::{MySqlEngines, Options};
use doos_domain::ids::MessageId;
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::stock::Decision;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::inbox::{Inbox, Progress};
use doos_ports::order_store::{MessageState, OrderStore};
use doos_ports::outbox::Outbox;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::common::proxy::Proxy;
use crate::{clock, common, on_set, scene};

async fn open_ids(engines: &MySqlEngines, now: Timestamp) -> BTreeSet<MessageId> {
    let open = engines.outbox.open(now, 100).await.expect("the outbox opens");
    open.into_iter().map(|message| message.id).collect()
}

#[test]
fn a_message_is_handed_over_at_once_and_polled_by_others_later() {
    on_set(async |_, set| {
        let (mine, other) = (common::open(&set.addresses).await, common::open(&set.addresses).await);
        let (scene, now) = (scene(&set).await, clock().now());
        let change = scene.new_order(2, 0);
        let sent = BTreeSet::from([change.messages[0].id.clone()]);
        assert!(mine.orders.commit(vec![change]).await[0].is_ok());
        mine.outbox.ready().await;
        assert_eq!(open_ids(&mine, now).await, sent);
        assert!(open_ids(&other, now).await.is_empty(), "the hand-over has five seconds");
        assert_eq!(open_ids(&other, now.plus_millis(7_000)).await, sent);
    });
}

#[test]
fn a_message_published_and_not_consumed_is_published_again_ever_more_rarely() {
    on_set(async |_, set| {
        let (scene, now) = (scene(&set).await, clock().now());
        let order = scene.placed(2, 0).await;
        // A process of its own each time: nothing is remembered but what the tables say.
        let published_at = async |at: Timestamp| {
            let options = Options { mark_after_ms: 0, ..common::options(&set.addresses) };
            let engines = common::open_with(options).await;
            let open = open_ids(&engines, at).await;
            engines.outbox.mark_published(open.iter().cloned().collect(), at).await.unwrap();
            !open.is_empty()
        };
        let mut seen = Vec::new();
        for second in [10, 20, 39, 41, 60, 100, 102, 200, 221, 223] {
            if published_at(now.plus_millis(second * 1_000)).await {
                seen.push(second);
            }
        }
        assert_eq!(seen, [10, 41, 102, 223], "after 30, 60 and 120 seconds");
        let states = scene.ports.orders.messages(order.id).await.unwrap();
        assert_eq!(states[0].1, MessageState::Published);
    });
}

#[test]
fn what_was_published_is_marked_a_moment_later_and_not_at_all_if_it_is_consumed_by_then() {
    on_set(async |_, set| {
        let mine = common::open(&set.addresses).await;
        let (scene, now) = (scene(&set).await, clock().now());
        let (slow, fast) = (scene.new_order(2, 0), scene.new_order(4, 0));
        let asked = [&slow, &fast].map(|change| change.messages[0].clone());
        let placed = [&slow, &fast].map(|change| Arc::clone(&change.order));
        assert!(mine.orders.commit(vec![slow, fast]).await.iter().all(Result::is_ok));
        let state = async |place: usize| mine.orders.messages(placed[place].id).await.unwrap()[0].1;
        mine.outbox.mark_published(asked.iter().map(|message| message.id.clone()).collect(), now).await.unwrap();
        assert_eq!(state(0).await, MessageState::Ready, "not yet");
        assert!(open_ids(&mine, now.plus_millis(900)).await.is_empty(), "and all the same not open");

        let mut progress = Progress::new(Consumer::Order);
        progress.done.push(decided(&asked[1], now).id);
        mine.orders.consume(vec![scene.confirmed(&placed[1], 5)], progress).await.expect("the group is stored");
        assert!(open_ids(&mine, now.plus_millis(1_000)).await.is_empty());
        assert_eq!((state(0).await, state(1).await), (MessageState::Published, MessageState::Consumed));
        assert!(open_ids(&mine, now.plus_millis(29_000)).await.is_empty());
        let again = BTreeSet::from([asked[0].id.clone()]);
        assert_eq!(open_ids(&mine, now.plus_millis(31_000)).await, again, "30 seconds after it was published");
    });
}

fn decided(asked: &Message, at: Timestamp) -> Message {
    asked.reply(at, Body::StockDecided { decision: Decision::Deducted })
}

#[test]
fn an_outcome_marks_what_it_answers_and_the_sender_of_the_outcome_is_told() {
    on_set(async |_, set| {
        let engines = common::open(&set.addresses).await;
        let (scene, now) = (scene(&set).await, clock().now());
        let placed = scene.placed(2, 0).await;
        let asked = scene.ports.orders.messages(placed.id).await.unwrap().remove(0).0;
        let outcome = decided(&asked, now);
        let mut inventory = Progress::new(Consumer::Inventory);
        inventory.done.push(asked.id.clone());
        inventory.outgoing.push(outcome.clone());
        engines.inbox.store(inventory).await.expect("progress is stored");
        let later = now.plus_millis(3_600_000);
        let expected = BTreeSet::from([asked.id.clone(), outcome.id.clone()]);
        assert_eq!(open_ids(&engines, later).await, expected, "asked and decided, and nobody has heard of it");

        let mut progress = Progress::new(Consumer::Order);
        progress.done.push(outcome.id.clone());
        engines.orders.consume(vec![scene.confirmed(&placed, 5)], progress).await.expect("the group is stored");
        let other = common::open(&set.addresses).await;
        assert!(open_ids(&other, later).await.is_empty(), "nothing is published again");
        let states = scene.ports.orders.messages(placed.id).await.unwrap();
        assert_eq!(states[0].1, MessageState::Consumed);
        assert!(engines.orders.undecided().await.unwrap().is_empty());

        assert_eq!(other.outbox.forget_consumed(later).await.unwrap(), 0, "they stay for a day");
        assert_eq!(other.outbox.forget_consumed(now.plus_millis(2 * 86_400_000)).await.unwrap(), 2);
    });
}

#[test]
fn what_has_no_outcome_is_consumed_when_its_consumer_is_done() {
    on_set(async |_, set| {
        let engines = common::open(&set.addresses).await;
        let scene = scene(&set).await;
        let placed = scene.placed(2, 0).await;
        let cancel = scene.cancelled(&placed, 5);
        let release = cancel.messages[0].id.clone();
        scene.commit(cancel).await.expect("the second version is taken");
        engines
            .inbox
            .store(Progress { done: vec![release.clone()], ..Progress::new(Consumer::Inventory) })
            .await
            .unwrap();
        let states = scene.ports.orders.messages(placed.id).await.unwrap();
        let state = states.iter().find(|(message, _)| message.id == release).map(|(_, state)| *state);
        assert_eq!(state, Some(MessageState::Consumed));
    });
}

#[test]
fn while_a_database_is_away_the_messages_of_the_others_are_handed_over_and_its_own_when_it_is_back() {
    on_set(async |_, set| {
        let proxy = Proxy::before(set.addresses.shards[1].rsplit_once('/').unwrap().0).await;
        let mut addresses = set.addresses.clone();
        addresses.shards[1] = proxy.in_front_of(&addresses.shards[1]);
        let (mine, scene, now) = (common::open(&addresses).await, scene(&set).await, clock().now());
        // Committed by another process, so that only the table has it.
        let left = scene.placed(1, 0).await;
        let left = scene.ports.orders.messages(left.id).await.unwrap().remove(0).0.id;
        proxy.set_away(true);
        // Before the time at which the tables would show them.
        for second in [0, 2, 4] {
            let change = scene.new_order(2, second);
            let sent = change.messages[0].id.clone();
            assert!(mine.orders.commit(vec![change]).await[0].is_ok());
            let at = now.plus_millis(second * 1_000);
            let open = open_ids(&mine, at).await;
            assert!(open.contains(&sent) && !open.contains(&left), "{open:?}");
            mine.outbox.mark_published(open.into_iter().collect(), at).await.unwrap();
        }
        proxy.set_away(false);
        // It was refused a moment ago, and is asked again by the clock that is passed in.
        let found = async {
            for second in 40.. {
                if open_ids(&mine, now.plus_millis(second * 1_000)).await.contains(&left) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("its own are found again");
    });
}
