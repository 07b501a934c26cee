//! What every payment book must do: each movement of money once, told once, with its progress.

use doos_domain::ids::{AttemptId, RefundId};
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::order::Order;
use doos_domain::payment::{MoneyEntry, MoneyKind};
use futures::future::join_all;

use super::scene::{Scene, euros};
use super::suite;
use crate::Ports;
use crate::inbox::Progress;
use crate::payment_book::Booking;

suite!($ payment_book payment_book_suite {
    an_entry_is_found_by_reference_and_kind,
    an_entry_is_booked_once,
    an_entry_is_booked_once_within_one_call,
    an_entry_is_booked_once_however_many_book_it,
    a_reference_may_have_an_entry_of_each_kind,
    entries_of_an_order_are_its_own,
    what_is_new_is_told_and_what_is_known_is_not,
    progress_is_stored_with_the_entries,
    progress_is_stored_even_if_nothing_is_new,
});

fn entry(order: &Order, reference: &str, kind: MoneyKind, scene: &Scene) -> MoneyEntry {
    MoneyEntry {
        reference: reference.to_owned(),
        kind,
        order_id: order.id,
        amount: euros(2_985),
        at: scene.at(10),
        provider_reference: "p-1".to_owned(),
    }
}

fn booking(entry: &MoneyEntry, tell: Option<Message>) -> Booking {
    Booking { entry: entry.clone(), tell }
}

async fn record(scene: &Scene, bookings: Vec<Booking>, progress: Option<Progress>) -> usize {
    scene.ports.payments.record(bookings, progress).await.expect("money can be booked")
}

async fn find(scene: &Scene, reference: &str, kind: MoneyKind) -> Option<MoneyEntry> {
    scene.ports.payments.find(reference, kind).await.expect("entries can be found")
}

async fn count_of(scene: &Scene, order: &Order) -> usize {
    scene.ports.payments.entries_of(order.id).await.expect("entries can be listed").len()
}

pub async fn an_entry_is_found_by_reference_and_kind(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let captured = entry(&order, "pay_1", MoneyKind::Captured, &scene);
    assert_eq!(find(&scene, "pay_1", MoneyKind::Captured).await, None);
    assert_eq!(record(&scene, vec![booking(&captured, None)], None).await, 1);
    assert_eq!(find(&scene, "pay_1", MoneyKind::Captured).await, Some(captured));
    assert_eq!(find(&scene, "pay_1", MoneyKind::Refunded).await, None);
    assert_eq!(find(&scene, "pay_2", MoneyKind::Captured).await, None);
}

pub async fn an_entry_is_booked_once(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let first = entry(&order, "pay_1", MoneyKind::Captured, &scene);
    let repeat = MoneyEntry { amount: euros(1), at: scene.at(99), ..first.clone() };
    let fresh = entry(&order, "pay_2", MoneyKind::Captured, &scene);
    assert_eq!(record(&scene, vec![booking(&first, None)], None).await, 1);
    assert_eq!(record(&scene, vec![booking(&repeat, None), booking(&fresh, None)], None).await, 1);
    assert_eq!(record(&scene, vec![booking(&repeat, None), booking(&fresh, None)], None).await, 0);
    assert_eq!(find(&scene, "pay_1", MoneyKind::Captured).await, Some(first));
    assert_eq!(count_of(&scene, &order).await, 2);
}

pub async fn an_entry_is_booked_once_within_one_call(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let captured = entry(&order, "pay_1", MoneyKind::Captured, &scene);
    assert_eq!(record(&scene, vec![booking(&captured, None), booking(&captured, None)], None).await, 1);
    assert_eq!(count_of(&scene, &order).await, 1);
}

pub async fn an_entry_is_booked_once_however_many_book_it(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let captured = entry(&order, "pay_1", MoneyKind::Captured, &scene);
    let new = join_all((0..10).map(|_| record(&scene, vec![booking(&captured, None)], None))).await;
    assert_eq!(new.iter().sum::<usize>(), 1, "{new:?}");
    assert_eq!(count_of(&scene, &order).await, 1);
}

pub async fn a_reference_may_have_an_entry_of_each_kind(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    for kind in [MoneyKind::Captured, MoneyKind::Refunded, MoneyKind::Closed] {
        assert_eq!(record(&scene, vec![booking(&entry(&order, "same", kind, &scene), None)], None).await, 1);
    }
    for kind in [MoneyKind::Captured, MoneyKind::Refunded, MoneyKind::Closed] {
        assert_eq!(find(&scene, "same", kind).await.map(|entry| entry.kind), Some(kind));
    }
}

pub async fn entries_of_an_order_are_its_own(ports: Ports) {
    let scene = Scene::new(ports);
    let (one, other) = (scene.placed(1, 0).await, scene.placed(2, 1).await);
    let captured = entry(&one, "pay_1", MoneyKind::Captured, &scene);
    let refunded = entry(&one, "ref_1", MoneyKind::Refunded, &scene);
    let of_other = entry(&other, "pay_2", MoneyKind::Captured, &scene);
    for entry in [&captured, &of_other, &refunded] {
        record(&scene, vec![booking(entry, None)], None).await;
    }
    let entries = scene.ports.payments.entries_of(one.id).await.expect("entries can be listed");
    assert_eq!(entries, [captured, refunded]);
    assert_eq!(count_of(&scene, &other).await, 1);
}

pub async fn what_is_new_is_told_and_what_is_known_is_not(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let attempt_id = AttemptId::nth(order.id, 1);
    let asked = scene.message_to(Consumer::Payment, &order, 1);
    let told = |cause: &str| {
        asked.reply(scene.at(3), Body::PaymentClosed { attempt_id: attempt_id.clone(), cause: cause.to_owned() })
    };
    let mut captured =
        asked.reply(scene.at(3), Body::PaymentCaptured { attempt_id: attempt_id.clone(), amount: order.total });
    let money = entry(&order, "pay_1", MoneyKind::Captured, &scene);
    record(&scene, vec![booking(&money, Some(captured.clone()))], None).await;
    // The repeat would tell it under another id; the one that comes after it must be the next to arrive.
    captured.id = doos_domain::ids::MessageId::from_text("told again");
    let closed = entry(&order, "pay_2", MoneyKind::Closed, &scene);
    record(&scene, vec![booking(&money, Some(captured)), booking(&closed, Some(told("declined")))], None).await;
    let settled = asked.reply(scene.at(4), Body::RefundSettled { refund_id: RefundId::nth(order.id, 1) });
    let refunded = entry(&order, "ref_1", MoneyKind::Refunded, &scene);
    record(&scene, vec![booking(&refunded, Some(settled.clone()))], None).await;

    let mut subscription = scene.subscribe(Consumer::Order).await;
    let arrived = scene.read(&mut subscription, 3).await;
    let mut events: Vec<&str> = arrived.iter().map(|delivery| delivery.message.body.event()).collect();
    events.sort_unstable();
    assert_eq!(events, ["PaymentCaptured", "PaymentClosed", "RefundSettled"]);
    scene.expect_silence(&mut subscription).await;
}

fn progress(scene: &Scene, order: &Order) -> Progress {
    let mut progress = Progress::new(Consumer::Payment);
    progress.wait.push(scene.waiting(&scene.message_to(Consumer::Payment, order, 1), 1, 50));
    progress.outgoing.push(scene.message_to(Consumer::Order, order, 2));
    progress
}

pub async fn progress_is_stored_with_the_entries(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let captured = entry(&order, "pay_1", MoneyKind::Captured, &scene);
    record(&scene, vec![booking(&captured, None)], Some(progress(&scene, &order))).await;
    let waiting = scene.ports.inbox.waiting_count(Consumer::Payment).await.expect("the inbox can be read");
    assert_eq!(waiting, 1);
    assert_eq!(scene.arrivals(Consumer::Order, 1).await[0].message, scene.message_to(Consumer::Order, &order, 2));
}

pub async fn progress_is_stored_even_if_nothing_is_new(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let captured = entry(&order, "pay_1", MoneyKind::Captured, &scene);
    record(&scene, vec![booking(&captured, None)], None).await;
    let new = record(&scene, vec![booking(&captured, None)], Some(progress(&scene, &order))).await;
    assert_eq!(new, 0);
    let waiting = scene.ports.inbox.waiting_count(Consumer::Payment).await.expect("the inbox can be read");
    assert_eq!(waiting, 1);
    assert_eq!(scene.arrivals(Consumer::Order, 1).await.len(), 1);
}
