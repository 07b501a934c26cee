//! Groups that meet lost replies, poison, faster processes, and connections that have died.

use doos_adapter_mysql::MySqlEngines;
use doos_domain::ids::MessageId;
use doos_ports::Error;
use doos_ports::order_store::{Change, CommitError, OrderStore, Voided};
use doos_ports::suites::scene::Scene;
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;

use crate::common::proxy::{Fate, Proxy};
use crate::common::{self, Set};
use crate::{commit_one, is_stored, on_set, scene};

/// Engines whose shard 0 (even users) is reached through a proxy.
async fn behind_proxy(set: &Set) -> (Proxy, MySqlEngines) {
    let proxy = Proxy::before(set.addresses.shards[0].rsplit_once('/').unwrap().0).await;
    let mut addresses = set.addresses.clone();
    addresses.shards[0] = proxy.in_front_of(&addresses.shards[0]);
    let mut options = common::options(&addresses);
    options.away_pause = Duration::ZERO;
    (proxy, common::open_with(options).await)
}

fn orders_of_user(scene: &Scene, user: u64, count: i64) -> Vec<Change> {
    (0..count).map(|number| scene.new_order(user, number)).collect()
}

fn a_commit_meets(fate: Fate) {
    on_set(async |_, set| {
        let (proxy, engines) = behind_proxy(&set).await;
        let scene = scene(&set).await;
        commit_one(&*engines.orders, scene.new_order(2, 0)).await.expect("the connection works");
        let group = orders_of_user(&scene, 2, 5);
        proxy.arm(fate);
        let results = engines.orders.commit(group.clone()).await;
        assert_eq!(proxy.struck(), 1, "the COMMIT went another way");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        for change in &group {
            assert!(is_stored(&*scene.ports.orders, &change.order).await);
            let messages = scene.ports.orders.messages(change.order.id).await.unwrap();
            assert_eq!(messages.len(), 1, "stored twice, or without its message");
        }
    });
}

#[test]
fn a_commit_that_was_done_and_not_answered_is_read_again() {
    a_commit_meets(Fate::ReplyLost);
}

#[test]
fn a_commit_that_never_came_is_done_again() {
    a_commit_meets(Fate::NeverSent);
}

#[test]
fn a_session_left_with_its_locks_is_ended() {
    a_commit_meets(Fate::NeverSentAndOpen);
}

#[test]
fn while_the_outcome_cannot_be_read_it_is_unknown_and_losers_keep_their_verdicts() {
    for fate in [Fate::ReplyLost, Fate::NeverSent] {
        on_set(async move |_, set| {
            let (proxy, engines) = behind_proxy(&set).await;
            let scene = scene(&set).await;
            let placed = scene.placed(2, 0).await;
            scene.commit(scene.confirmed(&placed, 1)).await.expect("the second version is taken");
            let new = scene.new_order(2, 5);
            proxy.arm(fate);
            proxy.then_away();
            let results = engines.orders.commit(vec![new.clone(), scene.cancelled(&placed, 2)]).await;
            assert!(matches!(&results[0], Err(CommitError::Engine(Error::Unknown { .. }))), "{results:?}");
            assert!(matches!(&results[1], Err(CommitError::Conflict { expected: 1 })), "{results:?}");
            // The other shard's users notice nothing.
            commit_one(&*engines.orders, scene.new_order(1, 6)).await.expect("the other shard is there");
            let away = commit_one(&*engines.orders, scene.new_order(2, 7)).await;
            assert!(matches!(&away, Err(CommitError::Engine(Error::Unavailable { .. }))), "{away:?}");
            // Whoever asks later learns which of the two it was.
            proxy.set_away(false);
            let voided = engines.orders.void(new.order.id).await.expect("the shard is back");
            assert_eq!(voided == Voided::Order, fate == Fate::ReplyLost);
            assert_eq!(is_stored(&*engines.orders, &new.order).await, fate == Fate::ReplyLost);
        });
    }
}

#[test]
fn a_unit_over_two_shards_survives_a_lost_reply() {
    for fate in [Fate::ReplyLost, Fate::NeverSentAndOpen] {
        on_set(async move |_, set| {
            let (proxy, engines) = behind_proxy(&set).await;
            let scene = scene(&set).await;
            let (even, odd) = (scene.placed(2, 0).await, scene.placed(1, 1).await);
            let group = vec![scene.confirmed(&even, 10), scene.confirmed(&odd, 10)];
            let mut progress = doos_ports::inbox::Progress::new(doos_domain::message::Consumer::Order);
            progress.position = Some(doos_ports::bus::Position(7));
            proxy.arm(fate);
            let stored = engines.orders.consume(group.clone(), progress.clone()).await;
            if fate == Fate::ReplyLost {
                stored.expect("it was done");
            } else {
                let error = stored.expect_err("it was not done");
                assert!(matches!(error, CommitError::Engine(Error::Unavailable { .. })), "{error:?}");
                let position = engines.inbox.position(progress.consumer).await.unwrap();
                assert_eq!(position.0, 0, "the position came before its effects");
                assert!(!is_at(&scene, &group, 2).await.contains(&true), "one shard has stored its part");
                engines.orders.consume(group.clone(), progress.clone()).await.expect("the connection is new");
            }
            assert_eq!(is_at(&scene, &group, 2).await, [true, true]);
            assert_eq!(engines.inbox.position(progress.consumer).await.unwrap().0, 7);
        });
    }
}

async fn is_at(scene: &Scene, group: &[Change], version: u32) -> Vec<bool> {
    let mut at = Vec::new();
    for change in group {
        at.push(scene.load(change.order.id).await.unwrap().version == version);
    }
    at
}

#[test]
fn connections_that_have_died_are_replaced_unseen() {
    on_set(async |_, set| {
        let (proxy, engines) = behind_proxy(&set).await;
        let scene = scene(&set).await;
        for number in 0..3 {
            let change = scene.new_order(2, number);
            let order = Arc::clone(&change.order);
            commit_one(&*engines.orders, change).await.expect("a new order is taken");
            assert!(is_stored(&*engines.orders, &order).await);
            assert_eq!(engines.orders.void(order.id).await.unwrap(), Voided::Order);
            proxy.cut_all();
        }
    });
}

#[test]
fn a_poisoned_change_costs_its_neighbours_nothing() {
    on_set(async |_, set| {
        let scene = scene(&set).await;
        for place in [0, 3, 6] {
            let mut group = orders_of_user(&scene, 2, 7);
            // No row takes an id of that length, which nobody can see before the database says so.
            group[place].messages[0].id = MessageId::from_text("x".repeat(5_000));
            let results = scene.ports.orders.commit(group.clone()).await;
            for (number, (change, result)) in group.iter().zip(&results).enumerate() {
                assert_eq!(is_stored(&*scene.ports.orders, &change.order).await, number != place, "{results:?}");
                if number == place {
                    assert!(matches!(result, Err(CommitError::Engine(Error::Broken { .. }))), "{result:?}");
                } else {
                    assert!(result.is_ok(), "{result:?}");
                }
            }
        }
    });
}

#[test]
fn two_processes_that_race_for_one_id_make_one_order() {
    on_set(async |_, set| {
        let (one, other) = (common::open(&set.addresses).await, common::open(&set.addresses).await);
        let scene = scene(&set).await;
        for round in 0..15 {
            // Neighbours keep both groups busy, so that they really overlap.
            let change = scene.new_order(2, round);
            let group = |user| [vec![change.clone()], orders_of_user(&scene, user, 4)].concat();
            let (groups, stores) = ([group(2), group(4)], [&one.orders, &other.orders]);
            let results = join_all(stores.iter().zip(groups).map(|(store, group)| store.commit(group))).await;
            let won = results.iter().filter(|results| results[0].is_ok()).count();
            assert_eq!(won, 1, "{results:?}");
            for result in results.iter().map(|results| &results[0]).filter(|result| result.is_err()) {
                assert!(matches!(result, Err(CommitError::Conflict { expected: 0 })), "{result:?}");
            }
            assert!(results.iter().all(|results| results[1..].iter().all(Result::is_ok)), "{results:?}");
            let messages = scene.ports.orders.messages(change.order.id).await.unwrap();
            assert_eq!(messages.len(), 1);
        }
    });
}

#[test]
fn two_processes_that_race_for_one_key_tell_one_answer() {
    on_set(async |_, set| {
        let (one, other) = (common::open(&set.addresses).await, common::open(&set.addresses).await);
        let scene = scene(&set).await;
        for round in 0..15 {
            let key = format!("k{round}");
            let change = |told: &str, millis| {
                let answer = Some(scene.answer("customer:2", &key, told));
                Change { answer, ..scene.new_order(2, millis) }
            };
            let changes = [change("one", round), change("other", round + 100)];
            let (first, second) = futures::join!(
                commit_one(&*one.orders, changes[0].clone()),
                commit_one(&*other.orders, changes[1].clone())
            );
            let winner = usize::from(first.is_err());
            let [won, lost] = if winner == 0 { [&first, &second] } else { [&second, &first] };
            let told = changes[winner].answer.as_ref().unwrap();
            assert!(won.is_ok(), "{first:?} {second:?}");
            assert!(matches!(lost, Err(CommitError::Answered(stored)) if **stored == *told), "{lost:?}");
            assert_eq!(one.orders.find_answer(&told.key).await.unwrap().as_ref(), Some(told));
            assert!(!is_stored(&*one.orders, &changes[1 - winner].order).await);
        }
    });
}
