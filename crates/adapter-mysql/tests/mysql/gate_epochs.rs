//! The stock gate's epoch on the shards: what keeps an owner that was replaced from selling.

use doos_ports::Error;
use doos_ports::gate_epochs::GateEpochs;
use doos_ports::order_store::{Change, CommitError, OrderStore};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::time::Duration;

use crate::common::{self, Set};
use crate::{commit_one, is_stored, on_set, scene};

fn held_in(epoch: u64, change: Change) -> Change {
    Change { gate_epoch: Some(epoch), ..change }
}

fn is_away(result: &Result<(), CommitError>) -> bool {
    matches!(result, Err(CommitError::Engine(Error::Unavailable { .. })))
}

/// Even users are on shard 0, odd ones on shard 1.
#[test]
fn a_shard_stores_only_what_was_held_in_its_epoch() {
    on_set(async |_, set| {
        let engines = common::open(&set.addresses).await;
        let scene = scene(&set).await;
        assert_eq!(engines.gate_epochs.raise(0, 6).await.unwrap(), 6);
        assert_eq!(engines.gate_epochs.raise(1, 5).await.unwrap(), 5);
        for (user, epoch, is_taken) in [(2, 5, false), (2, 7, false), (2, 6, true), (1, 6, false), (1, 5, true)] {
            let change = held_in(epoch, scene.new_order(user, 0));
            let result = commit_one(&*engines.orders, change.clone()).await;
            assert!(if is_taken { result.is_ok() } else { is_away(&result) }, "{user} in {epoch}: {result:?}");
            assert_eq!(is_stored(&*engines.orders, &change.order).await, is_taken);
        }
        // Whoever needs no gate's word is stored as ever, and moves of orders that are there name no epoch.
        let placed = scene.placed(2, 1).await;
        scene.commit(scene.confirmed(&placed, 2)).await.expect("a move is no placing");
    });
}

#[test]
fn a_hold_of_before_costs_its_neighbours_in_the_group_nothing() {
    on_set(async |_, set| {
        let engines = common::open(&set.addresses).await;
        let scene = scene(&set).await;
        engines.gate_epochs.raise(0, 9).await.unwrap();
        let group: Vec<Change> =
            (0..6).map(|at| held_in(if at == 3 { 8 } else { 9 }, scene.new_order(2, at))).collect();
        let results = engines.orders.commit(group).await;
        for (at, result) in results.iter().enumerate() {
            assert!(if at == 3 { is_away(result) } else { result.is_ok() }, "{at}: {result:?}");
        }
    });
}

#[test]
fn an_epoch_never_goes_down() {
    on_set(async |_, set| {
        let epochs = common::open(&set.addresses).await.gate_epochs;
        assert_eq!(epochs.shard_count(), 2);
        assert_eq!(epochs.epoch(0).await.unwrap(), 0);
        for (asked, stands) in [(7, 7), (6, 7), (7, 7), (8, 8)] {
            assert_eq!(epochs.raise(0, asked).await.unwrap(), stands);
            assert_eq!(epochs.epoch(0).await.unwrap(), stands);
        }
        assert_eq!(epochs.epoch(1).await.unwrap(), 0, "each shard has its own");
        assert!(matches!(epochs.epoch(2).await, Err(Error::Broken { .. })));
    });
}

async fn connect(set: &Set) -> Conn {
    let opts = mysql_async::OptsBuilder::from_opts(mysql_async::Opts::from_url(&set.addresses.shards[0]).unwrap());
    Conn::new(opts.prefer_socket(false)).await.unwrap()
}

#[test]
fn raising_waits_for_the_group_that_has_read_the_epoch_before() {
    on_set(async |_, set| {
        let epochs = common::open(&set.addresses).await.gate_epochs;
        epochs.raise(0, 1).await.unwrap();
        let (mut group, mut watch) = (connect(&set).await, connect(&set).await);
        group.query_drop("START TRANSACTION").await.unwrap();
        group.query_drop("SELECT epoch FROM t_gate WHERE one = 1 LOCK IN SHARE MODE").await.unwrap();
        let raising = epochs.raise(0, 2);
        tokio::pin!(raising);
        // One that does not wait is done long before the server has slept.
        tokio::select! {
            biased;
            raised = &mut raising => panic!("it was raised to {raised:?} under a running group"),
            slept = watch.query_drop("SELECT SLEEP(0.4)") => slept.unwrap(),
        }
        group.query_drop("COMMIT").await.unwrap();
        let raised = tokio::time::timeout(Duration::from_secs(20), raising).await.expect("the group has ended");
        assert_eq!(raised.unwrap(), 2);
        group.disconnect().await.unwrap();
        watch.disconnect().await.unwrap();
    });
}

#[test]
fn undecided_orders_are_told_shard_by_shard() {
    on_set(async |_, set| {
        let engines = common::open(&set.addresses).await;
        let scene = scene(&set).await;
        let (even, odd) = (scene.placed(2, 0).await, scene.placed(1, 1).await);
        for (shard, order) in [(0, even), (1, odd)] {
            let undecided = engines.gate_epochs.undecided(shard).await.unwrap();
            assert_eq!(undecided.iter().map(|order| order.id).collect::<Vec<_>>(), [order.id]);
        }
    });
}

/// Holds a group of the store up between its look at the epoch and its COMMIT, by a message that it has to wait for.
async fn delay(change: &Change, set: &Set) -> Conn {
    let mut in_the_way = connect(set).await;
    in_the_way.query_drop("START TRANSACTION").await.unwrap();
    let sql = "INSERT INTO t_local_message (message_id, tx_id, bucket, topic, payload, next_retry, created_at) \
               VALUES (?, '', 0, '', '{}', 0, 0)";
    in_the_way.exec_drop(sql, (change.messages[0].id.as_str(),)).await.unwrap();
    in_the_way
}

/// A connection of this test has been in the same statement for so long that it waits for somebody.
async fn until_somebody_waits(watch: &mut Conn) {
    let sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
               WHERE DB = DATABASE() AND COMMAND = 'Query' AND ID <> CONNECTION_ID() AND TIME_MS > 200";
    let waits = async {
        while watch.query_first::<u64, _>(sql).await.unwrap() != Some(1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("the group waits for the message");
}

/// A group of new orders alone, and one that has to be judged: their looks at the epoch are two statements.
#[test]
fn an_order_that_is_being_stored_while_the_epoch_is_raised_is_one_that_whoever_raised_it_finds() {
    on_set(async |_, set| {
        let engines = common::open(&set.addresses).await;
        let (epochs, scene) = (&*engines.gate_epochs, scene(&set).await);
        let mut watch = connect(&set).await;
        for (epoch, is_judged) in [(10, false), (20, true)] {
            epochs.raise(0, epoch).await.unwrap();
            let change = held_in(epoch, scene.new_order(2, i64::try_from(epoch).unwrap()));
            let order = change.order.id;
            let mut group = vec![change.clone()];
            // One that was held before sends the whole group there.
            group.extend(is_judged.then(|| held_in(epoch - 1, scene.new_order(2, 1))));
            let mut in_the_way = delay(&change, &set).await;
            let storing = engines.orders.commit(group);
            let raising = async {
                until_somebody_waits(&mut watch).await;
                let raising = epochs.raise(0, epoch + 1);
                tokio::pin!(raising);
                tokio::select! {
                    biased;
                    raised = &mut raising => panic!("it was raised to {raised:?} while an order was being stored"),
                    slept = watch.query_drop("SELECT SLEEP(0.4)") => slept.unwrap(),
                }
                in_the_way.query_drop("ROLLBACK").await.unwrap();
                raising.await.unwrap();
                epochs.undecided(0).await.unwrap()
            };
            let (stored, undecided) = tokio::join!(storing, raising);
            stored[0].as_ref().expect("it was held in the epoch that stood when it was stored");
            assert!(undecided.iter().any(|found| found.id == order), "judged: {is_judged}; {undecided:?}");
            in_the_way.disconnect().await.unwrap();
        }
        watch.disconnect().await.unwrap();
    });
}
