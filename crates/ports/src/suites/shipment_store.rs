//! What every shipment store must do: the last write of an order stands, and progress goes with it.

use doos_domain::message::Consumer;
use doos_domain::order::Order;
use doos_domain::shipping::Shipment;

use super::scene::Scene;
use super::suite;
use crate::Ports;
use crate::inbox::Progress;

suite!($ shipment_store shipment_store_suite {
    a_shipment_is_found_by_its_order,
    the_last_write_of_an_order_stands,
    a_group_is_stored_with_its_progress,
    progress_may_come_alone,
});

fn shipment(order: &Order, tracking: &str, scene: &Scene) -> Shipment {
    let shipped_at = scene.at(10);
    Shipment { order_id: order.id, tracking: tracking.to_owned(), tries: 1, shipped_at, delivered_at: None }
}

async fn store(scene: &Scene, shipments: Vec<Shipment>, progress: Progress) {
    scene.ports.shipments.store(shipments, progress).await.expect("shipments can be stored");
}

async fn find(scene: &Scene, order: &Order) -> Option<Shipment> {
    scene.ports.shipments.find(order.id).await.expect("shipments can be found")
}

pub async fn a_shipment_is_found_by_its_order(ports: Ports) {
    let scene = Scene::new(ports);
    let (one, other) = (scene.placed(1, 0).await, scene.placed(2, 1).await);
    assert_eq!(find(&scene, &one).await, None);
    let stored = shipment(&one, "T1", &scene);
    store(&scene, vec![stored.clone()], Progress::new(Consumer::Shipping)).await;
    assert_eq!(find(&scene, &one).await, Some(stored));
    assert_eq!(find(&scene, &other).await, None);
}

pub async fn the_last_write_of_an_order_stands(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let first = shipment(&order, "T1", &scene);
    let delivered = Shipment { tries: 3, delivered_at: Some(scene.at(500)), ..first.clone() };
    store(&scene, vec![first.clone()], Progress::new(Consumer::Shipping)).await;
    store(&scene, vec![delivered.clone()], Progress::new(Consumer::Shipping)).await;
    assert_eq!(find(&scene, &order).await, Some(delivered.clone()));
    store(&scene, vec![delivered, first.clone()], Progress::new(Consumer::Shipping)).await;
    assert_eq!(find(&scene, &order).await, Some(first), "the last of one group counts as well");
}

fn progress(scene: &Scene, order: &Order) -> Progress {
    let mut progress = Progress::new(Consumer::Shipping);
    progress.wait.push(scene.waiting(&scene.message_to(Consumer::Shipping, order, 1), 1, 50));
    progress.outgoing.push(scene.message_to(Consumer::Order, order, 2));
    progress
}

async fn expect_progress(scene: &Scene, order: &Order) {
    let waiting = scene.ports.inbox.waiting_of(Consumer::Shipping, order.id).await.expect("the inbox can be read");
    assert_eq!(waiting.len(), 1);
    assert_eq!(scene.arrivals(Consumer::Order, 1).await[0].message, scene.message_to(Consumer::Order, order, 2));
}

pub async fn a_group_is_stored_with_its_progress(ports: Ports) {
    let scene = Scene::new(ports);
    let (one, other) = (scene.placed(1, 0).await, scene.placed(2, 1).await);
    let group = vec![shipment(&one, "T1", &scene), shipment(&other, "T2", &scene)];
    store(&scene, group.clone(), progress(&scene, &one)).await;
    assert_eq!(find(&scene, &one).await.as_ref(), Some(&group[0]));
    assert_eq!(find(&scene, &other).await.as_ref(), Some(&group[1]));
    expect_progress(&scene, &one).await;
}

pub async fn progress_may_come_alone(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    store(&scene, Vec::new(), progress(&scene, &order)).await;
    assert_eq!(find(&scene, &order).await, None);
    expect_progress(&scene, &order).await;
}
