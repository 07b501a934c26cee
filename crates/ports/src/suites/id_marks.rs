//! What every keeper of id marks must do.

use futures::join;

use super::scene::Scene;
use super::suite;
use crate::Ports;
use crate::id_marks::{Error, Tenure};
use doos_domain::time::Timestamp;

suite!($ id_marks id_marks_suite {
    the_next_holder_is_told_the_mark_of_the_last,
    every_taking_raises_the_epoch,
    a_holder_whose_number_was_taken_is_fenced,
    a_fenced_holder_changes_nothing,
    a_mark_never_goes_down,
    worker_numbers_are_apart,
    of_two_who_take_a_number_at_once_one_is_fenced,
});

async fn take(scene: &Scene, worker: u8) -> Tenure {
    let tenure = scene.ports.id_marks.take(worker).await.expect("a number can be taken");
    assert_eq!(tenure.worker, worker);
    tenure
}

async fn raise(scene: &Scene, tenure: Tenure, mark: Timestamp) {
    scene.ports.id_marks.raise(tenure, mark).await.expect("the holder may raise the mark");
}

pub async fn the_next_holder_is_told_the_mark_of_the_last(ports: Ports) {
    let scene = Scene::new(ports);
    let first = take(&scene, 3).await;
    raise(&scene, first, scene.at(5_000)).await;
    raise(&scene, first, scene.at(9_000)).await;
    assert_eq!(take(&scene, 3).await.mark, scene.at(9_000));
    // A holder who raised nothing leaves the mark as it was.
    assert_eq!(take(&scene, 3).await.mark, scene.at(9_000));
}

pub async fn every_taking_raises_the_epoch(ports: Ports) {
    let scene = Scene::new(ports);
    let mut last = take(&scene, 3).await.epoch;
    for _ in 0..5 {
        let epoch = take(&scene, 3).await.epoch;
        assert!(epoch > last, "epoch {epoch} follows {last}");
        last = epoch;
    }
}

pub async fn a_holder_whose_number_was_taken_is_fenced(ports: Ports) {
    let scene = Scene::new(ports);
    let old = take(&scene, 3).await;
    raise(&scene, old, scene.at(1_000)).await;
    let new = take(&scene, 3).await;
    let fenced = scene.ports.id_marks.raise(old, scene.at(2_000)).await;
    assert!(matches!(fenced, Err(Error::Fenced { worker: 3 })), "{fenced:?}");
    raise(&scene, new, scene.at(2_000)).await;
}

pub async fn a_fenced_holder_changes_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    let old = take(&scene, 3).await;
    raise(&scene, old, scene.at(1_000)).await;
    take(&scene, 3).await;
    scene.ports.id_marks.raise(old, scene.at(7_000)).await.expect_err("it is fenced");
    assert_eq!(take(&scene, 3).await.mark, scene.at(1_000));
}

pub async fn a_mark_never_goes_down(ports: Ports) {
    let scene = Scene::new(ports);
    let tenure = take(&scene, 3).await;
    raise(&scene, tenure, scene.at(9_000)).await;
    raise(&scene, tenure, scene.at(4_000)).await;
    assert_eq!(take(&scene, 3).await.mark, scene.at(9_000));
}

pub async fn worker_numbers_are_apart(ports: Ports) {
    let scene = Scene::new(ports);
    let third = take(&scene, 3).await;
    let fourth = take(&scene, 4).await;
    raise(&scene, third, scene.at(9_000)).await;
    raise(&scene, fourth, scene.at(2_000)).await;
    assert_eq!(take(&scene, 4).await.mark, scene.at(2_000));
    raise(&scene, third, scene.at(9_500)).await;
}

pub async fn of_two_who_take_a_number_at_once_one_is_fenced(ports: Ports) {
    let scene = Scene::new(ports);
    let (one, other) = join!(take(&scene, 3), take(&scene, 3));
    assert_ne!(one.epoch, other.epoch);
    let (old, new) = if one.epoch < other.epoch { (one, other) } else { (other, one) };
    let fenced = scene.ports.id_marks.raise(old, scene.at(2_000)).await;
    assert!(matches!(fenced, Err(Error::Fenced { worker: 3 })), "{fenced:?}");
    raise(&scene, new, scene.at(2_000)).await;
}
