//! What a bus must do beside the rest where a consumer's place is found by its stored position. A broker that is told by
//! acknowledgements alone may number its places anew.

use doos_domain::message::Consumer;

use super::scene::Scene;
use super::suite;
use crate::Ports;
use crate::bus::{Delivery, Position};

suite!($ bus_places bus_places_suite {
    a_place_stays_the_same_place,
});

pub async fn a_place_stays_the_same_place(ports: Ports) {
    let scene = Scene::new(ports);
    for number in 1..=4 {
        scene.placed(number, number.cast_signed()).await;
    }
    let places = |read: Vec<Delivery>| read.iter().map(|delivery| delivery.position).collect::<Vec<Position>>();
    let first = places(scene.arrivals(Consumer::Inventory, 4).await);
    let again = places(scene.arrivals(Consumer::Inventory, 4).await);
    assert_eq!(again, first);
}
