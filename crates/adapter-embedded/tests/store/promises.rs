//! What the store promises beyond its ports: restarts, bounds, forgetting, giving back disk, backups and audits.

use crate::shop::{Shop, answer, answer_at, at, cancelled, id, new_order, product};
use doos_adapter_embedded::{Books, Error, Layout, MemoryGate, Options, Parts, Standing, Store, backup, fold_dir};
use doos_domain::ids::OrderId;
use doos_domain::message::Consumer;
use doos_domain::order::Status;
use doos_domain::stock::MovementKind;
use doos_journal::sim_disk::SimDisk;
use doos_ports::bus::Position;
use doos_ports::inbox::{DeadLetter, Progress, Waiting};
use doos_ports::order_store::{CommitError, MessageState, Query};
use doos_ports::stock_gate::StockGate;
use std::path::Path;

fn tiny() -> Options {
    let journal = doos_journal::Options { segment_bytes: 8 << 10, group_bytes_max: 16 << 10 };
    Options { journal, group_bytes_max: 4 << 10, feed_kept_bytes: 0, ..Options::default() }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn segments(disk: &SimDisk) -> usize {
    disk.names().iter().filter(|name| name.ends_with(".seg")).count()
}

fn open_dir(data_dir: &Path) -> Shop {
    let Parts { store, writer, folder, .. } = Store::open_dir(data_dir, tiny()).unwrap();
    Shop { store, writer, folder }
}

/// Five orders, three of them decided and heard of, with an answer and a parked message.
async fn a_morning(shop: &mut Shop) {
    shop.receive(100, "delivery-1").await.unwrap();
    for number in 1..=3 {
        shop.commit(new_order(number, number)).await.unwrap();
    }
    shop.let_inventory_decide().await.unwrap();
    shop.let_orders_hear().await.unwrap();
    let mut fourth = new_order(4, 1);
    fourth.answer = Some(answer("k4", "the fourth"));
    shop.commit(fourth).await.unwrap();
    shop.commit(new_order(5, 2)).await.unwrap();
}

async fn a_morning_has_been(shop: &Shop) {
    for number in 1..=3 {
        assert_eq!(shop.load(number).await.unwrap().status, Status::Confirmed);
    }
    assert_eq!(shop.load(5).await.unwrap().status, Status::Pending);
    assert!(shop.store.orders().find_answer(&answer("k4", "").key).await.unwrap().is_some());
    assert_eq!(shop.store.bus().lag(Consumer::Inventory).await.unwrap(), 2);
    assert_eq!(shop.store.bus().lag(Consumer::Order).await.unwrap(), 0);
    let row = shop.store.ledger().row(product(1)).await.unwrap().unwrap();
    assert_eq!((row.free, row.sold), (94, 6));
}

#[test]
fn a_restart_finds_everything_folded_or_not() {
    block_on(async {
        for folded in [0, 1, 4, 1_000] {
            let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
            let mut shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
            a_morning(&mut shop).await;
            if folded > 0 {
                shop.folder.fold_once(folded).unwrap();
            }
            a_morning_has_been(&shop).await;
            drop(shop);
            let mut shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
            a_morning_has_been(&shop).await;
            shop.let_inventory_decide().await.unwrap();
            shop.let_orders_hear().await.unwrap();
            assert_eq!(shop.load(5).await.unwrap().status, Status::Confirmed);
        }
    });
}

#[test]
fn waiting_and_parked_messages_outlive_a_restart() {
    block_on(async {
        let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
        let mut shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
        for number in 1..=4 {
            shop.commit(new_order(number, 1)).await.unwrap();
        }
        let read = shop.store.bus().subscribe(Consumer::Inventory).await.unwrap().poll(10).await.unwrap();
        let mut progress = Progress::new(Consumer::Inventory);
        progress.position = Some(read[2].position);
        let cause = "away".to_owned();
        let message = |index: usize| read[index].message.clone();
        let waiting = |index, sequence, next_ms| Waiting {
            message: message(index),
            sequence,
            tries: 1,
            next_at: at(next_ms),
            cause: cause.clone(),
        };
        progress.wait = vec![waiting(0, 1, 100), waiting(1, 2, 50)];
        progress.park = vec![DeadLetter {
            consumer: Consumer::Inventory,
            message: message(2),
            sequence: 3,
            tries: 12,
            cause: cause.clone(),
            parked_at: at(7),
        }];
        let inbox = shop.store.inbox();
        shop.run(inbox.store(progress)).await.unwrap();
        for restart in 0..3 {
            let inbox = shop.store.inbox();
            assert_eq!(inbox.next_due(Consumer::Inventory).await.unwrap(), Some(at(50)));
            let due = inbox.due(Consumer::Inventory, at(100), 10).await.unwrap();
            assert_eq!(due.iter().map(|waiting| waiting.sequence).collect::<Vec<_>>(), [2, 1]);
            assert_eq!(inbox.backlog(Consumer::Inventory, id(3)).await.unwrap().parked, 1);
            assert_eq!(inbox.dead_letters(None, 10).await.unwrap().len(), 1);
            assert_eq!(shop.store.bus().lag(Consumer::Inventory).await.unwrap(), 1, "the fourth is unread");
            let orders = shop.store.orders();
            let (published, failed) = (MessageState::Published, MessageState::Failed);
            for (number, expected) in [(1, published), (3, failed), (4, published)] {
                let state = orders.messages(id(number)).await.unwrap()[0].1;
                assert_eq!(state, expected, "order {number} after {restart} restarts");
            }
            drop((orders, inbox));
            drop(shop);
            shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
            if restart == 0 {
                shop.fold_all();
            }
        }
        // None of these four is decided, wherever its message stands.
        let gate = MemoryGate::default();
        shop.receive(100, "delivery-1").await.unwrap();
        assert_eq!(shop.store.rebuild_gate(&gate, at(30_000)).await.unwrap(), 4);
        let level = gate.level(product(1)).await.unwrap().unwrap();
        assert_eq!((level.free, level.held), (92, 8));
        assert_eq!(gate.overdue(at(30_000), 10).await.unwrap().len(), 4);
    });
}

#[test]
fn folded_segments_are_given_back_and_nothing_is_missed() {
    block_on(async {
        let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
        let mut shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
        for number in 1..=60 {
            shop.commit(new_order(number, 1)).await.unwrap();
            shop.folder.fold_once(100).unwrap();
        }
        assert!(segments(&disk) <= 4, "{:?}", disk.names());
        assert!(shop.store.depths().journal_oldest > 0);
        for number in 1..=60 {
            assert_eq!(shop.load(number).await.unwrap().version, 1);
        }
        // The consumer that has read nothing yet still gets every message.
        let read = shop.store.bus().subscribe(Consumer::Inventory).await.unwrap().poll(100).await.unwrap();
        let orders: Vec<OrderId> = read.iter().map(|delivery| delivery.message.order_id).collect();
        assert_eq!(orders, (1..=60).map(id).collect::<Vec<_>>());
        drop(shop);
        let shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
        let read = shop.store.bus().subscribe(Consumer::Inventory).await.unwrap().poll(100).await.unwrap();
        assert_eq!(read.len(), 60);
        // A follower that starts at nothing gets what is kept.
        let feed = shop.store.feed();
        let kept = feed.read(Position(0), 100).await.unwrap();
        assert!(!kept.is_empty() && kept.len() < 60);
        assert_eq!(kept.last().unwrap().order.id, id(60));
    });
}

#[test]
fn a_journal_that_lost_what_is_folded_is_refused() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let mut shop = Shop::open(SimDisk::new(1), dir.path(), tiny()).unwrap();
        a_morning(&mut shop).await;
        shop.fold_all();
        drop(shop);
        let other_disk = SimDisk::new(2);
        assert!(Shop::open(other_disk.clone(), dir.path(), tiny()).is_err());
        let accepted = Options { accept_loss: true, ..tiny() };
        let mut shop = Shop::open(other_disk, dir.path(), accepted).unwrap();
        a_morning_has_been(&shop).await;
        // Two messages are unread; their journal is gone, their rows are not.
        assert_eq!(shop.let_inventory_decide().await.unwrap(), 2);
    });
}

#[test]
fn a_record_of_a_newer_program_refuses_to_open() {
    let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
    let (mut journal, _) =
        doos_journal::Journal::open(std::sync::Arc::new(disk.clone()), tiny().journal, 0, false).unwrap();
    journal.append(&[[200_u8, 1, 2, 3]]).unwrap();
    drop(journal);
    let error = Shop::open(disk, dir.path(), tiny()).err().unwrap();
    assert!(error.contains("kind 200") && error.contains("newer program"), "{error}");
}

#[test]
fn a_database_of_a_newer_program_refuses_to_open() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_dir(dir.path()));
    let path = Layout::of(dir.path()).database_dir.join("store.sqlite");
    rusqlite::Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Store::open_dir(dir.path(), tiny()), Err(Error::Schema { found: 99, .. })));
}

#[test]
fn old_answers_are_forgotten_and_their_messages_are_not() {
    block_on(async {
        let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
        let options = Options { answer_kept_ms: 1_000, ..tiny() };
        let mut shop = Shop::open(disk, dir.path(), options).unwrap();
        for (number, millis) in [(1, 0), (2, 500), (3, 1_400)] {
            let mut change = new_order(number, 1);
            change.answer = Some(answer_at(&format!("k{number}"), "told", millis));
            shop.commit(change).await.unwrap();
        }
        shop.fold_all();
        let orders = shop.store.orders();
        let mut kept = Vec::new();
        for number in 1..=3 {
            let key = answer(&format!("k{number}"), "").key;
            kept.push(orders.find_answer(&key).await.unwrap().is_some());
        }
        assert_eq!(kept, [false, true, true]);
        assert_eq!(orders.messages(id(1)).await.unwrap().len(), 1);
        // The key may be used again.
        let mut change = new_order(4, 1);
        change.answer = Some(answer_at("k1", "told anew", 1_500));
        shop.commit(change).await.unwrap();
    });
}

#[test]
fn too_much_unfolded_or_unread_turns_new_orders_away_until_it_is_less() {
    block_on(async {
        let is_busy = |result: &Result<(), CommitError>| {
            matches!(result, Err(CommitError::Engine(doos_ports::Error::Busy { .. })))
        };
        let dir = tempfile::tempdir().unwrap();
        let options = Options { tail_orders_max: 3, unread_messages_max: 5, ..tiny() };
        let mut shop = Shop::open(SimDisk::new(1), dir.path(), options).unwrap();
        for number in 1..=3 {
            shop.commit(new_order(number, 1)).await.unwrap();
        }
        let refused = shop.commit(new_order(4, 1)).await;
        assert!(is_busy(&refused), "the tail is full: {refused:?}");
        shop.fold_all();
        for number in 4..=5 {
            shop.commit(new_order(number, 1)).await.unwrap();
        }
        shop.fold_all();
        let refused = shop.commit(new_order(6, 1)).await;
        assert!(is_busy(&refused), "inventory is behind: {refused:?}");
        // Whoever is behind must be able to go on.
        assert_eq!(shop.let_inventory_decide().await.unwrap(), 5);
        shop.fold_all();
        let refused = shop.commit(new_order(6, 1)).await;
        assert!(is_busy(&refused), "now the order context is behind: {refused:?}");
        assert_eq!(shop.let_orders_hear().await.unwrap(), 5);
        shop.fold_all();
        shop.commit(new_order(6, 1)).await.unwrap();
    });
}

#[test]
fn a_unit_larger_than_any_group_is_refused_and_its_neighbours_are_stored() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let mut shop = Shop::open(SimDisk::new(1), dir.path(), tiny()).unwrap();
        let mut huge = new_order(2, 1);
        let mut order = (*huge.order).clone();
        order.address = Some("x".repeat(20 << 10));
        huge.order = std::sync::Arc::new(order);
        let orders = shop.store.orders();
        let results = shop.run(orders.commit(vec![new_order(1, 1), huge, new_order(3, 1)])).await;
        assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
        assert!(matches!(results[1], Err(CommitError::Engine(doos_ports::Error::Broken { .. }))), "{results:?}");
        // More than one group's worth of small ones goes into several groups.
        let many: Vec<_> = (10..80).map(|number| new_order(number, 1)).collect();
        let results = shop.run(orders.commit(many)).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(orders.list(Query { limit: 100, ..Query::default() }).await.unwrap().orders.len(), 72);
    });
}

#[test]
fn a_caller_that_hangs_up_leaves_the_ledger_locked_until_its_unit_is_done() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let mut shop = Shop::open(SimDisk::new(1), dir.path(), tiny()).unwrap();
        let ledger = shop.store.ledger();
        let locks = ledger.lock(vec![product(1)], vec![]).await.unwrap();
        let mut book = doos_domain::stock::Book::new(locks.rows(), locks.decisions());
        let reference = "delivery-1".to_owned();
        let receive = doos_domain::stock::Command::Receive { reference, product_id: product(1), qty: 5 };
        book.decide(&receive, "operator:test", at(0));
        {
            // Queued, and then nobody waits for it any more.
            let commit = locks.commit(book.into_changes(), None, None);
            let mut commit = std::pin::pin!(commit);
            let waker = std::task::Waker::noop();
            assert!(commit.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        }
        {
            let lock = ledger.lock(vec![product(1)], vec![]);
            let mut lock = std::pin::pin!(lock);
            let waker = std::task::Waker::noop();
            assert!(lock.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending(), "the rows are stale");
        }
        let seen = shop.run(async move { ledger.lock(vec![product(1)], vec![]).await.unwrap().rows() }).await;
        assert_eq!(seen[0].free, 5);
    });
}

#[test]
fn a_backup_beside_the_owner_opens_with_all_of_it() {
    block_on(async {
        for folded in [0, 3, 1_000] {
            let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let mut shop = open_dir(dir.path());
            a_morning(&mut shop).await;
            if folded > 0 {
                shop.folder.fold_once(folded).unwrap();
            }
            let report = backup(dir.path(), copy.path(), tiny()).unwrap();
            assert_eq!(report.cut.0, shop.store.depths().journal_end);
            // What comes after is not in it.
            shop.commit(new_order(6, 1)).await.unwrap();
            let mut restored = open_dir(copy.path());
            a_morning_has_been(&restored).await;
            assert_eq!(restored.load(6).await, None);
            let order = restored.load(4).await.unwrap();
            restored.commit(cancelled(&order)).await.unwrap();
            restored.let_inventory_decide().await.unwrap();
            restored.fold_all();
            assert!(matches!(backup(dir.path(), copy.path(), tiny()), Err(Error::NotEmpty(_))));
        }
    });
}

#[test]
fn a_backup_of_a_journal_that_has_given_segments_back_opens() {
    block_on(async {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut shop = open_dir(dir.path());
        for number in 1..=60 {
            shop.commit(new_order(number, 1)).await.unwrap();
            if number < 55 {
                shop.folder.fold_once(100).unwrap();
            }
        }
        assert!(shop.store.depths().journal_oldest > 0);
        let report = backup(dir.path(), copy.path(), tiny()).unwrap();
        assert!(report.folded.0 > 0 && report.groups > 0);
        let restored = open_dir(copy.path());
        for number in 1..=60 {
            assert_eq!(restored.load(number).await, shop.load(number).await);
        }
        assert_eq!(restored.store.bus().lag(Consumer::Inventory).await.unwrap(), 60);
    });
}

#[test]
fn the_books_are_one_cut_at_the_folded_position() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let mut shop = open_dir(dir.path());
        a_morning(&mut shop).await;
        assert!(!fold_dir(dir.path(), tiny()).unwrap(), "somebody else owns the store");
        shop.folder.fold_once(4).unwrap();
        let folded = Books::open(dir.path()).unwrap();
        let early = folded.read(|books| Ok(books.cut())).unwrap();
        assert!(early.0 < shop.store.depths().journal_end);
        drop(shop);
        assert!(fold_dir(dir.path(), tiny()).unwrap());
        folded
            .read(|books| {
                assert!(books.cut() > early);
                let (mut orders, mut rows, mut decided, mut open) = (Vec::new(), Vec::new(), 0, Vec::new());
                books.orders(&mut |order| orders.push(order.id))?;
                books.stock_rows(&mut |row| rows.push(row))?;
                books.decisions(&mut |_| decided += 1)?;
                books.open_messages(&mut |message, standing| open.push((message.order_id, message.to, standing)))?;
                assert_eq!(orders, (1..=5).map(id).collect::<Vec<_>>());
                assert_eq!((rows.len(), rows[0].free, rows[0].sold, decided), (1, 94, 6, 3));
                let unread = |number| (id(number), Consumer::Inventory, Standing::Unread);
                assert_eq!(open, [unread(4), unread(5)]);
                let mut sums = Vec::new();
                books.movement_sums(None, &mut |product, kind, sum| sums.push((product, kind, sum)))?;
                let of = |kind, sum| (product(1), kind, sum);
                assert_eq!(sums, [of(MovementKind::Deduct, 6), of(MovementKind::Receive, 100)]);
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn threads_of_their_own_take_write_fold_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let running = Store::open_dir(dir.path(), tiny()).unwrap().spawn().unwrap();
    let orders = running.store.orders();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let placing = (1..=200).map(|number| {
            let orders = running.store.orders();
            async move { orders.commit(vec![new_order(number, number % 7 + 1)]).await.remove(0) }
        });
        for result in futures::future::join_all(placing).await {
            result.unwrap();
        }
    });
    let second = Store::open_dir(dir.path(), tiny());
    assert!(matches!(second, Err(Error::Journal(doos_journal::Error::Locked))), "one owner at a time");
    running.stop();
    let refused = runtime.block_on(orders.commit(vec![new_order(900, 1)])).remove(0);
    assert!(matches!(refused, Err(CommitError::Engine(doos_ports::Error::Unavailable { .. }))), "{refused:?}");
    drop(orders);
    let shop = open_dir(dir.path());
    let listed = block_on(shop.store.orders().list(Query { limit: 1_000, ..Query::default() })).unwrap();
    assert_eq!(listed.orders.len(), 200);
}

#[test]
fn a_backup_taken_while_orders_pour_in_is_whole_up_to_its_cut() {
    let (dir, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = Store::open_dir(dir.path(), tiny()).unwrap().spawn().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let place = |number: u64| {
        let orders = running.store.orders();
        async move { orders.commit(vec![new_order(number, number % 7 + 1)]).await.remove(0).unwrap() }
    };
    for round in 0..5_u64 {
        let before = round * 100;
        let copy = copies.path().join(round.to_string());
        std::thread::scope(|scope| {
            let backup = scope.spawn(|| backup(dir.path(), &copy, tiny()).unwrap());
            let placing = (before..before + 100).map(|number| place(number + 1));
            runtime.block_on(futures::future::join_all(placing));
            backup.join().unwrap();
        });
        let restored = open_dir(&copy);
        block_on(async {
            let listed = restored.store.orders().list(Query { limit: 1_000, ..Query::default() }).await.unwrap().orders;
            assert!(listed.len() as u64 >= before, "{} of at least {before}", listed.len());
            assert_eq!(restored.store.bus().lag(Consumer::Inventory).await.unwrap(), listed.len() as u64);
        });
    }
    running.stop();
}
