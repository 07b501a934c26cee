//! What every keeper of identities must do.

use doos_domain::ids::UserId;
use futures::future::join_all;
use std::collections::BTreeSet;

use super::scene::Scene;
use super::suite;
use crate::Ports;

suite!($ identity_store identity_store_suite {
    a_name_never_used_has_no_number,
    a_name_keeps_its_number,
    names_never_share_a_number,
    many_first_uses_at_once_give_one_number,
});

async fn number_of(scene: &Scene, name: &str) -> UserId {
    scene.ports.identities.resolve_or_create(name).await.expect("a name gets a number")
}

pub async fn a_name_never_used_has_no_number(ports: Ports) {
    let scene = Scene::new(ports);
    number_of(&scene, "amy").await;
    assert_eq!(scene.ports.identities.resolve("bob").await.expect("names can be looked up"), None);
    assert_eq!(scene.ports.identities.resolve("Amy").await.expect("names can be looked up"), None);
}

pub async fn a_name_keeps_its_number(ports: Ports) {
    let scene = Scene::new(ports);
    let amy = number_of(&scene, "amy").await;
    number_of(&scene, "bob").await;
    assert_eq!(number_of(&scene, "amy").await, amy);
    assert_eq!(scene.ports.identities.resolve("amy").await.expect("names can be looked up"), Some(amy));
}

pub async fn names_never_share_a_number(ports: Ports) {
    let scene = Scene::new(ports);
    let names: Vec<String> = (0..50).map(|number| format!("user_{number}")).collect();
    let numbers = join_all(names.iter().map(|name| number_of(&scene, name))).await;
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), names.len());
}

pub async fn many_first_uses_at_once_give_one_number(ports: Ports) {
    let scene = Scene::new(ports);
    let numbers = join_all((0..20).map(|_| number_of(&scene, "amy"))).await;
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>().len(), 1);
}
