//! A clock that was far ahead for a while: sweeps still find every order, and no key is forgotten early.

use crate::shop::{BASE_MS, Shop, answer_at, at, user};
use doos_adapter_embedded::{Books, Options, Parts, Store};
use doos_domain::actor::Cause;
use doos_domain::answer::Answer;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Status};
use doos_domain::pricing::{Line, Quote};
use doos_journal::sim_disk::SimDisk;
use doos_ports::order_store::Change;
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;

fn options() -> Options {
    let journal = doos_journal::Options { segment_bytes: 64 << 10, group_bytes_max: 16 << 10 };
    Options { journal, group_bytes_max: 8 << 10, feed_kept_bytes: 0, ..Options::default() }
}

/// An order created at one time under an id of another.
fn order_of(id_ms: i64, created_ms: i64) -> Change {
    let price = Money::new(500, Currency::Eur);
    let lines = vec![Line { product_id: ProductId::new(1).unwrap(), quantity: 1, unit_price: price }];
    let quote = Quote { lines, total: price };
    let id = OrderId::new(OrderId::floor_at(at(id_ms)) + 64).unwrap();
    let step = Order::place(id, user(1), quote, None, &Cause::system("test", at(created_ms)));
    Change { expected_version: 0, order: Arc::new(step.order), messages: step.messages, answer: None, gate_epoch: None }
}

async fn swept(shop: &Shop, before_ms: i64, limit: usize) -> Vec<i64> {
    let (orders, mut found) = (shop.store.orders(), Vec::new());
    let statuses = [Status::Pending, Status::Confirmed];
    loop {
        let after = found.last().copied();
        let more = orders.oldest(&statuses, at(before_ms), after, limit).await.unwrap();
        found.extend(more.iter().map(|order| order.id));
        if more.len() < limit {
            return found.iter().map(|id| id.issued_at().as_millis() - BASE_MS).collect();
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_sweep_finds_orders_whose_ids_run_days_ahead_of_their_time() {
    let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
    let mut shop = Shop::open(disk.clone(), dir.path(), options()).unwrap();
    // The first two by a clock that was right; then ids go on above a mark that was stored nine days ahead.
    let ids_and_times = [(0, 0), (400_000, 400_000)]
        .into_iter()
        .chain((0..5).map(|number| (9 * DAY_MS + number, 500_000 + 1_000 * number)));
    for (id_ms, created_ms) in ids_and_times {
        shop.commit(order_of(id_ms, created_ms)).await.unwrap();
    }
    let due = [0, 400_000, 9 * DAY_MS, 9 * DAY_MS + 1, 9 * DAY_MS + 2];
    for folded in [0, 3, 1_000] {
        if folded > 0 {
            shop.folder.fold_once(folded).unwrap();
        }
        for limit in [1, 2, 100] {
            assert_eq!(swept(&shop, 503_000, limit).await, due, "{folded} records folded, pages of {limit}");
            assert_eq!(swept(&shop, 300_000, limit).await, [0]);
        }
    }
    drop(shop);
    let shop = Shop::open(disk, dir.path(), options()).unwrap();
    assert_eq!(swept(&shop, 503_000, 2).await, due, "after a restart");
}

#[tokio::test(flavor = "current_thread")]
async fn a_database_without_the_index_of_such_orders_gets_it() {
    let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
    let mut shop = Shop::open(disk.clone(), dir.path(), options()).unwrap();
    shop.commit(order_of(9 * DAY_MS, 500_000)).await.unwrap();
    shop.fold_all();
    drop(shop);
    let database = rusqlite::Connection::open(dir.path().join("store.sqlite")).unwrap();
    database.execute_batch("DROP INDEX orders_ahead; DROP TABLE answer_marks;").unwrap();
    drop(database);
    let shop = Shop::open(disk, dir.path(), options()).unwrap();
    assert_eq!(swept(&shop, 503_000, 2).await, [9 * DAY_MS]);
}

#[tokio::test(flavor = "current_thread")]
async fn the_highest_mark_of_ids_can_be_read_folded_or_not_and_from_outside() {
    let dir = tempfile::tempdir().unwrap();
    let Parts { store, writer, folder, .. } = Store::open_dir(dir.path(), options()).unwrap();
    let mut shop = Shop { store, writer, folder };
    assert_eq!(shop.store.id_mark().unwrap(), None);
    for (worker, mark) in [(1, at(9 * DAY_MS)), (2, at(0))] {
        let marks = shop.store.id_marks();
        let tenure = shop.run(marks.take(worker)).await.unwrap();
        shop.run(marks.raise(tenure, mark)).await.unwrap();
    }
    assert_eq!(shop.store.id_mark().unwrap(), Some(at(9 * DAY_MS)));
    assert_eq!(Books::open(dir.path()).unwrap().id_mark().unwrap(), None, "nothing is folded yet");
    shop.fold_all();
    assert_eq!(shop.store.id_mark().unwrap(), Some(at(9 * DAY_MS)));
    assert_eq!(Books::open(dir.path()).unwrap().id_mark().unwrap(), Some(at(9 * DAY_MS)));
}

async fn remember(shop: &mut Shop, answer: Answer) {
    let orders = shop.store.orders();
    shop.run(orders.remember(answer)).await.unwrap();
}

async fn is_known(shop: &Shop, key: &str) -> bool {
    shop.store.orders().find_answer(&answer_at(key, "", 0).key).await.unwrap().is_some()
}

#[tokio::test(flavor = "current_thread")]
async fn a_busy_time_with_the_clock_far_ahead_forgets_no_key_early() {
    let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
    let mut shop = Shop::open(disk, dir.path(), options()).unwrap();
    remember(&mut shop, answer_at("before", "told", 0)).await;
    for number in 0..1_200 {
        remember(&mut shop, answer_at(&format!("ahead-{number}"), "told", 9 * DAY_MS + number)).await;
    }
    shop.fold_all();
    assert!(is_known(&shop, "before").await && is_known(&shop, "ahead-0").await);
    // The clock is right again, and eight days of trade pass, an order every half hour.
    for half_hour in 1..=8 * 48 {
        remember(&mut shop, answer_at(&format!("after-{half_hour}"), "told", half_hour * 1_800_000)).await;
        if half_hour == 6 * 48 {
            shop.fold_all();
            assert!(is_known(&shop, "before").await && is_known(&shop, "ahead-1199").await, "six days are not seven");
        }
    }
    // What is old goes some at a time.
    for half_hour in 8 * 48..8 * 48 + 3 {
        shop.fold_all();
        remember(&mut shop, answer_at(&format!("last-{half_hour}"), "told", half_hour * 1_800_000)).await;
    }
    shop.fold_all();
    assert!(!is_known(&shop, "before").await && !is_known(&shop, "ahead-1199").await, "the wrong clock keeps nothing");
    assert!(is_known(&shop, "after-100").await, "it is six days old");
}
