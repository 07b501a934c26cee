//! What every log of actions must do.

use doos_domain::action::{Action, Deed, Ending};
use doos_domain::ids::ActionId;
use futures::future::join_all;
use std::collections::BTreeMap;

use super::scene::Scene;
use super::suite;
use crate::Ports;
use std::time::Duration;

suite!($ action_log action_log_suite {
    an_action_is_read_as_it_was_recorded,
    actions_come_newest_first_in_pages,
    an_ending_takes_the_place_of_the_beginning,
    actions_recorded_at_once_are_all_there,
});

fn action(scene: &Scene, number: i64) -> Action {
    Action {
        id: ActionId::made(scene.at(number), Duration::ZERO, 7),
        at: scene.at(number),
        actor: "operator:amy".to_owned(),
        deed: Deed::ReceiveStock,
        subject: number.to_string(),
        details: BTreeMap::from([("reference".to_owned(), "van 7; \"quotes\" and 水".to_owned())]),
        trace: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        ending: None,
    }
}

async fn record(scene: &Scene, action: Action) {
    scene.ports.actions.record(action).await.expect("an action is recorded");
}

async fn newest(scene: &Scene, before: Option<&ActionId>, limit: usize) -> Vec<Action> {
    scene.ports.actions.newest(before, limit).await.expect("actions can be read")
}

fn subjects(actions: &[Action]) -> Vec<&str> {
    actions.iter().map(|action| action.subject.as_str()).collect()
}

pub async fn an_action_is_read_as_it_was_recorded(ports: Ports) {
    let scene = Scene::new(ports);
    assert_eq!(newest(&scene, None, 10).await, []);
    record(&scene, action(&scene, 1)).await;
    let bare = Action { details: BTreeMap::new(), trace: None, ending: Some(Ending::Unknown), ..action(&scene, 2) };
    record(&scene, bare.clone()).await;
    assert_eq!(newest(&scene, None, 10).await, [bare, action(&scene, 1)]);
}

pub async fn actions_come_newest_first_in_pages(ports: Ports) {
    let scene = Scene::new(ports);
    // Not in the order of their times: a clock may step back.
    for number in [3, 1, 5, 2, 4] {
        record(&scene, action(&scene, number)).await;
    }
    let first = newest(&scene, None, 2).await;
    assert_eq!(subjects(&first), ["5", "4"]);
    record(&scene, action(&scene, 6)).await;
    let second = newest(&scene, Some(&first[1].id), 2).await;
    assert_eq!(subjects(&second), ["3", "2"]);
    assert_eq!(subjects(&newest(&scene, Some(&second[1].id), 2).await), ["1"]);
}

pub async fn an_ending_takes_the_place_of_the_beginning(ports: Ports) {
    let scene = Scene::new(ports);
    for number in 1..=3 {
        record(&scene, action(&scene, number)).await;
    }
    let refused = Ending::Refused { code: "not_enough_free".to_owned() };
    record(&scene, Action { ending: Some(refused.clone()), ..action(&scene, 2) }).await;
    record(&scene, Action { ending: Some(Ending::Done), ..action(&scene, 1) }).await;
    let endings: Vec<_> = newest(&scene, None, 10).await.into_iter().map(|action| action.ending).collect();
    assert_eq!(endings, [None, Some(refused), Some(Ending::Done)]);
}

pub async fn actions_recorded_at_once_are_all_there(ports: Ports) {
    let scene = Scene::new(ports);
    join_all((1..=50).map(|number| record(&scene, action(&scene, number)))).await;
    assert_eq!(newest(&scene, None, 100).await.len(), 50);
}
