//! What moves besides orders, and nodes that have not heard of it.

use doos_adapter_mysql::Which;
use doos_domain::ids::MessageId;
use doos_domain::message::{Body, Consumer};
use doos_domain::stock::Decision;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::id_marks::IdMarks;
use doos_ports::inbox::{DeadLetter, Inbox, Progress, Waiting};
use doos_ports::order_store::{CommitError, MessageState, OrderStore, Query, Voided};
use doos_ports::outbox::Outbox;
use doos_ports::suites::scene::user;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::bed::on_bed;
use crate::clock;

fn later() -> Timestamp {
    clock().now().plus_millis(3_600_000)
}

#[test]
fn answers_voids_and_messages_go_with_their_bucket_and_come_back_with_it() {
    on_bed(async |bed| {
        let (node, scene) = (bed.node().await, bed.scene().await);
        let (open, consumed, waits, parked) =
            (scene.placed(2, 0).await, scene.placed(2, 1).await, scene.placed(2, 2).await, scene.placed(2, 3).await);
        let void = scene.new_order(2, 4);
        assert_eq!(node.orders.void(void.order.id).await.unwrap(), Voided::Void);
        let answer = node.orders.remember(scene.answer("2", "a key", "an answer")).await.unwrap();
        let asked = |order: &doos_domain::order::Order| {
            let (orders, id) = (Arc::clone(&node.orders), order.id);
            async move { orders.messages(id).await.unwrap().remove(0).0 }
        };
        let mut progress = Progress::new(Consumer::Order);
        let decided = Body::StockDecided { decision: Decision::Deducted };
        let outcomes = [&consumed, &waits, &parked].map(|order| asked(order));
        let mut replies = Vec::new();
        for outcome in outcomes {
            replies.push(outcome.await.reply(scene.at(10), decided.clone()));
        }
        progress.done.push(replies[0].id.clone());
        let (next_at, parked_at, cause) = (scene.at(50), scene.at(60), "test".to_owned());
        progress.wait.push(Waiting {
            message: replies[1].clone(),
            sequence: 7,
            tries: 2,
            next_at,
            cause: cause.clone(),
        });
        let (consumer, message) = (Consumer::Order, replies[2].clone());
        let letter = DeadLetter { consumer, message, sequence: 8, tries: 12, cause, parked_at };
        progress.park.push(letter.clone());
        node.orders.consume(Vec::new(), progress.clone()).await.unwrap();
        let mark = scene.at(500_000);
        let tenure = node.id_marks.take(9).await.unwrap();
        node.id_marks.raise(tenure, mark).await.unwrap();

        for (to, round) in [(2, "there"), (0, "and back")] {
            assert_eq!(bed.go(to, Which::Buckets(vec![2])).await, 1);
            bed.is_settled().await;
            let node = bed.node().await;
            let due = node.outbox.open(later(), 100).await.unwrap();
            let due: BTreeSet<MessageId> = due.into_iter().map(|message| message.id).collect();
            let expected = [&open, &waits, &parked].map(|order| asked(order));
            let mut ids = BTreeSet::new();
            for message in expected {
                ids.insert(message.await.id);
            }
            assert!(due.is_superset(&ids), "{round}: {due:?}");
            assert_eq!(node.orders.messages(consumed.id).await.unwrap()[0].1, MessageState::Consumed, "{round}");
            assert_eq!(node.inbox.waiting_of(Consumer::Order, waits.id).await.unwrap(), progress.wait, "{round}");
            assert_eq!(node.inbox.dead_letter(&letter.message.id).await.unwrap(), Some(letter.clone()), "{round}");
            assert_eq!(node.inbox.dead_letter_count().await.unwrap(), 1, "{round}");
            assert_eq!(node.orders.find_answer(&answer.key).await.unwrap(), Some(answer.clone()), "{round}");
            let told = node.orders.commit(vec![void.clone()]).await.remove(0);
            assert!(matches!(told, Err(CommitError::Void)), "{round}: {told:?}");
            assert_eq!(node.orders.undecided().await.unwrap().len(), 3, "{round}");
        }
        let marks: Vec<(u64, i64)> = bed.rows(2, "SELECT epoch, mark FROM t_id_mark WHERE worker = 9").await;
        assert_eq!(marks, [(tenure.epoch, mark.as_millis())]);
    });
}

#[test]
fn a_node_that_has_not_heard_of_a_move_serves_all_the_same() {
    on_bed(async |bed| {
        let stale = bed.node().await;
        let scene = bed.scene().await;
        let order = scene.placed(2, 0).await;
        let asked = stale.orders.messages(order.id).await.unwrap().remove(0).0;
        assert_eq!(bed.go(2, Which::Buckets(vec![2])).await, 1);
        // Each by a node of its own: the first call that meets the move reads the map anew.
        assert_eq!(stale.orders.load(order.id).await.unwrap().as_ref(), Some(&order));
        bed.go(0, Which::Buckets(vec![2])).await;
        let query = Query { user_id: Some(user(2)), statuses: Vec::new(), before: None, limit: 10 };
        assert_eq!(stale.orders.list(query).await.unwrap().orders, [Arc::clone(&order)]);
        bed.go(2, Which::Buckets(vec![2])).await;
        let next = scene.confirmed(&order, 10);
        let mut progress = Progress::new(Consumer::Order);
        progress.done.push(asked.reply(scene.at(10), Body::StockDecided { decision: Decision::Deducted }).id);
        stale.orders.consume(vec![next.clone()], progress).await.expect("a unit finds its shard");
        assert_eq!(bed.places().await[&order.id.get()], (2, 2));
        bed.go(0, Which::Buckets(vec![2])).await;
        assert_eq!(stale.orders.messages(order.id).await.unwrap()[0].1, MessageState::Consumed);
        bed.go(2, Which::Buckets(vec![2])).await;
        assert_eq!(stale.orders.void(order.id).await.unwrap(), Voided::Order);
        bed.go(0, Which::Buckets(vec![2])).await;
        let answer = scene.answer("2", "k", "b");
        assert_eq!(stale.orders.remember(answer.clone()).await.unwrap(), answer);
        bed.go(2, Which::Buckets(vec![2])).await;
        assert_eq!(stale.orders.find_answer(&answer.key).await.unwrap(), Some(answer));
        bed.go(0, Which::Buckets(vec![2])).await;
        let cancelled = scene.cancelled(&next.order, 20);
        assert!(stale.orders.commit(vec![cancelled]).await[0].is_ok());
        assert_eq!(bed.places().await[&order.id.get()], (0, 3));
    });
}

#[test]
fn the_sender_of_a_message_is_found_after_its_bucket_has_moved() {
    on_bed(async |bed| {
        let (inventory, scene) = (bed.node().await, bed.scene().await);
        let placed = scene.placed(2, 0).await;
        let cancelled = scene.cancelled(&placed, 10);
        let released = cancelled.messages.iter().find(|message| message.id.as_str().contains("Release")).cloned();
        let released = released.expect("a cancel releases the stock");
        scene.commit(cancelled).await.unwrap();
        bed.go(2, Which::Buckets(vec![2])).await;
        // This node reads no orders: only the consumer's own progress tells it that its map is old.
        for _ in 0..2 {
            let mut progress = Progress::new(Consumer::Inventory);
            progress.done.push(released.id.clone());
            inventory.inbox.store(progress).await.unwrap();
        }
        let states = bed.node().await.orders.messages(placed.id).await.unwrap();
        let state = states.iter().find(|(message, _)| message.id == released.id).map(|(_, state)| *state);
        assert_eq!(state, Some(MessageState::Consumed));
    });
}
