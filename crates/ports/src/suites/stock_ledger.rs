//! What every stock ledger must do: locks that exclude, units that are whole, movements in order.

use doos_domain::ids::OrderId;
use doos_domain::message::Consumer;
use doos_domain::stock::{Command, Decision, DecisionRow, MovementKind, StockRow};
use futures::future::join_all;
use futures::join;

use super::scene::{Scene, demand, product, user};
use super::suite;
use crate::Ports;
use crate::inbox::Progress;
use crate::stock_ledger::StockTransaction;

suite!($ stock_ledger stock_ledger_suite {
    a_commit_stores_rows_decisions_movements_progress_and_answer,
    a_transaction_shows_the_locked_rows_that_exist,
    a_dropped_transaction_changes_nothing,
    a_dropped_transaction_gives_its_locks_back,
    a_product_is_locked_for_one_at_a_time,
    a_decision_is_locked_for_one_at_a_time,
    whoever_waited_sees_what_was_committed_meanwhile,
    what_was_deducted_for_an_order_is_locked_with_it,
    changes_of_one_row_at_once_all_count,
    locks_asked_for_crosswise_never_block_each_other,
    a_lock_no_longer_waited_for_is_in_nobody_s_way,
    a_decision_stays_and_learns_that_pieces_went_back,
    all_rows_are_one_snapshot,
    movements_of_a_reference_come_oldest_first,
    movements_on_a_product_come_newest_first,
});

type Locks = Box<dyn StockTransaction>;

fn lock<'a>(scene: &'a Scene, products: &[u64], orders: &[OrderId]) -> impl Future<Output = Locks> + Send + use<'a> {
    let products = products.iter().map(|number| product(*number)).collect();
    let locks = scene.ports.ledger.lock(products, orders.to_vec());
    async { locks.await.expect("rows can be locked") }
}

async fn book(scene: &Scene, locks: Locks, commands: &[Command]) {
    let changes = scene.decide(locks.rows(), locks.decisions(), commands);
    locks.commit(changes, None, None).await.expect("a group of decisions is stored");
}

async fn row(scene: &Scene, number: u64) -> Option<StockRow> {
    scene.ports.ledger.row(product(number)).await.expect("rows can be read")
}

async fn decision(scene: &Scene, order: OrderId) -> Option<DecisionRow> {
    scene.ports.ledger.decision(order).await.expect("decisions can be read")
}

fn order_id(scene: &Scene, number: i64) -> OrderId {
    scene.new_id(user(number.unsigned_abs()), number)
}

fn receive(number: u64, qty: u32, reference: &str) -> Command {
    Command::Receive { reference: reference.to_owned(), product_id: product(number), qty }
}

fn deduct(order_id: OrderId, lines: &[(u64, u32)]) -> Command {
    Command::Deduct { order_id, lines: lines.iter().map(|(number, qty)| demand(*number, *qty)).collect() }
}

pub async fn a_commit_stores_rows_decisions_movements_progress_and_answer(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 10, "delivery-1").await;
    let order = scene.placed(1, 0).await;
    let locks = lock(&scene, &[1], &[order.id]).await;
    let changes = scene.decide(locks.rows(), locks.decisions(), &[deduct(order.id, &[(1, 4)])]);
    let mut progress = Progress::new(Consumer::Inventory);
    progress.wait.push(scene.waiting(&scene.message_to(Consumer::Inventory, &order, 1), 1, 50));
    progress.outgoing.push(scene.outcome_for(&order));
    let answer = scene.answer("operator:amy", "k", "{}");
    locks.commit(changes.clone(), Some(progress), Some(answer.clone())).await.expect("the group is stored");

    assert_eq!(row(&scene, 1).await.as_ref(), Some(&changes.rows[0]));
    assert_eq!(row(&scene, 1).await.map(|row| (row.free, row.sold, row.version)), Some((6, 4, 2)));
    assert_eq!(scene.ports.ledger.rows().await.expect("rows can be read"), changes.rows);
    assert_eq!(decision(&scene, order.id).await.as_ref(), Some(&changes.decisions[0]));
    let movements = scene.ports.ledger.movements_of(&order.id.to_string()).await.expect("movements can be read");
    assert_eq!(movements, changes.movements);
    let waiting = scene.ports.inbox.waiting_of(Consumer::Inventory, order.id).await.expect("the inbox can be read");
    assert_eq!(waiting.len(), 1);
    let found = scene.ports.orders.find_answer(&answer.key).await.expect("answers can be looked up");
    assert_eq!(found, Some(answer));
    assert_eq!(scene.arrivals(Consumer::Order, 1).await[0].message, scene.outcome_for(&order));
}

pub async fn a_transaction_shows_the_locked_rows_that_exist(ports: Ports) {
    let scene = Scene::new(ports);
    for number in [1, 2, 3] {
        scene.receive(number, 5, &format!("delivery-{number}")).await;
    }
    let decided = order_id(&scene, 1);
    let locks = lock(&scene, &[3], &[decided]).await;
    book(&scene, locks, &[deduct(decided, &[(3, 1)])]).await;

    let locks = lock(&scene, &[9, 2, 1], &[order_id(&scene, 2)]).await;
    let mut seen: Vec<u64> = locks.rows().iter().map(|row| row.product_id.get()).collect();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
    assert!(locks.decisions().is_empty());
    drop(locks);
    let locks = lock(&scene, &[3], &[decided]).await;
    assert_eq!(locks.decisions().iter().map(|row| row.decision).collect::<Vec<_>>(), [Decision::Deducted]);
}

pub async fn a_dropped_transaction_changes_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 10, "delivery-1").await;
    let before = row(&scene, 1).await;
    let order = order_id(&scene, 1);
    let locks = lock(&scene, &[1], &[order]).await;
    let decided = scene.decide(locks.rows(), locks.decisions(), &[deduct(order, &[(1, 4)])]);
    drop((locks, decided));
    assert_eq!(row(&scene, 1).await, before);
    assert_eq!(decision(&scene, order).await, None);
    let movements = scene.ports.ledger.movements_of(&order.to_string()).await.expect("movements can be read");
    assert!(movements.is_empty());
}

pub async fn a_dropped_transaction_gives_its_locks_back(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 10, "delivery-1").await;
    let order = order_id(&scene, 1);
    let first = lock(&scene, &[1], &[order]).await;
    let mut second = Box::pin(lock(&scene, &[1], &[order]));
    scene.expect_waiting("the second lock", &mut second).await;
    drop(first);
    let second = scene.ends("the second lock", second).await;
    book(&scene, second, &[deduct(order, &[(1, 1)])]).await;
}

pub async fn a_product_is_locked_for_one_at_a_time(ports: Ports) {
    let scene = Scene::new(ports);
    for number in [1, 2, 3] {
        scene.receive(number, 5, &format!("delivery-{number}")).await;
    }
    let first = lock(&scene, &[1, 2], &[]).await;
    let mut second = Box::pin(lock(&scene, &[2, 3], &[]));
    scene.expect_waiting("a lock on the same product", &mut second).await;
    book(&scene, first, &[receive(2, 1, "delivery-4")]).await;
    drop(scene.ends("the lock on the same product", second).await);
    // A product without a row can be locked as well: somebody is about to make the row.
    let first = lock(&scene, &[8], &[]).await;
    let mut second = Box::pin(lock(&scene, &[8], &[]));
    scene.expect_waiting("a lock on a row to come", &mut second).await;
    book(&scene, first, &[receive(8, 1, "delivery-5")]).await;
    let second = scene.ends("the lock on a row to come", second).await;
    assert_eq!(second.rows().len(), 1);
}

pub async fn a_decision_is_locked_for_one_at_a_time(ports: Ports) {
    let scene = Scene::new(ports);
    let order = order_id(&scene, 1);
    let first = lock(&scene, &[1], &[order]).await;
    let mut second = Box::pin(lock(&scene, &[], &[order]));
    scene.expect_waiting("a lock on the same order", &mut second).await;
    book(&scene, first, &[Command::Release { order_id: order }]).await;
    let second = scene.ends("the lock on the same order", second).await;
    assert_eq!(second.decisions().iter().map(|row| row.decision).collect::<Vec<_>>(), [Decision::Void]);
}

pub async fn whoever_waited_sees_what_was_committed_meanwhile(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 10, "delivery-1").await;
    let (one, other) = (order_id(&scene, 1), order_id(&scene, 2));
    let first = lock(&scene, &[1], &[one]).await;
    let mut second = Box::pin(lock(&scene, &[1], &[other]));
    scene.expect_waiting("the second lock", &mut second).await;
    book(&scene, first, &[deduct(one, &[(1, 7)])]).await;
    let second = scene.ends("the second lock", second).await;
    assert_eq!(second.rows()[0].free, 3);
    book(&scene, second, &[deduct(other, &[(1, 4)])]).await;
    assert_eq!(decision(&scene, other).await.map(|row| row.decision), Some(Decision::Short));
    assert_eq!(row(&scene, 1).await.map(|row| (row.free, row.sold)), Some((3, 7)));
}

pub async fn what_was_deducted_for_an_order_is_locked_with_it(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 10, "delivery-1").await;
    scene.receive(2, 10, "delivery-2").await;
    let order = order_id(&scene, 1);
    let locks = lock(&scene, &[1, 2], &[order]).await;
    book(&scene, locks, &[deduct(order, &[(1, 4), (2, 1)])]).await;

    let locks = lock(&scene, &[], &[order]).await;
    let mut given: Vec<u64> = locks.rows().iter().map(|row| row.product_id.get()).collect();
    given.sort_unstable();
    assert_eq!(given, [1, 2]);
    let mut other = Box::pin(lock(&scene, &[2], &[]));
    scene.expect_waiting("a lock on a product that may come back", &mut other).await;
    book(&scene, locks, &[Command::Release { order_id: order }]).await;
    let other = scene.ends("the lock on a product that came back", other).await;
    assert_eq!(other.rows()[0].free, 10);
}

pub async fn changes_of_one_row_at_once_all_count(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 1, "delivery-0").await;
    let change = |number: u32| {
        let scene = &scene;
        async move {
            let locks = lock(scene, &[1], &[]).await;
            book(scene, locks, &[receive(1, number, &format!("delivery-{number}"))]).await;
        }
    };
    scene.ends("twenty receipts", join_all((1..=20).map(change))).await;
    assert_eq!(row(&scene, 1).await.map(|row| (row.received, row.free, row.version)), Some((211, 211, 21)));
    let movements = scene.ports.ledger.movements_on(product(1), None, 100).await.expect("movements can be read");
    assert_eq!(movements.movements.iter().map(|movement| movement.qty).sum::<i64>(), 211);
}

pub async fn locks_asked_for_crosswise_never_block_each_other(ports: Ports) {
    let scene = Scene::new(ports);
    for number in [1, 2, 3] {
        scene.receive(number, 5, &format!("delivery-{number}")).await;
    }
    let group = |number: usize| {
        let scene = &scene;
        let products = [[1, 2, 3], [3, 2, 1], [2, 3, 1]][number % 3];
        async move {
            let locks = lock(scene, &products, &[]).await;
            let [first, ..] = products;
            book(scene, locks, &[receive(first, 1, &format!("crosswise-{number}"))]).await;
        }
    };
    scene.ends("thirty groups", join_all((0..30).map(group))).await;
    let rows = scene.ports.ledger.rows().await.expect("rows can be read");
    assert_eq!(rows.iter().map(|row| row.received).collect::<Vec<_>>(), [15, 15, 15]);
}

pub async fn a_lock_no_longer_waited_for_is_in_nobody_s_way(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 5, "delivery-1").await;
    let first = lock(&scene, &[1], &[]).await;
    let mut given_up = Box::pin(lock(&scene, &[1], &[]));
    scene.expect_waiting("the second lock", &mut given_up).await;
    drop(given_up);
    drop(first);
    let third = scene.ends("the third lock", lock(&scene, &[1], &[])).await;
    book(&scene, third, &[receive(1, 1, "delivery-2")]).await;
}

pub async fn a_decision_stays_and_learns_that_pieces_went_back(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(1, 10, "delivery-1").await;
    let order = order_id(&scene, 1);
    let commands = [deduct(order, &[(1, 2), (1, 2)]), Command::Release { order_id: order }];
    for (command, given_back) in commands.iter().zip([false, true]) {
        let locks = lock(&scene, &[1], &[order]).await;
        book(&scene, locks, std::slice::from_ref(command)).await;
        let stored = decision(&scene, order).await.expect("it is decided");
        assert_eq!((stored.decision, stored.given_back), (Decision::Deducted, given_back));
        assert_eq!(stored.lines, [demand(1, 2), demand(1, 2)]);
        assert_eq!(stored.at, scene.at(5));
    }
    assert_eq!(decision(&scene, order_id(&scene, 2)).await, None);
}

pub async fn all_rows_are_one_snapshot(ports: Ports) {
    let scene = Scene::new(ports);
    let write = async {
        for number in 0..30 {
            let locks = lock(&scene, &[1, 2], &[]).await;
            let reference = format!("pair-{number}");
            book(&scene, locks, &[receive(1, 3, &reference), receive(2, 3, &reference)]).await;
        }
    };
    let read = async {
        for _ in 0..60 {
            let rows = scene.ports.ledger.rows().await.expect("rows can be read");
            let received: Vec<i64> = rows.iter().map(|row| row.received).collect();
            assert!(received.is_empty() || received == [received[0]; 2], "half of a group: {received:?}");
        }
    };
    join!(write, read);
}

pub async fn movements_of_a_reference_come_oldest_first(ports: Ports) {
    let scene = Scene::new(ports);
    scene.receive(2, 10, "delivery-2").await;
    scene.receive(1, 10, "delivery-1").await;
    let (order, other) = (order_id(&scene, 1), order_id(&scene, 2));
    for commands in
        [vec![deduct(other, &[(1, 1)]), deduct(order, &[(2, 3), (1, 2)])], vec![Command::Release { order_id: order }]]
    {
        let locks = lock(&scene, &[1, 2], &[order, other]).await;
        book(&scene, locks, &commands).await;
    }
    let movements = scene.ports.ledger.movements_of(&order.to_string()).await.expect("movements can be read");
    let seen: Vec<_> =
        movements.iter().map(|movement| (movement.kind, movement.product_id.get(), movement.qty)).collect();
    let (out, back) = (MovementKind::Deduct, MovementKind::Release);
    assert_eq!(seen, [(out, 1, 2), (out, 2, 3), (back, 1, 2), (back, 2, 3)]);
    assert!(movements.iter().all(|movement| movement.actor == "operator:suite" && movement.at == scene.at(5)));
    assert!(scene.ports.ledger.movements_of("nothing").await.expect("movements can be read").is_empty());
}

pub async fn movements_on_a_product_come_newest_first(ports: Ports) {
    let scene = Scene::new(ports);
    for number in 1..=6 {
        scene.receive(1 + u64::from(number % 2), number, &format!("delivery-{number}")).await;
    }
    let page = |before: Option<u64>, limit: usize| {
        let ledger = &scene.ports.ledger;
        async move {
            let page = ledger.movements_on(product(1), before, limit).await.expect("movements can be read");
            (page.movements.iter().map(|movement| movement.qty).collect::<Vec<_>>(), page.next)
        }
    };
    assert_eq!(page(None, 10).await, (vec![6, 4, 2], None));
    let (first, next) = page(None, 2).await;
    assert_eq!(first, [6, 4]);
    assert!(next.is_some(), "there is one more");
    // What is booked meanwhile stands before the first page and moves nothing.
    scene.receive(1, 9, "delivery-9").await;
    assert_eq!(page(next, 2).await, (vec![2], None));
}
