//! What every catalogue store must do.

use doos_domain::answer::Answer;
use doos_domain::catalog::{LocalText, Product};
use doos_domain::ids::ProductId;
use futures::future::join_all;
use std::collections::BTreeSet;

use super::scene::{Scene, euros, product};
use super::suite;
use crate::Ports;
use crate::catalog_store::PutError;

suite!($ catalog_store catalog_store_suite {
    a_product_is_listed_as_it_was_put,
    a_put_on_the_present_version_replaces,
    a_put_on_another_version_changes_nothing,
    of_many_puts_on_one_version_one_wins,
    the_answer_is_stored_with_the_product,
    a_put_that_loses_stores_no_answer,
    a_new_id_was_never_given_out_before,
});

fn version(scene: &Scene, number: u64, version: u32, price_minor: i64) -> Product {
    Product {
        id: product(number),
        version,
        name: LocalText::plain("Kettle").with("zh", "水壶"),
        description: LocalText::plain("Boils water; \"quotes\" and all."),
        price: euros(price_minor),
        category: "kitchen".to_owned(),
        picture: Some("/pictures/1.svg".to_owned()),
        on_sale: true,
        updated_at: scene.at(i64::from(version)),
    }
}

async fn put(scene: &Scene, expected: u32, product: Product, answer: Option<Answer>) -> Result<(), PutError> {
    scene.ports.catalog.put(expected, product, answer).await
}

async fn all(scene: &Scene) -> Vec<Product> {
    let mut all = scene.ports.catalog.all().await.expect("the catalogue can be read");
    all.sort_by_key(|product| product.id);
    all
}

pub async fn a_product_is_listed_as_it_was_put(ports: Ports) {
    let scene = Scene::new(ports);
    let before = all(&scene).await.len();
    let (first, second) = (version(&scene, 9_001, 1, 500), version(&scene, 9_002, 1, 700));
    put(&scene, 0, second.clone(), None).await.expect("a new product is taken");
    put(&scene, 0, first.clone(), None).await.expect("a new product is taken");
    assert_eq!(all(&scene).await[before..], [first, second]);
}

pub async fn a_put_on_the_present_version_replaces(ports: Ports) {
    let scene = Scene::new(ports);
    put(&scene, 0, version(&scene, 9_001, 1, 500), None).await.expect("a new product is taken");
    let dearer = Product { on_sale: false, ..version(&scene, 9_001, 2, 600) };
    put(&scene, 1, dearer.clone(), None).await.expect("the present version may be replaced");
    assert_eq!(all(&scene).await.last(), Some(&dearer));
}

pub async fn a_put_on_another_version_changes_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    let conflict = put(&scene, 3, version(&scene, 9_001, 4, 500), None).await;
    assert!(matches!(conflict, Err(PutError::Conflict(id)) if id == product(9_001)), "{conflict:?}");
    put(&scene, 0, version(&scene, 9_001, 1, 500), None).await.expect("a new product is taken");
    put(&scene, 1, version(&scene, 9_001, 2, 600), None).await.expect("the present version may be replaced");
    for expected in [0, 1, 3] {
        let conflict = put(&scene, expected, version(&scene, 9_001, expected + 1, 1), None).await;
        assert!(matches!(conflict, Err(PutError::Conflict(id)) if id == product(9_001)), "{conflict:?}");
    }
    assert_eq!(all(&scene).await.last(), Some(&version(&scene, 9_001, 2, 600)));
}

pub async fn of_many_puts_on_one_version_one_wins(ports: Ports) {
    let scene = Scene::new(ports);
    let puts = (1..=10).map(|price| put(&scene, 0, version(&scene, 9_001, 1, price), None));
    let results = join_all(puts).await;
    let winners: Vec<i64> = (1..).zip(&results).filter(|(_, result)| result.is_ok()).map(|(price, _)| price).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert_eq!(all(&scene).await.last().map(|product| product.price), Some(euros(winners[0])));
}

pub async fn the_answer_is_stored_with_the_product(ports: Ports) {
    let scene = Scene::new(ports);
    let answer = scene.answer("operator:amy", "put-1", "{\"id\":\"9001\"}");
    put(&scene, 0, version(&scene, 9_001, 1, 500), Some(answer.clone())).await.expect("a new product is taken");
    let found = scene.ports.orders.find_answer(&answer.key).await.expect("answers can be looked up");
    assert_eq!(found, Some(answer));
}

pub async fn a_put_that_loses_stores_no_answer(ports: Ports) {
    let scene = Scene::new(ports);
    let answer = scene.answer("operator:amy", "put-1", "{}");
    let conflict = put(&scene, 7, version(&scene, 9_001, 8, 500), Some(answer.clone())).await;
    assert!(matches!(conflict, Err(PutError::Conflict(_))), "{conflict:?}");
    assert_eq!(scene.ports.orders.find_answer(&answer.key).await.expect("answers can be looked up"), None);
}

pub async fn a_new_id_was_never_given_out_before(ports: Ports) {
    let scene = Scene::new(ports);
    let next = || async { scene.ports.catalog.next_id().await.expect("there are ids left") };
    let ids: Vec<ProductId> = join_all((0..10).map(|_| next())).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 10);
    // A product under a number of its own takes that number out of the sequence, too.
    let chosen = ids.iter().map(|id| id.get()).max().unwrap_or(0) + 1;
    put(&scene, 0, version(&scene, chosen, 1, 500), None).await.expect("a new product is taken");
    for _ in 0..3 {
        let after = next().await;
        assert!(after != product(chosen) && !ids.contains(&after), "{after} was given out before");
    }
}
