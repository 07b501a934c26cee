//! The folder when the database cannot be written: room runs out by SQLite's own bound of pages, or somebody else
//! holds its lock.

use super::*;
use crate::database::FILE_NAME;
use crate::{Options, Parts, Store, Writer};
use doos_domain::actor::Cause;
use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::Order;
use doos_domain::pricing::{Line, Quote};
use doos_domain::time::Timestamp;
use doos_journal::sim_disk::SimDisk;
use doos_ports::order_store::{Change, CommitError, Query};

fn id(number: u64) -> OrderId {
    OrderId::new((1 << 40) + number * 64).unwrap()
}

/// Large enough that no free corner of the database takes it.
fn new_order(number: u64) -> Change {
    let price = Money::new(500, Currency::Eur);
    let lines = vec![Line { product_id: ProductId::new(1).unwrap(), quantity: 1, unit_price: price }];
    let quote = Quote { lines, total: price };
    let cause = Cause::system("test", Timestamp::from_millis(1_790_000_000_000));
    let address = Some(format!("{number}").repeat(20_000));
    let step = Order::place(id(number), UserId::new(1).unwrap(), quote, address, &cause);
    Change { expected_version: 0, order: Arc::new(step.order), messages: step.messages, answer: None, gate_epoch: None }
}

fn options() -> Options {
    let journal = doos_journal::Options { segment_bytes: 256 << 10, group_bytes_max: 128 << 10 };
    Options { journal, tail_orders_max: 6, feed_kept_bytes: 0, ..Options::default() }
}

fn open(database_dir: &std::path::Path) -> Parts {
    Store::open(Arc::new(SimDisk::new(1)), database_dir, options()).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

async fn commit(store: &Store, writer: &mut Writer, number: u64) -> Result<(), CommitError> {
    let orders = store.orders();
    let mut work = std::pin::pin!(orders.commit(vec![new_order(number)]));
    loop {
        tokio::select! {
            biased;
            mut results = &mut work => return results.remove(0),
            group = writer.next_group() => {
                writer.write_group(group.unwrap());
            }
        }
    }
}

async fn listed(store: &Store) -> Vec<OrderId> {
    let page = store.orders().list(Query { limit: 100, ..Query::default() }).await.unwrap();
    page.orders.iter().rev().map(|order| order.id).collect()
}

fn pages_max(folder: &Folder, pages: i64) {
    folder.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
}

fn is_busy(result: &Result<(), CommitError>) -> bool {
    matches!(result, Err(CommitError::Engine(doos_ports::Error::Busy { .. })))
}

#[test]
fn a_full_database_pauses_the_folder_and_nothing_else_until_there_is_room() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let Parts { store, mut writer, mut folder, .. } = open(dir.path());
        for number in 1..=3 {
            commit(&store, &mut writer, number).await.unwrap();
        }
        assert_eq!(folder.step(1_000), Step::Done { caught_up: true });
        let pages: i64 = folder.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        pages_max(&folder, pages);
        for number in 4..=6 {
            commit(&store, &mut writer, number).await.unwrap();
        }
        let folded = folder.shared.folded();
        let Step::Paused(first) = folder.step(1_000) else { panic!("there is no room to fold into") };
        assert_eq!((store.stopped(), folder.shared.folded()), (None, folded));
        assert!(folder.shared.fold_pause.cause().unwrap().contains("full"), "{:?}", folder.shared.fold_pause);
        assert_eq!(store.hindrance(), None, "orders are still taken");

        assert_eq!(listed(&store).await, (1..=6).map(id).collect::<Vec<_>>());
        for number in 7..=9 {
            commit(&store, &mut writer, number).await.unwrap();
        }
        let refused = commit(&store, &mut writer, 10).await;
        assert!(is_busy(&refused), "the tail is full: {refused:?}");
        assert!(store.hindrance().is_some_and(|cause| cause.contains("full")));
        let Step::Paused(second) = folder.step(1_000) else { panic!("there is still no room to fold into") };
        assert!(second > first);
        assert_eq!(store.orders().load(id(9)).await.unwrap().unwrap().version, 1);
        assert_eq!(listed(&store).await, (1..=9).map(id).collect::<Vec<_>>());

        pages_max(&folder, 1 << 20);
        assert_eq!(folder.step(1_000), Step::Done { caught_up: true });
        assert!(store.hindrance().is_none() && !folder.database.is_on());
        assert_eq!((store.depths().tail_orders, folder.shared.folded()), (0, folder.shared.applied()));
        assert_eq!(listed(&store).await, (1..=9).map(id).collect::<Vec<_>>());
        commit(&store, &mut writer, 10).await.unwrap();
    });
}

/// Waits until the folder's pause is as wanted; a store that stops instead has failed the test, and so has a wait.
async fn until(store: &Store, is_wanted: fn(&Option<String>) -> bool) {
    let mut pause = store.shared.fold_pause.watch();
    let reached = async {
        tokio::select! {
            seen = pause.wait_for(is_wanted) => drop(seen.unwrap()),
            cause = store.until_stopped() => panic!("the store has stopped: {cause}"),
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("the folder notices");
}

#[test]
fn the_folders_thread_waits_for_a_locked_database_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let Parts { store, mut writer, folder, .. } = open(dir.path());
    folder.connection.busy_timeout(Duration::from_millis(1)).unwrap();
    let mut other = Connection::open(dir.path().join(FILE_NAME)).unwrap();
    let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let thread = std::thread::spawn(|| folder.run());
    block_on(async {
        commit(&store, &mut writer, 1).await.unwrap();
        until(&store, Option::is_some).await;
        commit(&store, &mut writer, 2).await.unwrap();
        assert_eq!(store.depths().tail_orders, 2);
        drop(lock);
        until(&store, Option::is_none).await;
        assert_eq!(store.depths().tail_orders, 0);
        assert_eq!(listed(&store).await, [id(1), id(2)]);
    });
    assert_eq!(store.stopped(), None);
    assert!(store.close());
    thread.join().unwrap();
}

#[test]
fn a_pause_ends_at_once_when_the_store_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let Parts { store, mut writer, folder, .. } = open(dir.path());
    folder.connection.busy_timeout(Duration::from_millis(1)).unwrap();
    let mut other = Connection::open(dir.path().join(FILE_NAME)).unwrap();
    let _lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let thread = std::thread::spawn(|| folder.run());
    block_on(async {
        commit(&store, &mut writer, 1).await.unwrap();
        until(&store, Option::is_some).await;
    });
    store.close();
    thread.join().unwrap();
}

#[test]
fn segments_that_could_not_be_given_back_are_given_back_later_without_anything_more_to_fold() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let Parts { store, mut writer, mut folder, .. } = open(dir.path());
        folder.connection.busy_timeout(Duration::from_millis(1)).unwrap();
        let oldest = folder.dropped;
        for number in 1..=20 {
            commit(&store, &mut writer, number).await.unwrap();
            folder.fold_once(1_000).unwrap();
        }
        // What the folds have asked for is asked for again, and fails.
        folder.dropped = oldest;
        let queued = store.depths().queued;
        let folded = folder.shared.folded();
        let mut other = Connection::open(dir.path().join(FILE_NAME)).unwrap();
        let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        assert!(folder.give_back_segments(folded).unwrap_err().may_pass());
        assert!(matches!(folder.step(1_000), Step::Paused(_)), "it is owed");
        assert_eq!(store.depths().queued, queued);
        drop(lock);
        assert_eq!(folder.step(1_000), Step::Done { caught_up: true });
        assert_eq!((store.depths().queued, folder.dropped), (queued + 1, folded));
    });
}
