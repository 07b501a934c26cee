//! The power fails at every single disk call of a small day in the shop; what was acknowledged is there afterwards,
//! what was not is there whole or not at all, and the day goes on.

use crate::shop::{Shop, answer, cancelled, id, new_order, product};
use doos_adapter_embedded::Options;
use doos_domain::ids::OrderId;
use doos_domain::message::{Body, Consumer};
use doos_domain::order::Order;
use doos_journal::sim_disk::{Call, SimDisk};
use doos_ports::order_store::{Change, CommitError, MessageState, Voided};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Segments of two pages, so that the day rolls over several times and gives some back.
fn tiny() -> Options {
    let journal = doos_journal::Options { segment_bytes: 8 << 10, group_bytes_max: 16 << 10 };
    Options { journal, group_bytes_max: 4 << 10, feed_kept_bytes: 0, ..Options::default() }
}

/// What somebody was told.
#[derive(Default)]
struct Told {
    versions: BTreeMap<OrderId, u32>,
    answered: Vec<&'static str>,
    voided: Vec<OrderId>,
    received: i64,
    named: Option<u64>,
}

fn unclear<T>(_: T) -> String {
    "the day ended early".to_owned()
}

/// A day. Ends at the first failure; `told` is what was acknowledged until then.
async fn day(shop: &mut Shop, told: &mut Told) -> Result<(), String> {
    shop.receive(5, "delivery-1").await.map_err(unclear)?;
    told.received = 5;
    for number in 1..=4 {
        let mut change = new_order(number, number % 2 + 1);
        let keys = ["k1", "k2", "k3", "k4"];
        change.answer = Some(answer(keys[number as usize - 1], &format!("order {number}")));
        shop.commit(change).await.map_err(unclear)?;
        told.versions.insert(id(number), 1);
        told.answered.push(keys[number as usize - 1]);
        if number == 2 {
            shop.folder.fold_once(1).map_err(unclear)?;
        }
    }
    let orders = shop.store.orders();
    let voided = shop.run(orders.void(id(50))).await.map_err(unclear)?;
    assert_eq!(voided, Voided::Void);
    told.voided.push(id(50));
    shop.let_inventory_decide().await.map_err(unclear)?;
    shop.folder.fold_once(3).map_err(unclear)?;
    let order = orders.load(id(4)).await.map_err(unclear)?.ok_or("it was acknowledged")?;
    shop.commit(cancelled(&order)).await.map_err(unclear)?;
    told.versions.insert(id(4), 2);
    shop.let_orders_hear().await.map_err(unclear)?;
    for number in 1..=3 {
        told.versions.insert(id(number), 2);
    }
    let identities = shop.store.identities();
    let amy = shop.run(identities.resolve_or_create("amy")).await.map_err(unclear)?;
    told.named = Some(amy.get());
    while shop.folder.fold_once(100).map_err(unclear)?.records > 0 {}
    for number in 10..14 {
        shop.commit(new_order(number, 3)).await.map_err(unclear)?;
        told.versions.insert(id(number), 1);
        while shop.folder.fold_once(100).map_err(unclear)?.records > 0 {}
    }
    shop.let_inventory_decide().await.map_err(unclear)?;
    Ok(())
}

/// What must hold after any crash.
async fn check(shop: &mut Shop, told: &Told) {
    let orders = shop.store.orders();
    for (order, version) in &told.versions {
        let stored = orders.load(*order).await.unwrap().expect("an acknowledged order is there");
        assert!(stored.version >= *version, "order {order} was told to be at {version}, not {}", stored.version);
    }
    for key in &told.answered {
        let found = orders.find_answer(&answer(key, "").key).await.unwrap();
        assert!(found.is_some(), "the answer under {key} was told");
    }
    for order in &told.voided {
        let result = orders_commit(shop, new_order(50, 1)).await;
        assert!(matches!(result, Err(CommitError::Void)), "{order} was told to be void");
    }
    if let Some(number) = told.named {
        assert_eq!(shop.store.identities().resolve("amy").await.unwrap().map(|user| user.get()), Some(number));
    }
    let ledger = shop.store.ledger();
    let row = ledger.row(product(1)).await.unwrap();
    assert!(row.as_ref().map_or(0, |row| row.received) >= told.received);
    let listed = orders.list(doos_ports::order_store::Query { limit: 100, ..Default::default() }).await.unwrap().orders;
    let mut sold = 0;
    for order in &listed {
        // Messages come with their version, all or none.
        let messages = orders.messages(order.id).await.unwrap();
        let highest = messages.iter().map(|(message, _)| message.order_version).max();
        assert!(highest.is_some_and(|highest| highest <= order.version), "{order:?} {messages:?}");
        let asked = messages.iter().find(|(message, _)| matches!(message.body, Body::DeductStock { .. }));
        let (asked, state) = asked.expect("every order asks for its stock");
        // Decision and progress are one unit: consumed exactly if decided.
        let decision = ledger.decision(order.id).await.unwrap();
        assert_eq!(decision.is_some(), *state == MessageState::Consumed, "{asked:?} {decision:?}");
        if let Some(decision) = decision.filter(|decision| !decision.given_back) {
            sold += decision.lines.iter().map(|line| i64::from(line.qty)).sum::<i64>();
        }
    }
    if let Some(row) = row {
        assert!(row.balances());
        assert_eq!(row.sold, sold);
    }
    // Every decision was told to its order, exactly as often as it was decided.
    let unread = shop.store.bus().lag(Consumer::Order).await.unwrap();
    let read = shop.store.bus().subscribe(Consumer::Order).await.unwrap().poll(100).await.unwrap();
    assert_eq!(unread as usize, read.len());
}

async fn orders_commit(shop: &mut Shop, change: Change) -> Result<(), CommitError> {
    shop.commit(change).await
}

async fn go_on(shop: &mut Shop) {
    shop.let_inventory_decide().await.unwrap();
    shop.let_orders_hear().await.unwrap();
    shop.fold_all();
    shop.commit(new_order(90, 9)).await.unwrap();
    assert_eq!(shop.load(90).await.unwrap().version, 1);
}

fn executor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn a_crash_at_any_disk_call_loses_nothing_that_was_acknowledged() {
    executor().block_on(async {
        let calls = {
            let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
            let mut shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
            let mut told = Told::default();
            day(&mut shop, &mut told).await.unwrap();
            check(&mut shop, &told).await;
            assert!(disk.names().iter().filter(|name| name.ends_with(".seg")).count() <= 3, "{:?}", disk.names());
            disk.changing_calls()
        };
        assert!(calls > 50, "the day is long enough to be worth it: {calls}");
        for nth in 0..calls {
            for seed in 0..2 {
                let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
                disk.power_off_after(nth);
                let mut told = Told::default();
                if let Ok(mut shop) = Shop::open(disk.clone(), dir.path(), tiny()) {
                    let ended = day(&mut shop, &mut told).await;
                    assert!(ended.is_err(), "the power was to fail at call {nth}");
                }
                let disk = disk.crash(nth * 7 + seed);
                let mut shop = Shop::open(disk.clone(), dir.path(), tiny())
                    .unwrap_or_else(|error| panic!("after a crash at call {nth}: {error}"));
                check(&mut shop, &told).await;
                go_on(&mut shop).await;
                drop(shop);
                let mut shop = Shop::open(disk, dir.path(), tiny()).unwrap();
                check(&mut shop, &told).await;
            }
        }
    });
}

#[test]
fn a_failed_sync_stops_the_store_and_the_next_opening_decides() {
    executor().block_on(async {
        let (disk, dir) = (SimDisk::new(3), tempfile::tempdir().unwrap());
        let mut shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
        shop.commit(new_order(1, 1)).await.unwrap();
        disk.fail_nth(Call::Sync, 1, std::io::ErrorKind::Other);
        let lost = shop.commit(new_order(2, 1)).await;
        assert!(matches!(lost, Err(CommitError::Engine(doos_ports::Error::Unknown { .. }))), "{lost:?}");
        let later = shop.commit(new_order(3, 1)).await;
        assert!(matches!(later, Err(CommitError::Engine(doos_ports::Error::Unavailable { .. }))), "{later:?}");
        assert!(shop.store.orders().load(id(2)).await.is_err(), "a stopped store answers nothing");
        assert!(shop.store.stopped().is_some());
        drop(shop);
        let shop = Shop::open(disk.crash(5), dir.path(), tiny()).unwrap();
        assert_eq!(shop.load(1).await.unwrap().version, 1);
        assert_eq!(shop.load(3).await, None);
    });
}

#[test]
fn a_full_disk_refuses_and_does_not_stop_the_store() {
    executor().block_on(async {
        let (disk, dir) = (SimDisk::new(3), tempfile::tempdir().unwrap());
        let mut shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
        disk.limit_bytes(Some(9 << 10));
        let mut stored = 0;
        let refusal = loop {
            match shop.commit(new_order(stored + 1, 1)).await {
                Ok(()) => stored += 1,
                Err(refusal) => break refusal,
            }
        };
        assert!(matches!(refusal, CommitError::Engine(doos_ports::Error::Unavailable { .. })), "{refusal:?}");
        assert_eq!(shop.store.stopped(), None);
        assert_eq!(shop.load(stored).await.unwrap().version, 1);
        assert_eq!(shop.load(stored + 1).await, None);
        disk.limit_bytes(None);
        shop.commit(new_order(stored + 1, 1)).await.unwrap();
    });
}

#[test]
fn what_builds_on_a_part_that_could_not_be_written_is_not_written_either() {
    executor().block_on(async {
        let journal = doos_journal::Options { segment_bytes: 8 << 10, group_bytes_max: 4 << 10 };
        let (disk, dir) = (SimDisk::new(3), tempfile::tempdir().unwrap());
        let mut shop = Shop::open(disk.clone(), dir.path(), Options { journal, ..tiny() }).unwrap();
        shop.commit(new_order(1, 1)).await.unwrap();
        // No further segment can be made. The first version does not fit into this one, the second would.
        disk.limit_bytes(Some(8 << 10));
        let mut first = new_order(2, 1);
        let large = Order { address: Some("x".repeat(3_000)), ..(*first.order).clone() };
        let second = Order { version: 2, ..(*first.order).clone() };
        first.order = Arc::new(large);
        let second = Change {
            expected_version: 1,
            order: Arc::new(second),
            messages: Vec::new(),
            answer: None,
            gate_epoch: None,
        };
        let orders = shop.store.orders();
        let results = shop.run(orders.commit(vec![first, second])).await;
        for result in &results {
            let refused = matches!(result, Err(CommitError::Engine(doos_ports::Error::Unavailable { .. })));
            assert!(refused, "{results:?}");
        }
        assert_eq!(shop.load(2).await, None);
        disk.limit_bytes(None);
        shop.commit(new_order(2, 1)).await.unwrap();
    });
}
