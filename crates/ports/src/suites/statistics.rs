//! What every keeper of statistics must do: right to the unit, whatever is repeated, and whole or not at all.

use doos_domain::ids::AttemptId;
use doos_domain::money::Currency;
use doos_domain::order::{Order, Status};
use doos_domain::statistics::{Calendar, Figures, ProductFigures, Step};
use std::sync::Arc;

use super::scene::{Scene, change_of, product};
use super::{LONG_TOKEN, next_token, suite};
use crate::Ports;
use crate::projection::{Standing, Walk};
use crate::statistics::{Bucket, SeriesQuery, Totals};

suite!($ statistics statistics_suite {
    new_statistics_stand_at_the_beginning_and_hold_nothing,
    an_order_counts_when_it_is_placed_and_when_it_is_paid,
    the_newest_version_alone_counts,
    a_refund_takes_the_sale_back_and_is_told,
    every_step_has_the_same_sums,
    the_products_of_a_day_come_most_sold_first,
    groups_of_any_size_and_order_come_to_the_same,
    the_standing_is_kept_with_the_sums,
    a_standing_of_an_earlier_epoch_changes_nothing,
    beginning_anew_forgets_everything,
    old_minutes_are_forgotten_and_days_are_kept,
    an_order_of_a_forgotten_minute_leaves_no_trace_in_it,
    they_tell_in_which_version_they_have_an_order,
});

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// An order of two pieces of product 1 and one of product 2, 29.85 together, as it grows.
struct Life {
    versions: Vec<Arc<Order>>,
}

impl Life {
    fn placed(scene: &Scene, user: u64, millis: i64) -> Self {
        Self { versions: vec![scene.new_order(user, millis).order] }
    }

    fn newest(&self) -> &Arc<Order> {
        &self.versions[self.versions.len() - 1]
    }

    fn then(mut self, next: impl FnOnce(&Order) -> doos_domain::order::Verdict) -> Self {
        let order = Arc::clone(self.newest());
        self.versions.push(change_of(&order, next(&order)).order);
        self
    }

    fn paid(self, scene: &Scene, millis: i64) -> Self {
        let cause = scene.cause(millis);
        self.then(|order| order.stock_decided(doos_domain::stock::Decision::Deducted, &cause))
            .then(|order| order.pay(None, &cause))
            .then(|order| order.payment_captured(&AttemptId::nth(order.id, 1), order.total, &cause))
    }

    fn cancelled(self, scene: &Scene, millis: i64) -> Self {
        self.then(|order| order.cancel(&scene.cause(millis)))
    }
}

async fn standing(scene: &Scene) -> Standing {
    scene.ports.statistics.standing().await.expect("statistics know where they stand")
}

/// Applies what is given as the next piece of the feed.
async fn apply(scene: &Scene, orders: &[Arc<Order>]) {
    let before = standing(scene).await;
    let token = next_token(&before.token, orders.len());
    scene.ports.statistics.apply(orders, Standing { token, ..before }).await.expect("a group is counted");
}

async fn series(scene: &Scene, step: Step) -> Vec<Bucket> {
    let query = SeriesQuery { step, from: i64::MIN, to: i64::MAX };
    scene.ports.statistics.series(query).await.expect("series can be read")
}

async fn totals(scene: &Scene) -> Totals {
    scene.ports.statistics.totals().await.expect("totals can be read")
}

fn minute(scene: &Scene, millis: i64) -> i64 {
    Calendar::minute_of(scene.at(millis))
}

fn placed(orders: i64) -> Figures {
    Figures { orders, ..Figures::default() }
}

fn sold(count: i64) -> Figures {
    Figures { paid_orders: count, units: 3 * count, sales_minor: 2_985 * count, ..Figures::default() }
}

fn bucket(start: i64, figures: Figures) -> Bucket {
    Bucket { start, currency: Currency::Eur, figures }
}

pub async fn new_statistics_stand_at_the_beginning_and_hold_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    let Standing { token, walk, .. } = standing(&scene).await;
    assert_eq!((token.as_str(), walk), ("", Walk::Done));
    assert!(series(&scene, Step::Day).await.is_empty());
    assert_eq!(totals(&scene).await, Totals::default());
}

pub async fn an_order_counts_when_it_is_placed_and_when_it_is_paid(ports: Ports) {
    let scene = Scene::new(ports);
    let life = Life::placed(&scene, 1, 0).paid(&scene, 3 * MINUTE_MS);
    apply(&scene, &life.versions[..1]).await;
    assert_eq!(series(&scene, Step::Minute).await, [bucket(minute(&scene, 0), placed(1))]);
    apply(&scene, &life.versions[1..]).await;
    let paid = bucket(minute(&scene, 3 * MINUTE_MS), sold(1));
    assert_eq!(series(&scene, Step::Minute).await, [bucket(minute(&scene, 0), placed(1)), paid]);
    assert_eq!(
        totals(&scene).await.states.into_iter().filter(|(_, count)| *count != 0).collect::<Vec<_>>(),
        [(Status::Paid, 1)]
    );
}

pub async fn the_newest_version_alone_counts(ports: Ports) {
    let scene = Scene::new(ports);
    let life = Life::placed(&scene, 1, 0).paid(&scene, 0);
    for version in life.versions.iter().chain(life.versions.iter().rev()).chain(&life.versions) {
        apply(&scene, std::slice::from_ref(version)).await;
    }
    let totals = totals(&scene).await;
    assert_eq!(totals.all_time[&Currency::Eur], Figures { orders: 1, ..sold(1) });
    assert_eq!(totals.states.values().sum::<i64>(), 1);
}

pub async fn a_refund_takes_the_sale_back_and_is_told(ports: Ports) {
    let scene = Scene::new(ports);
    let paid = Life::placed(&scene, 1, 0).paid(&scene, MINUTE_MS);
    let kept = Life::placed(&scene, 2, 0).paid(&scene, MINUTE_MS);
    apply(&scene, &[Arc::clone(paid.newest()), Arc::clone(kept.newest())]).await;
    let cancelled = paid.cancelled(&scene, 5 * MINUTE_MS);
    apply(&scene, &[Arc::clone(cancelled.newest())]).await;
    let refunded = Figures { refunded_minor: 2_985, ..Figures::default() };
    let expected = [
        bucket(minute(&scene, 0), placed(2)),
        bucket(minute(&scene, MINUTE_MS), sold(1)),
        bucket(minute(&scene, 5 * MINUTE_MS), refunded),
    ];
    assert_eq!(series(&scene, Step::Minute).await, expected);
}

pub async fn every_step_has_the_same_sums(ports: Ports) {
    let scene = Scene::new(ports);
    for number in 0..20_i64 {
        let at = number * 17 * MINUTE_MS;
        let life = Life::placed(&scene, number.unsigned_abs() + 1, at).paid(&scene, at + MINUTE_MS);
        apply(&scene, &life.versions).await;
    }
    for step in Step::ALL {
        let mut sum = Figures::default();
        for bucket in series(&scene, step).await {
            assert_eq!(bucket.start, scene.ports.statistics.calendar().start_of(step, bucket.start));
            sum.add(&bucket.figures);
        }
        assert_eq!(sum, totals(&scene).await.all_time[&Currency::Eur], "{step:?}");
        assert_eq!(sum, Figures { orders: 20, ..sold(20) }, "{step:?}");
    }
}

pub async fn the_products_of_a_day_come_most_sold_first(ports: Ports) {
    let scene = Scene::new(ports);
    let life = Life::placed(&scene, 1, 0).paid(&scene, 0);
    apply(&scene, &life.versions).await;
    let day = scene.ports.statistics.calendar().start_of(Step::Day, minute(&scene, 0));
    let top = scene.ports.statistics.top_products(day, 10).await.expect("products can be read");
    let expected = [(product(1), 2, 1_990), (product(2), 1, 995)];
    let figures: Vec<_> = top.iter().map(|it| (it.product_id, it.figures)).collect();
    let figure = |(id, units, sales_minor)| (id, ProductFigures { orders: 1, units, sales_minor });
    assert_eq!(figures, expected.map(figure));
    let first = scene.ports.statistics.top_products(day, 1).await.expect("products can be read");
    assert_eq!(first, top[..1]);
    let before = scene.ports.statistics.top_products(day - 1_440, 10).await.expect("products can be read");
    assert!(before.is_empty(), "another day");
    apply(&scene, &[Arc::clone(life.cancelled(&scene, MINUTE_MS).newest())]).await;
    let none = scene.ports.statistics.top_products(day, 10).await.expect("products can be read");
    assert!(none.is_empty(), "what was given back was not sold");
}

pub async fn groups_of_any_size_and_order_come_to_the_same(ports: Ports) {
    let scene = Scene::new(ports);
    let mut changes = Vec::new();
    for number in 0..12_i64 {
        let life = Life::placed(&scene, number.unsigned_abs() + 1, number * MINUTE_MS);
        let life = if number % 3 == 0 { life } else { life.paid(&scene, (number + 2) * MINUTE_MS) };
        let life = if number % 4 == 1 { life.cancelled(&scene, 20 * MINUTE_MS) } else { life };
        changes.extend(life.versions);
    }
    apply(&scene, &changes).await;
    let whole = (series(&scene, Step::Minute).await, totals(&scene).await.all_time);
    for size in [1, 5] {
        let epoch = standing(&scene).await.epoch + 1;
        let begun = scene.ports.statistics.begin_anew(Standing { epoch, ..Standing::default() }).await;
        begun.expect("statistics can begin anew");
        for group in changes.chunks(size) {
            apply(&scene, group).await;
            apply(&scene, group).await;
        }
        assert_eq!((series(&scene, Step::Minute).await, totals(&scene).await.all_time), whole);
    }
}

pub async fn the_standing_is_kept_with_the_sums(ports: Ports) {
    let scene = Scene::new(ports);
    let before = standing(&scene).await;
    let life = Life::placed(&scene, 1, 0);
    let walk = Walk::Below(Some(life.newest().id));
    let after = Standing { token: LONG_TOKEN.to_owned(), walk, ..before };
    scene.ports.statistics.apply(&life.versions, after.clone()).await.expect("a group is counted");
    assert_eq!(standing(&scene).await, after);
}

pub async fn a_standing_of_an_earlier_epoch_changes_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    let stale = standing(&scene).await;
    let fresh = Standing { epoch: stale.epoch + 1, token: "9".to_owned(), walk: Walk::Below(None) };
    scene.ports.statistics.begin_anew(fresh.clone()).await.expect("statistics can begin anew");
    let life = Life::placed(&scene, 1, 0);
    let late = Standing { token: "50".to_owned(), ..stale };
    scene.ports.statistics.apply(&life.versions, late.clone()).await.expect_err("somebody has begun anew");
    scene.ports.statistics.begin_anew(late).await.expect("who is late is not believed");
    assert_eq!(standing(&scene).await, fresh);
    assert!(series(&scene, Step::Minute).await.is_empty());
}

pub async fn beginning_anew_forgets_everything(ports: Ports) {
    let scene = Scene::new(ports);
    apply(&scene, &Life::placed(&scene, 1, 0).paid(&scene, 0).versions).await;
    let fresh = Standing { epoch: standing(&scene).await.epoch + 1, ..Standing::default() };
    scene.ports.statistics.begin_anew(fresh.clone()).await.expect("statistics can begin anew");
    assert_eq!(standing(&scene).await, fresh);
    assert_eq!(totals(&scene).await, Totals::default());
    assert!(series(&scene, Step::Day).await.is_empty());
}

pub async fn old_minutes_are_forgotten_and_days_are_kept(ports: Ports) {
    let scene = Scene::new(ports);
    apply(&scene, &Life::placed(&scene, 1, 0).versions).await;
    let forget = |millis| scene.ports.statistics.forget_old(scene.at(millis));
    forget(DAY_MS).await.expect("old rows go");
    assert_eq!(series(&scene, Step::Minute).await.len(), 1, "a day is not old");
    forget(5 * DAY_MS).await.expect("old rows go");
    assert!(series(&scene, Step::Minute).await.is_empty());
    assert_eq!(series(&scene, Step::Hour).await.len(), 1);
    forget(500 * DAY_MS).await.expect("old rows go");
    assert!(series(&scene, Step::Hour).await.is_empty());
    assert_eq!(series(&scene, Step::Day).await.len(), 1);
    assert_eq!(totals(&scene).await.all_time[&Currency::Eur], placed(1));
}

pub async fn an_order_of_a_forgotten_minute_leaves_no_trace_in_it(ports: Ports) {
    let scene = Scene::new(ports);
    let life = Life::placed(&scene, 1, 0).paid(&scene, MINUTE_MS);
    apply(&scene, &life.versions).await;
    scene.ports.statistics.forget_old(scene.at(10 * DAY_MS)).await.expect("old rows go");
    // Its sale is taken back, and another order of that time comes late.
    let cancelled = life.cancelled(&scene, 10 * DAY_MS);
    let late = Life::placed(&scene, 2, 2 * MINUTE_MS);
    apply(&scene, &[Arc::clone(cancelled.newest()), Arc::clone(late.newest())]).await;
    let refunded = Figures { refunded_minor: 2_985, ..Figures::default() };
    assert_eq!(series(&scene, Step::Minute).await, [bucket(minute(&scene, 10 * DAY_MS), refunded)]);
    let all_time = Figures { orders: 2, ..refunded };
    assert_eq!(totals(&scene).await.all_time[&Currency::Eur], all_time);
}

pub async fn they_tell_in_which_version_they_have_an_order(ports: Ports) {
    let scene = Scene::new(ports);
    let paid = Life::placed(&scene, 1, 0).paid(&scene, 1_000);
    let placed = Life::placed(&scene, 2, 2_000);
    let unknown = Life::placed(&scene, 3, 3_000);
    apply(&scene, &paid.versions).await;
    apply(&scene, &placed.versions).await;
    let asked = [unknown.newest().id, paid.newest().id, placed.newest().id];
    let versions = scene.ports.statistics.versions(&asked).await.expect("statistics tell versions");
    assert_eq!(versions, [None, Some(paid.newest().version), Some(placed.newest().version)]);
    assert!(scene.ports.statistics.versions(&[]).await.expect("of nothing, too").is_empty());
    assert_eq!(scene.ports.statistics.order_count().await.expect("statistics can be counted"), 2);
}
