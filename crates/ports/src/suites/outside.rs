//! What everybody outside must do, as far as our side may rely on it: the same key, once; a promise, for ever.
//!
//! Not every engine of the other ports comes with a provider and a carrier, so this suite is named on its own and not
//! among `all_suites`. [`Nowhere`] fills the two places in a set of ports that has neither.

use async_trait::async_trait;
use doos_domain::ids::{AttemptId, OrderId, RefundId};
use doos_domain::shipping::Parcel;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::scene::{Scene, demand, euros, user};
use super::suite;
use crate::Ports;
use crate::outside::{AttemptAnswer, Carrier, Charge, OutsideError, PaymentProvider};

suite!($ outside outside_suite {
    an_attempt_captured_again_and_again_takes_money_once,
    an_attempt_closed_before_it_was_heard_of_never_takes_money,
    what_a_provider_has_said_for_good_stays,
    a_refund_asked_for_again_is_the_same_refund,
    a_parcel_handed_over_again_is_the_same_parcel,
    a_parcel_can_be_called_back_twice,
    a_parcel_whose_number_was_never_learnt_can_be_called_back,
    what_is_not_on_its_way_cannot_be_called_back,
});

/// How often an unclear or open answer is asked for again.
const TRIES_MAX: usize = 2_000;

/// Asks again until the answer is clear.
macro_rules! clear {
    ($scene:expr, $call:expr) => {{
        let mut tries = 0;
        loop {
            match $call.await {
                Err(OutsideError::Unclear(cause)) if tries == TRIES_MAX => panic!("never a clear answer: {cause}"),
                Err(OutsideError::Unclear(_)) => $scene.ports.clock.sleep(Duration::from_millis(5)).await,
                clear => break clear,
            }
            tries += 1;
        }
    }};
}

fn charge(scene: &Scene, number: u32) -> Charge {
    let order_id = scene.new_id(user(u64::from(number)), i64::from(number));
    Charge { attempt_id: AttemptId::nth(order_id, number), order_id, amount: euros(2_985) }
}

/// Captures until the provider has made up its mind.
async fn settled(scene: &Scene, provider: &Arc<dyn PaymentProvider>, charge: &Charge) -> AttemptAnswer {
    for _ in 0..TRIES_MAX {
        let answer = clear!(scene, provider.capture(charge)).expect("a capture is not refused");
        if answer != AttemptAnswer::Open {
            return answer;
        }
        scene.ports.clock.sleep(Duration::from_millis(5)).await;
    }
    panic!("attempt {} stays open for ever", charge.attempt_id);
}

/// One that took money; a provider that declines a few is asked with others.
async fn captured(scene: &Scene) -> (Charge, AttemptAnswer) {
    for number in 1..50 {
        let charge = charge(scene, number);
        let answer = settled(scene, &scene.ports.provider, &charge).await;
        if matches!(answer, AttemptAnswer::Captured { .. }) {
            return (charge, answer);
        }
    }
    panic!("the provider takes nobody's money");
}

pub async fn an_attempt_captured_again_and_again_takes_money_once(ports: Ports) {
    let scene = Scene::new(ports);
    let (charge, first) = captured(&scene).await;
    for _ in 0..5 {
        let again = clear!(scene, scene.ports.provider.capture(&charge));
        assert_eq!(again.as_ref(), Ok(&first), "another reference would be another payment");
    }
}

pub async fn an_attempt_closed_before_it_was_heard_of_never_takes_money(ports: Ports) {
    let scene = Scene::new(ports);
    let (provider, charge) = (&scene.ports.provider, charge(&scene, 1));
    let is_closed = |answer| matches!(answer, Ok(AttemptAnswer::Closed { .. }));
    assert!(is_closed(clear!(scene, provider.close(&charge))));
    // The capture may have been on its way when the close overtook it.
    for _ in 0..5 {
        assert!(is_closed(clear!(scene, provider.capture(&charge))));
        assert!(is_closed(clear!(scene, provider.query(&charge))));
        assert!(is_closed(clear!(scene, provider.close(&charge))));
    }
}

pub async fn what_a_provider_has_said_for_good_stays(ports: Ports) {
    let scene = Scene::new(ports);
    let (charge, first) = captured(&scene).await;
    assert_eq!(clear!(scene, scene.ports.provider.close(&charge)).as_ref(), Ok(&first), "taken is taken");
    assert_eq!(clear!(scene, scene.ports.provider.query(&charge)).as_ref(), Ok(&first));
}

pub async fn a_refund_asked_for_again_is_the_same_refund(ports: Ports) {
    let scene = Scene::new(ports);
    let (charge, _) = captured(&scene).await;
    let refund = RefundId::nth(charge.order_id, 1);
    let first = clear!(scene, scene.ports.provider.refund(&refund, &charge)).expect("what was taken can be given back");
    for _ in 0..5 {
        let again = clear!(scene, scene.ports.provider.refund(&refund, &charge));
        assert_eq!(again.as_ref(), Ok(&first));
    }
}

/// Hands a parcel over until the carrier takes it.
async fn shipped(scene: &Scene, order: OrderId) -> String {
    let parcel = Parcel { lines: vec![demand(1, 2)], address: Some("1 Ünder Way".to_owned()) };
    for _ in 0..TRIES_MAX {
        if let Ok(tracking) = scene.ports.carrier.ship(order, &parcel).await {
            return tracking;
        }
        scene.ports.clock.sleep(Duration::from_millis(5)).await;
    }
    panic!("the carrier takes no parcel");
}

pub async fn a_parcel_handed_over_again_is_the_same_parcel(ports: Ports) {
    let scene = Scene::new(ports);
    let mut trackings = BTreeSet::new();
    for number in 1..=5 {
        let order = scene.new_id(user(number), 0);
        let first = shipped(&scene, order).await;
        for _ in 0..3 {
            assert_eq!(shipped(&scene, order).await, first);
        }
        trackings.insert(first);
    }
    assert_eq!(trackings.len(), 5, "every order has a parcel of its own");
}

pub async fn a_parcel_can_be_called_back_twice(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.new_id(user(1), 0);
    let tracking = shipped(&scene, order).await;
    for _ in 0..2 {
        assert_eq!(clear!(scene, scene.ports.carrier.recall(order, &tracking)), Ok(()));
    }
}

pub async fn a_parcel_whose_number_was_never_learnt_can_be_called_back(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.new_id(user(1), 0);
    shipped(&scene, order).await;
    assert_eq!(clear!(scene, scene.ports.carrier.recall(order, "")), Ok(()));
}

pub async fn what_is_not_on_its_way_cannot_be_called_back(ports: Ports) {
    let scene = Scene::new(ports);
    shipped(&scene, scene.new_id(user(1), 0)).await;
    let never_sent = scene.new_id(user(2), 0);
    for tracking in ["", "T1"] {
        let recalled = clear!(scene, scene.ports.carrier.recall(never_sent, tracking));
        assert!(matches!(recalled, Err(OutsideError::Refused(_))), "{recalled:?}");
    }
}

/// A provider and a carrier that nobody can reach.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Nowhere {
    fn unreachable<T>() -> Result<T, OutsideError> {
        Err(OutsideError::Unclear("nobody is there".to_owned()))
    }
}

#[async_trait]
impl PaymentProvider for Nowhere {
    async fn capture(&self, _charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        Self::unreachable()
    }

    async fn close(&self, _charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        Self::unreachable()
    }

    async fn query(&self, _charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        Self::unreachable()
    }

    async fn refund(&self, _refund: &RefundId, _charge: &Charge) -> Result<String, OutsideError> {
        Self::unreachable()
    }
}

#[async_trait]
impl Carrier for Nowhere {
    async fn ship(&self, _order: OrderId, _parcel: &Parcel) -> Result<String, OutsideError> {
        Self::unreachable()
    }

    async fn recall(&self, _order: OrderId, _tracking: &str) -> Result<(), OutsideError> {
        Self::unreachable()
    }

    async fn is_delivered(&self, _order: OrderId, _tracking: &str) -> Result<bool, OutsideError> {
        Self::unreachable()
    }
}
