//! What every order store must do when changes are committed, keys are answered, and ids are voided.
//!
//! Consuming is tried in `order_consume.rs`, lists and sweeps in `order_lists.rs`.

use doos_domain::answer::Answer;
use doos_domain::order::Order;
use futures::future::join_all;
use futures::join;
use std::sync::Arc;

use super::scene::{Scene, answer_key};
use super::suite;
use crate::Ports;
use crate::order_store::{Change, CommitError, Voided};

suite!($ order_store order_store_suite {
    an_order_is_there_when_its_commit_has_returned,
    every_field_of_an_order_is_kept,
    an_order_grows_version_by_version,
    what_this_process_has_committed_is_read_by_it_at_once,
    a_change_of_a_version_that_has_passed_loses,
    a_second_new_order_under_one_id_loses,
    a_change_of_an_order_that_does_not_exist_loses,
    a_loser_never_fails_its_neighbours,
    an_empty_group_is_no_harm,
    of_two_changes_of_one_version_in_a_group_the_first_wins,
    of_many_commits_of_one_version_at_once_one_wins,
    an_answer_is_stored_with_its_change,
    a_key_answered_before_gets_the_stored_answer,
    of_two_orders_under_one_key_in_a_group_the_first_wins,
    of_many_orders_under_one_key_at_once_one_wins,
    a_change_repeated_under_its_key_is_told_its_answer,
    the_same_key_of_another_scope_is_another_key,
    a_loser_leaves_no_answer,
    the_first_answer_remembered_wins,
    a_remembered_key_takes_no_order,
    an_order_s_answer_is_not_forgotten_for_another,
    of_many_answers_remembered_at_once_one_wins,
    a_void_id_takes_no_order,
    a_void_leaves_nothing_of_the_change_that_meets_it,
    an_id_with_an_order_cannot_be_voided,
    between_void_and_commit_the_first_wins,
    every_order_has_one_of_the_shards,
});

async fn find(scene: &Scene, answer: &Answer) -> Option<Answer> {
    scene.ports.orders.find_answer(&answer.key).await.expect("answers can be looked up")
}

fn is_conflict(result: &Result<(), CommitError>, version: u32) -> bool {
    matches!(result, Err(CommitError::Conflict { expected }) if *expected == version)
}

fn is_answered(result: &Result<(), CommitError>, answer: &Answer) -> bool {
    matches!(result, Err(CommitError::Answered(stored)) if **stored == *answer)
}

fn answered(change: Change, answer: &Answer) -> Change {
    Change { answer: Some(answer.clone()), ..change }
}

async fn messages_written(scene: &Scene, order: &Order) -> usize {
    scene.ports.orders.messages(order.id).await.expect("messages can be listed").len()
}

pub async fn an_order_is_there_when_its_commit_has_returned(ports: Ports) {
    let scene = Scene::new(ports);
    let change = scene.new_order(1, 0);
    let order = Arc::clone(&change.order);
    assert_eq!(scene.load(order.id).await, None);
    scene.commit(change).await.expect("a new order is taken");
    assert_eq!(scene.load(order.id).await, Some(Arc::clone(&order)));
    assert_eq!(messages_written(&scene, &order).await, 1);
}

pub async fn every_field_of_an_order_is_kept(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let mut next = scene.confirmed(&order, 10);
    let mut full = (*next.order).clone();
    full.address = Some("line one\nline two \"quoted\" \u{1F6B2} \\ '%'".to_owned());
    full.tracking = Some(String::new());
    full.goods_out = true;
    full.money.captured_minor = i64::MAX;
    next.order = Arc::new(full);
    let expected = Arc::clone(&next.order);
    scene.commit(next).await.expect("the next version is taken");
    assert_eq!(scene.load(order.id).await, Some(expected));
}

pub async fn an_order_grows_version_by_version(ports: Ports) {
    let scene = Scene::new(ports);
    let first = scene.placed(1, 0).await;
    let second = scene.confirmed(&first, 10);
    let third = scene.cancelled(&second.order, 20);
    let last = Arc::clone(&third.order);
    scene.commit(second).await.expect("the second version is taken");
    scene.commit(third).await.expect("the third version is taken");
    assert_eq!(scene.load(first.id).await, Some(last));
}

pub async fn what_this_process_has_committed_is_read_by_it_at_once(ports: Ports) {
    let scene = Scene::new(ports);
    let read = async |order: &Order| scene.ports.orders.read(order.id).await.expect("an order can be read");
    let change = scene.new_order(1, 0);
    let first = Arc::clone(&change.order);
    assert_eq!(read(&first).await, None);
    scene.commit(change).await.expect("a new order is taken");
    assert_eq!(read(&first).await, Some(Arc::clone(&first)), "not that there is none, which was read before");
    let second = scene.confirmed(&first, 10);
    let confirmed = Arc::clone(&second.order);
    scene.commit(second).await.expect("the second version is taken");
    assert_eq!(read(&first).await, Some(Arc::clone(&confirmed)));
    let third = scene.cancelled(&confirmed, 20);
    let cancelled = Arc::clone(&third.order);
    scene.commit(third).await.expect("the third version is taken");
    assert_eq!(read(&first).await, Some(cancelled));
}

pub async fn a_change_of_a_version_that_has_passed_loses(ports: Ports) {
    let scene = Scene::new(ports);
    let first = scene.placed(1, 0).await;
    let winner = scene.confirmed(&first, 10);
    let second = Arc::clone(&winner.order);
    scene.commit(winner).await.expect("the first to come wins");
    let result = scene.commit(scene.cancelled(&first, 11)).await;
    assert!(is_conflict(&result, 1), "{result:?}");
    assert_eq!(scene.load(first.id).await, Some(second));
    assert_eq!(messages_written(&scene, &first).await, 1, "the loser's release was written");
}

pub async fn a_second_new_order_under_one_id_loses(ports: Ports) {
    let scene = Scene::new(ports);
    let change = scene.new_order(1, 0);
    let first = Arc::clone(&change.order);
    let mut other = change.clone();
    other.order = Arc::new(Order { address: None, ..(*first).clone() });
    scene.commit(change).await.expect("a new order is taken");
    let result = scene.commit(other).await;
    assert!(is_conflict(&result, 0), "{result:?}");
    assert_eq!(scene.load(first.id).await, Some(first));
}

pub async fn a_change_of_an_order_that_does_not_exist_loses(ports: Ports) {
    let scene = Scene::new(ports);
    let never_stored = scene.new_order(1, 0).order;
    let result = scene.commit(scene.confirmed(&never_stored, 10)).await;
    assert!(is_conflict(&result, 1), "{result:?}");
    assert_eq!(scene.load(never_stored.id).await, None);
}

pub async fn a_loser_never_fails_its_neighbours(ports: Ports) {
    let scene = Scene::new(ports);
    let moved_on = scene.placed(1, 0).await;
    scene.commit(scene.confirmed(&moved_on, 1)).await.expect("the second version is taken");
    let told = scene.answer("customer:2", "k", "told before");
    scene.commit(answered(scene.new_order(2, 2), &told)).await.expect("a new order is taken");
    let given_up = scene.new_order(3, 3);
    scene.ports.orders.void(given_up.order.id).await.expect("an id can be voided");

    let good: Vec<Change> = (10..14).map(|number| scene.new_order(number as u64, number)).collect();
    let group = vec![
        good[0].clone(),
        scene.cancelled(&moved_on, 4),
        good[1].clone(),
        answered(scene.new_order(2, 5), &told),
        good[2].clone(),
        given_up,
        good[3].clone(),
    ];
    let results = scene.ports.orders.commit(group).await;
    assert_eq!(results.len(), 7, "one result a change, in the order of the changes");
    for place in [0, 2, 4, 6] {
        assert!(results[place].is_ok(), "{results:?}");
    }
    assert!(is_conflict(&results[1], 1) && is_answered(&results[3], &told), "{results:?}");
    assert!(matches!(results[5], Err(CommitError::Void)), "{results:?}");
    for change in good {
        assert_eq!(scene.load(change.order.id).await, Some(change.order));
    }
}

pub async fn an_empty_group_is_no_harm(ports: Ports) {
    let scene = Scene::new(ports);
    assert!(scene.ports.orders.commit(Vec::new()).await.is_empty());
}

pub async fn of_two_changes_of_one_version_in_a_group_the_first_wins(ports: Ports) {
    let scene = Scene::new(ports);
    let first = scene.placed(1, 0).await;
    let (winner, loser) = (scene.confirmed(&first, 10), scene.cancelled(&first, 10));
    let second = Arc::clone(&winner.order);
    let results = scene.ports.orders.commit(vec![winner, loser]).await;
    assert!(results[0].is_ok() && is_conflict(&results[1], 1), "{results:?}");
    assert_eq!(scene.load(first.id).await, Some(second));
}

pub async fn of_many_commits_of_one_version_at_once_one_wins(ports: Ports) {
    let scene = Scene::new(ports);
    let first = scene.placed(1, 0).await;
    let changes: Vec<Change> = (0..10).map(|number| scene.cancelled(&first, 10 + number)).collect();
    let results = join_all(changes.iter().cloned().map(|change| scene.commit(change))).await;
    let winners: Vec<&Change> =
        changes.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(change, _)| change).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert!(results.iter().all(|result| result.is_ok() || is_conflict(result, 1)), "{results:?}");
    assert_eq!(scene.load(first.id).await, Some(Arc::clone(&winners[0].order)));
    assert_eq!(messages_written(&scene, &first).await, 2, "one deduct, one release");
}

pub async fn an_answer_is_stored_with_its_change(ports: Ports) {
    let scene = Scene::new(ports);
    let answer = scene.answer("customer:1", "k", "{\"text\":\"日本 \\\"quoted\\\" \"}");
    assert_eq!(find(&scene, &answer).await, None);
    scene.commit(answered(scene.new_order(1, 0), &answer)).await.expect("a new order is taken");
    assert_eq!(find(&scene, &answer).await, Some(answer));
}

pub async fn a_key_answered_before_gets_the_stored_answer(ports: Ports) {
    let scene = Scene::new(ports);
    let answer = scene.answer("customer:1", "k", "the first");
    scene.commit(answered(scene.new_order(1, 0), &answer)).await.expect("a new order is taken");
    let second = scene.new_order(1, 1);
    let id = second.order.id;
    let result = scene.commit(answered(second.clone(), &scene.answer("customer:1", "k", "the second"))).await;
    assert!(is_answered(&result, &answer), "{result:?}");
    assert_eq!(scene.load(id).await, None);
    assert_eq!(messages_written(&scene, &second.order).await, 0);
    assert_eq!(find(&scene, &answer).await, Some(answer));
}

pub async fn of_two_orders_under_one_key_in_a_group_the_first_wins(ports: Ports) {
    let scene = Scene::new(ports);
    let answer = scene.answer("customer:1", "k", "the first");
    let (first, second) = (scene.new_order(1, 0), scene.new_order(1, 1));
    let ids = (first.order.id, second.order.id);
    let group = vec![answered(first, &answer), answered(second, &scene.answer("customer:1", "k", "the second"))];
    let results = scene.ports.orders.commit(group).await;
    assert!(results[0].is_ok() && is_answered(&results[1], &answer), "{results:?}");
    assert!(scene.load(ids.0).await.is_some() && scene.load(ids.1).await.is_none());
}

pub async fn of_many_orders_under_one_key_at_once_one_wins(ports: Ports) {
    let scene = Scene::new(ports);
    let place = |number: i64| {
        let answer = scene.answer("customer:1", "k", &number.to_string());
        let change = answered(scene.new_order(1, number), &answer);
        let scene = &scene;
        async move { (change.order.id, answer, scene.commit(change).await) }
    };
    let placed = join_all((0..10).map(place)).await;
    let winners: Vec<_> = placed.iter().filter(|(_, _, result)| result.is_ok()).collect();
    assert_eq!(winners.len(), 1, "{placed:?}");
    let told = &winners[0].1;
    for (id, _, result) in &placed {
        assert!(result.is_ok() || is_answered(result, told), "{result:?}");
        assert_eq!(scene.load(*id).await.is_some(), result.is_ok());
    }
}

pub async fn a_change_repeated_under_its_key_is_told_its_answer(ports: Ports) {
    let scene = Scene::new(ports);
    let answer = scene.answer("customer:1", "k", "the first");
    let change = answered(scene.new_order(1, 0), &answer);
    scene.commit(change.clone()).await.expect("a new order is taken");
    // Whoever lost the first reply must learn what was told, not that somebody was faster.
    let result = scene.commit(change).await;
    assert!(is_answered(&result, &answer), "{result:?}");
}

pub async fn the_same_key_of_another_scope_is_another_key(ports: Ports) {
    let scene = Scene::new(ports);
    let (one, other) = (scene.answer("customer:1", "k", "one"), scene.answer("customer:2", "k", "other"));
    scene.commit(answered(scene.new_order(1, 0), &one)).await.expect("a new order is taken");
    scene.commit(answered(scene.new_order(2, 1), &other)).await.expect("another scope's key is free");
    assert_eq!(find(&scene, &one).await, Some(one));
    assert_eq!(find(&scene, &other).await, Some(other));
    let unused = scene.ports.orders.find_answer(&answer_key("customer:", "1k")).await;
    assert_eq!(unused.expect("answers can be looked up"), None);
}

pub async fn a_loser_leaves_no_answer(ports: Ports) {
    let scene = Scene::new(ports);
    let first = scene.placed(1, 0).await;
    scene.commit(scene.confirmed(&first, 1)).await.expect("the second version is taken");
    let answer = scene.answer("customer:1", "k", "cancelled");
    let result = scene.commit(answered(scene.cancelled(&first, 2), &answer)).await;
    assert!(is_conflict(&result, 1), "{result:?}");
    assert_eq!(find(&scene, &answer).await, None);
}

pub async fn the_first_answer_remembered_wins(ports: Ports) {
    let scene = Scene::new(ports);
    let (first, second) = (scene.answer("customer:1", "k", "first"), scene.answer("customer:1", "k", "second"));
    let remember = |answer: &Answer| scene.ports.orders.remember(answer.clone());
    assert_eq!(remember(&first).await.expect("answers are remembered"), first);
    assert_eq!(remember(&second).await.expect("answers are remembered"), first);
    assert_eq!(find(&scene, &second).await, Some(first));
}

pub async fn a_remembered_key_takes_no_order(ports: Ports) {
    let scene = Scene::new(ports);
    let answer = scene.answer("customer:1", "k", "no");
    scene.ports.orders.remember(answer.clone()).await.expect("answers are remembered");
    let change = answered(scene.new_order(1, 0), &scene.answer("customer:1", "k", "yes"));
    let id = change.order.id;
    let result = scene.commit(change).await;
    assert!(is_answered(&result, &answer), "{result:?}");
    assert_eq!(scene.load(id).await, None);
}

pub async fn an_order_s_answer_is_not_forgotten_for_another(ports: Ports) {
    let scene = Scene::new(ports);
    let answer = scene.answer("customer:1", "k", "yes");
    scene.commit(answered(scene.new_order(1, 0), &answer)).await.expect("a new order is taken");
    let later = scene.ports.orders.remember(scene.answer("customer:1", "k", "no")).await;
    assert_eq!(later.expect("answers are remembered"), answer);
    assert_eq!(find(&scene, &answer).await, Some(answer));
}

pub async fn of_many_answers_remembered_at_once_one_wins(ports: Ports) {
    let scene = Scene::new(ports);
    let remember = |number: i32| scene.ports.orders.remember(scene.answer("customer:1", "k", &number.to_string()));
    let told = join_all((0..10).map(remember)).await;
    let told: Vec<Answer> = told.into_iter().map(|answer| answer.expect("answers are remembered")).collect();
    assert!(told.iter().all(|answer| *answer == told[0]), "{told:?}");
    assert_eq!(find(&scene, &told[0]).await.as_ref(), Some(&told[0]));
}

pub async fn a_void_id_takes_no_order(ports: Ports) {
    let scene = Scene::new(ports);
    let change = scene.new_order(1, 0);
    let id = change.order.id;
    for _ in 0..2 {
        assert_eq!(scene.ports.orders.void(id).await.expect("an id can be voided"), Voided::Void);
    }
    for _ in 0..2 {
        let result = scene.commit(change.clone()).await;
        assert!(matches!(result, Err(CommitError::Void)), "{result:?}");
    }
    assert_eq!(scene.load(id).await, None);
    assert_eq!(scene.ports.orders.void(id).await.expect("an id can be voided"), Voided::Void);
}

pub async fn a_void_leaves_nothing_of_the_change_that_meets_it(ports: Ports) {
    let scene = Scene::new(ports);
    let answer = scene.answer("customer:1", "k", "yes");
    let change = answered(scene.new_order(1, 0), &answer);
    let order = Arc::clone(&change.order);
    scene.ports.orders.void(order.id).await.expect("an id can be voided");
    scene.commit(change).await.expect_err("the id is void");
    assert_eq!(find(&scene, &answer).await, None);
    assert_eq!(messages_written(&scene, &order).await, 0);
    scene.commit(answered(scene.new_order(1, 1), &answer)).await.expect("the key is still free");
}

pub async fn an_id_with_an_order_cannot_be_voided(ports: Ports) {
    let scene = Scene::new(ports);
    let first = scene.placed(1, 0).await;
    assert_eq!(scene.ports.orders.void(first.id).await.expect("an id can be asked after"), Voided::Order);
    assert_eq!(scene.load(first.id).await, Some(Arc::clone(&first)));
    scene.commit(scene.confirmed(&first, 1)).await.expect("the order goes on");
    assert_eq!(scene.ports.orders.void(first.id).await.expect("an id can be asked after"), Voided::Order);
}

pub async fn between_void_and_commit_the_first_wins(ports: Ports) {
    let scene = Scene::new(ports);
    for number in 0..40 {
        let change = scene.new_order(1 + number as u64 % 5, number);
        let id = change.order.id;
        let (result, voided) = if number % 2 == 0 {
            join!(scene.commit(change), scene.ports.orders.void(id))
        } else {
            let (voided, result) = join!(scene.ports.orders.void(id), scene.commit(change));
            (result, voided)
        };
        let voided = voided.expect("an id can be voided");
        let stored = scene.load(id).await.is_some();
        match result {
            Ok(()) => assert!(voided == Voided::Order && stored, "both were first"),
            Err(CommitError::Void) => assert!(voided == Voided::Void && !stored, "neither was first"),
            Err(other) => panic!("a new id is either an order or void, not {other:?}"),
        }
    }
}

pub async fn every_order_has_one_of_the_shards(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = &scene.ports.orders;
    for number in 1..=40 {
        let id = scene.new_id(super::scene::user(number), number.cast_signed());
        assert!(orders.shard_of(id) < orders.shard_count());
        let sibling = scene.new_id(super::scene::user(number), 1_000);
        assert_eq!(orders.shard_of(id), orders.shard_of(sibling), "a user's orders live together");
    }
}
