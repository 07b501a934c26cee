//! Movers that die: after each window, and anywhere else.

use doos_adapter_mysql::{Ask, Error, MoveProgress, MoveStep, Which};
use doos_ports::order_store::OrderStore;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::bed::{Bed, list_all, on_bed};

/// Users of buckets 2, 4, 6, … on shard 0.
const USERS: [u64; 6] = [2, 4, 6, 8, 10, 1_026];

async fn some_orders(bed: &Bed) -> (doos_ports::suites::scene::Scene, Vec<Arc<doos_domain::order::Order>>) {
    let scene = bed.scene().await;
    let mut orders = Vec::new();
    for round in 0..5 {
        for user in USERS {
            orders.push(scene.placed(user, round).await);
        }
    }
    (scene, orders)
}

/// The mover ends here as if it had been killed: nothing of it runs on, and its connections close.
struct Killed;

/// Lets a mover work up to this report; whether it was killed there.
async fn killed_at<F>(report: usize, work: impl FnOnce(Box<Tell>) -> F) -> bool
where
    F: Future<Output = Result<(), Error>>,
{
    let reports = AtomicUsize::new(0);
    let tell: Box<Tell> = Box::new(move |_| {
        if reports.fetch_add(1, Ordering::Relaxed) == report {
            std::panic::panic_any(Killed);
        }
    });
    match AssertUnwindSafe(work(tell)).catch_unwind().await {
        Ok(ended) => {
            ended.expect("what nobody kills goes on");
            false
        }
        Err(died) => {
            assert!(died.is::<Killed>());
            true
        }
    }
}

type Tell = dyn Fn(&MoveProgress) + Send + Sync;

#[test]
fn a_move_given_up_at_any_of_its_windows_leaves_all_where_it_was_and_can_be_made_again() {
    on_bed(async |bed| {
        let (scene, mut orders) = some_orders(&bed).await;
        let node = bed.node().await;
        let mut given_up = 0;
        for report in 0.. {
            let mut mover = bed.mover().await;
            mover.plan(&Ask { to: 2, which: Which::Buckets(vec![2, 4, 6, 8, 10]) }).await.unwrap();
            assert!(killed_at(report, |tell| async move { mover.run(&*tell).await.map(drop) }).await);
            // Written while it was leaving, or is.
            orders.push(scene.placed(USERS[report % USERS.len()], 100 + i64::try_from(report).unwrap()).await);
            // Whoever gives it up may be killed as well.
            let mut mover = bed.mover().await;
            let killed = killed_at(report % 4, |tell| async move { mover.cancel(&*tell).await.map(drop) }).await;
            let mut mover = bed.mover().await;
            let rest = mover.cancel(&|_| {}).await.expect("it can be given up");
            assert!(rest.iter().all(|moving| moving.step == MoveStep::Cancelled), "{rest:?}");
            if !mover.open().await.unwrap().is_empty() {
                assert!(!killed, "it was switched before");
                mover.run(&|_| {}).await.expect("what is switched is gone on with");
                break;
            }
            given_up += 1;
            bed.is_settled().await;
            let places = bed.places().await;
            assert_eq!(places.len(), orders.len());
            for order in &orders {
                assert_eq!(places[&order.id.get()], (0, order.version), "given up at report {report}");
                assert_eq!(node.orders.load(order.id).await.unwrap().as_ref(), Some(order));
            }
        }
        assert!(given_up > 6, "only {given_up} were given up");
        bed.is_settled().await;
        assert!(bed.places().await.values().all(|(shard, _)| *shard == 2));
    });
}

#[test]
fn a_mover_killed_after_any_of_its_windows_is_gone_on_with() {
    on_bed(async |bed| {
        let (scene, mut orders) = some_orders(&bed).await;
        let node = bed.node().await;
        bed.mover().await.plan(&Ask { to: 2, which: Which::Buckets(vec![2, 4, 6, 8, 10]) }).await.unwrap();
        let mut kills = 0;
        loop {
            let mut mover = bed.mover().await;
            if mover.open().await.unwrap().is_empty() {
                break;
            }
            // Each gets two reports further than the one before it: the first says where it takes over.
            let reports = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&reports);
            let run = AssertUnwindSafe(async move {
                let tell = move |_: &doos_adapter_mysql::MoveProgress| {
                    if counted.fetch_add(1, Ordering::Relaxed) == 1 {
                        std::panic::panic_any(Killed);
                    }
                };
                mover.run(&tell).await.map(drop)
            });
            match run.catch_unwind().await {
                Ok(ended) => ended.expect("a move that nobody kills goes on"),
                Err(died) => assert!(died.is::<Killed>()),
            }
            kills += 1;
            assert!(kills < 100, "it gets nowhere");
            // Everything can be read and written at once, whoever is dead.
            for order in &mut orders {
                assert_eq!(node.orders.load(order.id).await.unwrap().as_ref(), Some(&*order), "after kill {kills}");
            }
            orders.push(scene.placed(USERS[kills % USERS.len()], 100 + i64::try_from(kills).unwrap()).await);
            let next = scene.confirmed(&orders[kills % 30], 1_000);
            if next.order.version == 2 {
                orders[kills % 30] = Arc::clone(&next.order);
                scene.commit(next).await.expect("a change is taken");
            }
        }
        assert!(kills > 12, "there are more windows than {kills}");
        bed.is_settled().await;
        let places = bed.places().await;
        assert!(orders.iter().all(|order| places.get(&order.id.get()) == Some(&(2, order.version))));
    });
}

#[test]
fn a_mover_killed_at_any_instant_leaves_every_order_readable_and_every_bucket_writable() {
    on_bed(async |bed| {
        let (scene, orders) = some_orders(&bed).await;
        let node = bed.node().await;
        let (mut kills, mut cut_off, mut trips) = (0_u64, 0_u64, 0_u64);
        // A fast machine ends many moves before they can be cut off: there and back until enough of them were.
        while trips < 4 || trips % 2 == 1 || cut_off <= 8 {
            assert!(trips < 200, "only {cut_off} movers were cut off");
            let (to, which) = (if trips.is_multiple_of(2) { 2 } else { 0 }, Which::Buckets(vec![2, 4, 6, 8, 10]));
            trips += 1;
            bed.mover().await.plan(&Ask { to, which }).await.unwrap();
            for of_trip in 0.. {
                let mut mover = bed.mover().await;
                if mover.open().await.unwrap().is_empty() {
                    break;
                }
                // Dropped in the middle of whatever statement it has come to; later each time, so that a slow machine
                // ends a move as well.
                let life = Duration::from_micros(3_000 + kills * 7_919 % 60_000 + 2_000 * of_trip);
                match tokio::time::timeout(life, mover.run(&|_| {})).await {
                    Ok(ended) => drop(ended.expect("a move that nobody kills goes on")),
                    Err(_) => cut_off += 1,
                }
                drop(mover);
                kills += 1;
                assert!(kills < 2_000, "it gets nowhere");
                assert_eq!(list_all(&*node.orders).await.len(), orders.len() + usize::try_from(kills).unwrap() - 1);
                for order in &orders {
                    assert!(node.orders.load(order.id).await.unwrap().is_some(), "after kill {kills}");
                }
                write(&scene, kills).await;
            }
            bed.is_settled().await;
        }
        assert_eq!(bed.places().await.len(), orders.len() + usize::try_from(kills).unwrap());
        println!("{cut_off} movers were cut off");
    });
}

/// A bucket that was closed when its mover died takes writes again within seconds.
async fn write(scene: &doos_ports::suites::scene::Scene, kills: u64) {
    let change = scene.new_order(USERS[usize::try_from(kills).unwrap() % USERS.len()], 200);
    for _ in 0..100 {
        match scene.commit(change.clone()).await {
            Ok(()) => return,
            Err(error) => assert!(error.to_string().contains("moving"), "{error}"),
        }
    }
    panic!("the bucket stays closed");
}

#[test]
fn a_mover_that_was_taken_over_writes_nothing_more() {
    on_bed(async |bed| {
        let (_, orders) = some_orders(&bed).await;
        let mut old = bed.mover().await;
        old.plan(&Ask { to: 2, which: Which::Buckets(vec![2, 4, 6, 8, 10]) }).await.unwrap();
        let third = bed.addresses.shards[2].clone();
        // As if another one had come while this one was paused: it is fenced on both shards.
        let told = AtomicUsize::new(0);
        let tell = |_: &doos_adapter_mysql::MoveProgress| {
            if told.fetch_add(1, Ordering::Relaxed) == 1 {
                let third = third.clone();
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                        runtime.block_on(async {
                            use mysql_async::prelude::Queryable;
                            let mut conn = crate::common::connect(&third).await;
                            conn.query_drop("UPDATE t_move SET mover = mover + 1").await.unwrap();
                            conn.disconnect().await.unwrap();
                        });
                    });
                });
            }
        };
        let refused = old.run(&tell).await.unwrap_err().to_string();
        assert!(refused.contains("another mover has taken over"), "{refused}");
        assert!(bed.rows::<u64>(2, "SELECT id FROM t_order").await.is_empty(), "it has copied all the same");
        drop(old);
        let mut next = bed.mover().await;
        next.run(&|_| {}).await.expect("the next one goes on");
        bed.is_settled().await;
        assert_eq!(bed.places().await.len(), orders.len());
    });
}

#[test]
fn two_movers_exclude_each_other() {
    on_bed(async |bed| {
        let mut first = bed.mover().await;
        let second = bed.databases().mover().await.map(drop).unwrap_err();
        assert!(second.to_string().contains("another program is moving buckets"), "{second}");
        first.plan(&Ask { to: 2, which: Which::Count(3) }).await.unwrap();
        let twice = first.plan(&Ask { to: 2, which: Which::Count(3) }).await.unwrap_err();
        assert!(twice.to_string().contains("a move is open"), "{twice}");
        first.run(&|_| {}).await.unwrap();
        bed.is_settled().await;
    });
}
