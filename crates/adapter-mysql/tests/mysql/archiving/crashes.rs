//! Archivists that die: after each report, and anywhere else, while orders are read, changed and placed.

use doos_domain::order::Order;
use doos_ports::archive::{Ask, Progress, Which};
use doos_ports::order_store::{Change, OrderStore, Query};
use doos_ports::suites::scene::user;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::bed::{Bed, closed_orders, day, judge, month, on_bed};

/// Users of shard 0, so that one shard has several chunks.
const USERS: [u64; 6] = [2, 4, 6, 8, 10, 1_026];

/// The archivist ends here as if it had been killed: nothing of it runs on, and its connections close.
struct Killed;

fn many() -> impl Iterator<Item = u64> {
    (0..600).map(|at| USERS[at % USERS.len()])
}

/// The next version of an order that stays closed.
fn touched(order: &Order) -> Change {
    let mut next = order.clone();
    next.version += 1;
    Change {
        expected_version: order.version,
        order: Arc::new(next),
        messages: Vec::new(),
        answer: None,
        gate_epoch: None,
    }
}

async fn is_all_there(store: &dyn OrderStore, orders: &[Arc<Order>], when: &str) {
    for order in orders {
        assert_eq!(store.load(order.id).await.unwrap().as_ref(), Some(order), "{when}");
    }
    for owner in USERS {
        let query = Query { user_id: Some(user(owner)), limit: 10_000, ..Query::default() };
        let listed = store.list(query).await.unwrap().orders;
        let mut own: Vec<_> = orders.iter().filter(|order| order.user_id.get() == owner).cloned().collect();
        own.sort_by_key(|order| std::cmp::Reverse(order.id));
        assert_eq!(listed, own, "{when}");
    }
}

const ASK: fn() -> Ask = || Ask { which: Which::Before(month("2026-10")), dry_run: false };

#[test]
fn an_archivist_killed_after_any_of_its_reports_is_gone_on_with() {
    on_bed(async |bed| {
        let mut orders = closed_orders(&bed.scene_on(day("2026-09", 10)).await, many()).await;
        bed.settle_mail().await;
        let node = bed.node().await;
        let mut kills = 0_usize;
        loop {
            let mut archivist = bed.archivist().await;
            let reports = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&reports);
            // Looking tells of nothing that was done. One dies at the first report behind it, the next one a report later.
            let last = kills % 2;
            let run = AssertUnwindSafe(async move {
                let tell = move |progress: &Progress| {
                    let is_work = progress.step != doos_ports::archive::Step::Looking;
                    if is_work && counted.fetch_add(1, Ordering::Relaxed) == last {
                        std::panic::panic_any(Killed);
                    }
                };
                archivist.run(ASK(), &judge, &tell).await
            });
            match run.catch_unwind().await {
                Ok(ended) => {
                    let ended = ended.expect("an archivist that nobody kills goes on");
                    if ended.is_empty() {
                        break;
                    }
                }
                Err(died) => assert!(died.is::<Killed>()),
            }
            kills += 1;
            assert!(kills < 60, "it gets nowhere");
            is_all_there(&*node.orders, &orders, &format!("after kill {kills}")).await;
            // A change of an order, wherever it lies now.
            if kills < 4 {
                let change = touched(&orders[kills * 100]);
                orders[kills * 100] = Arc::clone(&change.order);
                node.orders.commit(vec![change]).await.remove(0).expect("a change is taken");
            }
        }
        assert!(kills > 4, "there are more steps than {kills}");
        assert_eq!(bed.places().await.map(|place| place.len()), [0, orders.len()]);
        assert!(!bed.partitions(0).await.contains(&"p202609".to_owned()));
        let archived = bed.databases().archived().await.unwrap();
        assert!(archived.iter().all(|month| month.ended_at.is_some()), "{archived:?}");
        is_all_there(&*node.orders, &orders, "in the end").await;
    });
}

/// Changes orders and reads them, one after the other, until told to stop; every change must be taken.
async fn use_orders(bed: &Bed, orders: &mut [Arc<Order>], stop: &AtomicUsize) -> (u64, u64) {
    let (node, other) = (bed.node().await, bed.node().await);
    let (mut changed, mut read) = (0, 0);
    let count = orders.len();
    for round in 0_usize.. {
        if stop.load(Ordering::Relaxed) > 0 {
            break;
        }
        let at = round * 7 % count;
        if round % 3 == 0 {
            let change = touched(&orders[at]);
            let next = Arc::clone(&change.order);
            node.orders.commit(vec![change]).await.remove(0).unwrap_or_else(|error| panic!("{}: {error}", next.id));
            orders[at] = next;
            changed += 1;
        }
        let order = &orders[at];
        assert_eq!(other.orders.load(order.id).await.unwrap().as_ref(), Some(order), "round {round}");
        let query = Query { user_id: Some(order.user_id), limit: 10_000, ..Query::default() };
        let listed = other.orders.list(query).await.unwrap().orders;
        let own = orders.iter().filter(|other| other.user_id == order.user_id);
        assert_eq!(listed.len(), own.clone().count(), "round {round}");
        let all_there = own.clone().all(|order| listed.contains(order));
        assert!(all_there, "an order is missing or old in its user's list, round {round}");
        read += 1;
    }
    (changed, read)
}

#[test]
fn orders_are_read_and_changed_at_every_instant_while_archivists_die_beside() {
    on_bed(async |bed| {
        let mut orders = closed_orders(&bed.scene_on(day("2026-09", 10)).await, many()).await;
        bed.settle_mail().await;
        let stop = AtomicUsize::new(0);
        let archive = async {
            let (mut cut_off, mut ended) = (0_u64, 0_u64);
            // Each lives a little longer than the one before, until one finds the month gone.
            loop {
                let mut archivist = bed.archivist().await;
                let life = Duration::from_micros(3_000 + (cut_off + ended) * 2_000);
                match tokio::time::timeout(life, archivist.run(ASK(), &judge, &|_| {})).await {
                    Ok(told) if told.as_ref().is_ok_and(Vec::is_empty) => break,
                    Ok(told) => {
                        told.expect("an archivist that nobody kills goes on");
                        ended += 1;
                    }
                    Err(_) => cut_off += 1,
                }
                assert!(cut_off + ended < 1_000, "the month is never put away");
            }
            stop.store(1, Ordering::Relaxed);
            (cut_off, ended)
        };
        let ((cut_off, ended), (changed, read)) = tokio::join!(archive, use_orders(&bed, &mut orders, &stop));
        println!("{cut_off} archivists cut off, {ended} ended, {changed} changes, {read} reads");
        assert!(cut_off >= 5 && changed > 0 && read > 0);
        bed.places().await;
        bed.archive_before("2026-11").await;
        assert_eq!(bed.places().await.map(|place| place.len()), [0, orders.len()]);
        let node = bed.node().await;
        is_all_there(&*node.orders, &orders, "in the end").await;
    });
}
