//! Archiving beside moves of buckets, and beside those who read the table for long.

use doos_adapter_mysql::{Ask as MoveAsk, Error, MoveProgress, Which as Buckets};
use doos_ports::archive::{Ask, Fate, Progress, Step, Which};
use doos_ports::order_store::{OrderStore, Query};
use futures::FutureExt;
use mysql_async::prelude::Queryable;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::bed::{closed_order, day, judge, month, on_bed};
use crate::common::connect;

#[test]
fn archiving_and_moving_exclude_each_other() {
    on_bed(async |bed| {
        let archivist = bed.archivist().await;
        assert!(matches!(bed.databases().mover().await, Err(Error::MoveLocked)), "an archivist is at work");
        drop(archivist);
        let mut mover = bed.databases().mover().await.unwrap();
        mover.plan(&MoveAsk { to: 1, which: Buckets::Buckets(vec![2]) }).await.unwrap();
        assert!(matches!(bed.databases().archivist().await, Err(Error::MoveLocked)), "a mover is at work");
        drop(mover);
        assert!(matches!(bed.databases().archivist().await, Err(Error::MoveOpen)), "a move is open");
        bed.databases().mover().await.unwrap().run(&|_| {}).await.unwrap();
        bed.archivist().await;
    });
}

#[test]
fn a_bucket_that_moves_takes_its_archived_orders_along() {
    on_bed(async |bed| {
        let scene = bed.scene_on(day("2026-09", 10)).await;
        let moving = closed_order(&scene, 2, 0).await;
        let staying = closed_order(&scene, 4, 0).await;
        bed.settle_mail().await;
        bed.archive_before("2026-10").await;
        let (before, after) = (bed.node().await, bed.node().await);
        let mut mover = bed.databases().mover().await.unwrap();
        mover.plan(&MoveAsk { to: 1, which: Buckets::Buckets(vec![2]) }).await.unwrap();
        mover.run(&|_| {}).await.expect("the move ends");
        drop(mover);
        let archived = |shard| bed.rows::<u64>(shard, "SELECT id FROM t_order_archive");
        assert_eq!((archived(0).await, archived(1).await), (vec![staying.id.get()], vec![moving.id.get()]));
        for node in [&before, &after] {
            for order in [&moving, &staying] {
                assert_eq!(node.orders.load(order.id).await.unwrap().as_ref(), Some(order));
            }
            assert_eq!(node.orders.list(Query { limit: 9, ..Query::default() }).await.unwrap().orders.len(), 2);
        }
        // Brought back at its new place, and moved again with its row in use.
        let mut next = (*moving).clone();
        next.version += 1;
        let change = doos_ports::order_store::Change {
            expected_version: moving.version,
            order: Arc::new(next),
            messages: Vec::new(),
            answer: None,
            gate_epoch: None,
        };
        let changed = Arc::clone(&change.order);
        before.orders.commit(vec![change]).await.remove(0).expect("a late change is taken");
        let mut mover = bed.databases().mover().await.unwrap();
        mover.plan(&MoveAsk { to: 0, which: Buckets::Buckets(vec![2]) }).await.unwrap();
        mover.run(&|_| {}).await.expect("the move ends");
        drop(mover);
        assert_eq!(after.orders.load(moving.id).await.unwrap(), Some(changed));
        assert_eq!(bed.places().await.map(|place| place.len()), [1, 1]);
    });
}

#[test]
fn a_move_that_is_given_up_leaves_no_archived_order_at_its_target() {
    on_bed(async |bed| {
        let order = closed_order(&bed.scene_on(day("2026-09", 10)).await, 2, 0).await;
        bed.settle_mail().await;
        bed.archive_before("2026-10").await;
        let mut mover = bed.databases().mover().await.unwrap();
        mover.plan(&MoveAsk { to: 1, which: Buckets::Buckets(vec![2]) }).await.unwrap();
        // Dies behind the copy of the archive.
        let dying = AssertUnwindSafe(async move {
            let tell = |told: &MoveProgress| {
                if told.table == "t_order_archive" {
                    std::panic::panic_any(());
                }
            };
            mover.run(&tell).await.map(drop)
        });
        assert!(dying.catch_unwind().await.is_err(), "it was killed");
        let archived = |shard| bed.rows::<u64>(shard, "SELECT id FROM t_order_archive");
        assert_eq!(archived(1).await, [order.id.get()], "copied");
        let node = bed.node().await;
        let all = || node.orders.list(Query { limit: 9, ..Query::default() });
        assert_eq!(all().await.unwrap().orders, [Arc::clone(&order)], "and not listed twice");
        bed.databases().mover().await.unwrap().cancel(&|_| {}).await.expect("it is given up");
        assert_eq!((archived(0).await, archived(1).await), (vec![order.id.get()], vec![]));
        assert_eq!(all().await.unwrap().orders, [order]);
    });
}

#[test]
fn orders_in_a_bucket_that_is_on_its_way_are_left_alone() {
    on_bed(async |bed| {
        closed_order(&bed.scene_on(day("2026-09", 10)).await, 2, 0).await;
        bed.settle_mail().await;
        // As a mover would leave it that came in between, after this one's lock was lost.
        bed.run(0, "UPDATE t_bucket SET state = 3 WHERE bucket = 2").await;
        let report = bed.archive_before("2026-10").await.remove(0);
        assert_eq!((report.fate, report.obstacles[0].reason), (Fate::Refused, "bucket_on_its_way"));
        assert_eq!(bed.places().await[0].len(), 1);
    });
}

#[test]
fn a_table_in_use_for_long_keeps_its_empty_month_and_nobody_waits_for_it() {
    on_bed(async |bed| {
        let scene = bed.scene_on(day("2026-09", 10)).await;
        let order = closed_order(&scene, 2, 0).await;
        bed.settle_mail().await;
        let mut backup = connect(&bed.addresses.shards[0]).await;
        backup.query_drop("START TRANSACTION").await.unwrap();
        backup.query_drop("SELECT COUNT(*) FROM t_order").await.unwrap();
        let report = bed.archive_before("2026-10").await.remove(0);
        assert_eq!((report.fate, report.archived), (Fate::Emptied, 1));
        assert!(bed.partitions(0).await.contains(&"p202609".to_owned()));
        let node = bed.node().await;
        assert_eq!(node.orders.load(order.id).await.unwrap(), Some(order));
        scene.placed(2, 50).await;
        scene.placed(2, 60).await;
        backup.disconnect().await.unwrap();
    });
}

#[test]
fn an_order_that_comes_back_in_the_last_moment_is_put_away_again_before_its_month_goes() {
    on_bed(async |bed| {
        let order = closed_order(&bed.scene_on(day("2026-09", 10)).await, 2, 0).await;
        bed.settle_mail().await;
        let node = bed.node().await;
        let handle = tokio::runtime::Handle::current();
        let moments = AtomicUsize::new(0);
        let latest = Mutex::new(order);
        // Changed where the month is believed to be empty, the first two times.
        let tell = |told: &Progress| {
            if told.step == Step::GivingBack && moments.fetch_add(1, Ordering::Relaxed) < 2 {
                let mut latest = latest.lock().unwrap();
                let mut next = (**latest).clone();
                next.version += 1;
                let change = doos_ports::order_store::Change {
                    expected_version: latest.version,
                    order: Arc::new(next),
                    messages: Vec::new(),
                    answer: None,
                    gate_epoch: None,
                };
                *latest = Arc::clone(&change.order);
                let told = tokio::task::block_in_place(|| handle.block_on(node.orders.commit(vec![change])));
                told.into_iter().for_each(|told| told.expect("a late change is taken"));
            }
        };
        let ask = Ask { which: Which::Only(month("2026-09")), dry_run: false };
        let report = bed.archivist().await.run(ask, &judge, &tell).await.unwrap().remove(0);
        assert_eq!((report.fate, report.archived), (Fate::Archived, 3));
        let latest = latest.into_inner().unwrap();
        assert_eq!(latest.version, 4);
        assert_eq!(node.orders.load(latest.id).await.unwrap(), Some(latest));
        assert_eq!(bed.places().await.map(|place| place.len()), [0, 1]);
    });
}
