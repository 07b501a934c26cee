//! Months of orders that are put away beside a running store: what is read of them, what is refused, what comes back,
//! and with the one who does it killed anywhere.

#![cfg(test)]

mod common;

use doos_adapter_embedded::{Archive, Books, Options, Running, backup};
use doos_domain::ids::OrderId;
use doos_domain::message::Consumer;
use doos_domain::month::Month;
use doos_domain::order::{Order, StillOpen};
use doos_domain::time::Timestamp;
use doos_ports::archive::{Ask, Fate, MonthReport, Progress as Told, Which};
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, OrderStore, Query};
use doos_ports::suites::scene::Scene;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

struct Bed {
    running: Running,
    scene: Scene,
    dir: tempfile::TempDir,
}

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

/// A day on which the return window of everything is over.
fn later() -> Timestamp {
    month("2027-06").start()
}

fn judge(order: &Order) -> Option<&'static str> {
    order.still_open(86_400_000, later()).map(StillOpen::name)
}

/// The scene plays in September 2026.
const ASK: fn() -> Ask = || Ask { which: Which::Before(month("2026-10")), dry_run: false };

fn on_bed(options: Options, test: impl AsyncFnOnce(&mut Bed)) {
    let dir = tempfile::tempdir().unwrap();
    let running = common::run_store(dir.path(), options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scene = Scene::new(common::ports(&running.store, dir.path()));
        let mut bed = Bed { running, scene, dir };
        test(&mut bed).await;
        bed.running.stop();
    });
}

impl Bed {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Everybody has read everything, and that is folded.
    async fn settle_mail(&self) {
        for consumer in Consumer::ALL {
            let unread = self.scene.subscribe(consumer).await.poll(100_000).await.unwrap();
            let Some(last) = unread.last() else { continue };
            let progress = Progress { position: Some(last.position), ..Progress::new(consumer) };
            self.scene.ports.inbox.store(progress).await.unwrap();
        }
        self.folded().await;
    }

    /// Until the books have everything that is in the journal now.
    async fn folded(&self) {
        let end = doos_adapter_embedded::journal_end(self.path()).unwrap();
        let books = Books::open(self.path()).unwrap();
        let cut = || books.read(|cut| Ok(cut.cut())).unwrap();
        self.scene
            .ends("the folding", async {
                while cut() < end {
                    self.scene.ports.clock.sleep(std::time::Duration::from_millis(1)).await;
                }
            })
            .await;
    }

    fn archive(&self, ask: Ask) -> Vec<MonthReport> {
        Archive::open(self.path()).unwrap().run(ask, later(), &judge, &|_| {}).unwrap()
    }

    fn counts(&self) -> (i64, i64) {
        let connection = Connection::open(database(self.path())).unwrap();
        let sql = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM orders_archive)";
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    async fn closed(&self, user: u64, millis: i64) -> Arc<Order> {
        let placed = self.scene.placed(user, millis).await;
        let cancelled = self.scene.cancelled(&placed, millis + 1);
        let order = Arc::clone(&cancelled.order);
        self.scene.commit(cancelled).await.unwrap();
        order
    }

    async fn many_closed(&self, count: u64) -> Vec<Arc<Order>> {
        let numbers: Vec<u64> = (0..count).collect();
        let placed: Vec<Change> =
            numbers.iter().map(|at| self.scene.new_order(1 + at % 7, i64::try_from(*at).unwrap())).collect();
        let ends: Vec<Change> = placed.iter().map(|change| self.scene.cancelled(&change.order, 100_000)).collect();
        let orders = ends.iter().map(|change| Arc::clone(&change.order)).collect();
        for changes in [placed, ends] {
            let mut changes = changes.into_iter().peekable();
            while changes.peek().is_some() {
                let group: Vec<Change> = changes.by_ref().take(50).collect();
                for told in self.scene.ports.orders.commit(group).await {
                    told.expect("it is taken");
                }
            }
        }
        orders
    }
}

fn database(dir: &Path) -> PathBuf {
    dir.join("database").join("store.sqlite")
}

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

fn nothing_in_memory() -> Options {
    Options { orders_cached_max: 0, changes_cached_max: 0, messages_cached_max: 0, ..common::small() }
}

#[test]
fn orders_that_are_put_away_are_as_any_others() {
    for options in [common::small(), nothing_in_memory()] {
        on_bed(options, async |bed| {
            let put_away = async || {
                bed.settle_mail().await;
                let reports = bed.archive(ASK());
                assert!(reports.iter().all(|report| report.fate == Fate::Archived), "{reports:?}");
                assert_eq!(bed.counts(), (0, 12));
            };
            doos_ports::suites::archive::orders_that_are_put_away_are_as_any_others(&bed.scene, put_away).await;
        });
    }
}

#[test]
fn a_month_that_must_wait_is_told_with_the_reasons_and_a_dry_run_changes_nothing() {
    on_bed(common::small(), async |bed| {
        bed.closed(2, 0).await;
        let open = bed.scene.placed(3, 10).await;
        bed.folded().await;
        let reasons = |reports: &[MonthReport]| -> Vec<(&'static str, u64)> {
            reports[0].obstacles.iter().map(|obstacle| (obstacle.reason, obstacle.count)).collect()
        };
        let refused = bed.archive(ASK());
        assert_eq!((refused.len(), refused[0].fate, refused[0].orders), (1, Fate::Refused, 2));
        assert_eq!(reasons(&refused), [("message_open", 3), ("pending", 1)]);
        bed.settle_mail().await;
        let refused = bed.archive(ASK());
        assert_eq!((reasons(&refused), refused[0].obstacles[0].example), (vec![("pending", 1)], Some(open.id)));
        bed.scene.commit(bed.scene.cancelled(&open, 20)).await.unwrap();
        bed.settle_mail().await;
        let early = month("2026-10").start().plus_millis(1);
        let refused = Archive::open(bed.path()).unwrap().run(ASK(), early, &judge, &|_| {}).unwrap();
        assert_eq!(reasons(&refused), [("month_not_over", 1)]);
        let dry = bed.archive(Ask { dry_run: true, ..ASK() });
        assert_eq!((dry[0].fate, dry[0].orders, bed.counts()), (Fate::Archivable, 2, (2, 0)));
        let done = bed.archive(ASK());
        assert_eq!((done[0].fate, done[0].archived, bed.counts()), (Fate::Archived, 2, (0, 2)));
        let archived = Archive::open(bed.path()).unwrap().archived().unwrap();
        assert_eq!((archived[0].month, archived[0].orders), (month("2026-09"), 2));
        assert!(archived[0].ended_at.is_some() && bed.archive(ASK()).is_empty());
    });
}

#[test]
fn the_books_a_backup_and_the_next_start_have_what_is_put_away() {
    on_bed(common::small(), async |bed| {
        let orders = bed.many_closed(40).await;
        bed.settle_mail().await;
        assert_eq!(bed.archive(ASK())[0].archived, 40);
        let live = bed.closed(5, 200_000).await;
        bed.folded().await;
        let copy = tempfile::tempdir().unwrap();
        let target = copy.path().join("copy");
        backup(bed.path(), &target, common::small()).unwrap();
        for dir in [bed.path(), &target] {
            let mut seen = Vec::new();
            Books::open(dir).unwrap().read(|cut| cut.orders(&mut |order| seen.push(order))).unwrap();
            assert_eq!(seen.len(), 41);
            assert!(seen.is_sorted_by_key(|order| order.id) && seen.contains(&orders[7]) && seen.contains(&live));
        }
        let restored = common::run_store(&target, common::small());
        let store = restored.store.orders();
        for order in orders.iter().chain([&live]) {
            assert_eq!(store.load(order.id).await.unwrap().as_ref(), Some(order));
        }
        restored.stop();
    });
}

#[test]
fn a_program_that_does_not_know_the_archive_is_kept_out_once_something_is_in_it() {
    on_bed(common::small(), async |bed| {
        let number = |dir: &Path| -> i64 {
            let connection = Connection::open(database(dir)).unwrap();
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
        };
        bed.closed(2, 0).await;
        bed.settle_mail().await;
        bed.archive(Ask { dry_run: true, ..ASK() });
        assert_eq!(number(bed.path()), 1, "nothing is put away");
        bed.archive(ASK());
        assert_eq!(number(bed.path()), doos_adapter_embedded::SCHEMA_NEWEST);
    });
}

#[test]
fn the_books_of_a_store_that_only_an_older_program_has_opened_are_read() {
    let dir = tempfile::tempdir().unwrap();
    common::run_store(dir.path(), common::small()).stop();
    let connection = Connection::open(database(dir.path())).unwrap();
    connection.execute_batch("DROP TABLE orders_archive; DROP TABLE archived_months").unwrap();
    drop(connection);
    let mut seen = 0;
    Books::open(dir.path()).unwrap().read(|cut| cut.orders(&mut |_| seen += 1)).unwrap();
    assert_eq!(seen, 0);
}

#[test]
fn one_killed_after_any_of_its_reports_is_gone_on_with() {
    struct Killed;
    on_bed(nothing_in_memory(), async |bed| {
        let orders = bed.many_closed(1_600).await;
        bed.settle_mail().await;
        let mut kills = 0;
        loop {
            let path = bed.path().to_owned();
            let run = std::panic::catch_unwind(move || {
                let tell = |told: &Told| {
                    if told.step != doos_ports::archive::Step::Looking {
                        std::panic::panic_any(Killed);
                    }
                };
                Archive::open(&path).unwrap().run(ASK(), later(), &judge, &tell).unwrap()
            });
            match run {
                Ok(reports) if reports.is_empty() => break,
                Ok(reports) => panic!("nobody killed it: {reports:?}"),
                Err(died) => assert!(died.is::<Killed>()),
            }
            kills += 1;
            assert!(kills < 20, "it gets nowhere");
            for order in &orders {
                assert_eq!(bed.scene.load(order.id).await.as_ref(), Some(order), "after kill {kills}");
            }
        }
        assert!(kills >= 4, "there are more chunks than {kills}");
        assert_eq!(bed.counts(), (0, 1_600));
    });
}

/// Reads and changes orders until told to stop; what it has acknowledged must be there at every instant.
async fn use_orders(
    store: Arc<dyn OrderStore>,
    orders: Vec<Arc<Order>>,
    stop: &AtomicBool,
    changes: &AtomicU64,
) -> Vec<Arc<Order>> {
    let mut orders = orders;
    for round in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let at = round * 37 % orders.len();
        if round.is_multiple_of(5) {
            let change = touched(&orders[at]);
            orders[at] = Arc::clone(&change.order);
            store.commit(vec![change]).await.remove(0).expect("a change is taken");
            changes.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(store.load(orders[at].id).await.unwrap().as_ref(), Some(&orders[at]));
        if round.is_multiple_of(11) {
            let query = Query { user_id: Some(orders[at].user_id), limit: 10_000, ..Query::default() };
            let listed = store.list(query).await.unwrap().orders;
            let own = orders.iter().filter(|order| order.user_id == orders[at].user_id);
            let mut own: BTreeMap<OrderId, u32> = own.map(|order| (order.id, order.version)).collect();
            for order in listed {
                assert_eq!(own.remove(&order.id), Some(order.version), "once, and as it is");
            }
            assert!(own.is_empty(), "not in their user's list: {own:?}");
        }
    }
    orders
}

#[test]
fn orders_are_read_and_changed_at_every_instant_while_their_month_is_put_away() {
    on_bed(nothing_in_memory(), async |bed| {
        let orders = bed.many_closed(3_000).await;
        bed.settle_mail().await;
        let (stop, changes) = (AtomicBool::new(false), AtomicU64::new(0));
        let store = bed.running.store.orders();
        let path = bed.path().to_owned();
        let archived = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(use_orders(store, orders, &stop, &changes))
            });
            let mut rounds = 0;
            // Changes bring orders back all the time, so there is always something to put away again.
            while rounds < 6 || changes.load(Ordering::Relaxed) < 500 {
                Archive::open(&path).unwrap().run(ASK(), later(), &judge, &|_| {}).unwrap();
                rounds += 1;
            }
            stop.store(true, Ordering::Relaxed);
            println!("{rounds} rounds, {changes:?} changes");
            reader.join().expect("what is acknowledged is there")
        });
        bed.folded().await;
        bed.archive(ASK());
        assert_eq!(bed.counts(), (0, 3_000));
        for order in &archived {
            assert_eq!(bed.scene.load(order.id).await.as_ref(), Some(order));
        }
    });
}
