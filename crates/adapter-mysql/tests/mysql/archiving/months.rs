//! What may be put away, and what is read of it afterwards.

use doos_domain::ids::OrderId;
use doos_domain::message::Consumer;
use doos_domain::order::{Order, Status};
use doos_ports::archive::{Fate, MonthReport, Which};
use doos_ports::inbox::Progress;
use doos_ports::order_store::{CommitError, OrderStore, Query, Voided};
use doos_ports::suites::scene::{Scene, user};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::bed::{closed_order, day, ids, month, on_bed};

/// Users of both shards.
const USERS: [u64; 4] = [2, 3, 1_026, 9];

fn fates(reports: &[MonthReport]) -> Vec<(usize, String, Fate)> {
    reports.iter().map(|report| (report.shard, report.month.to_string(), report.fate)).collect()
}

async fn closed_of_all(scene: &Scene, millis: i64) -> Vec<Arc<Order>> {
    let mut orders = Vec::new();
    for user in USERS {
        orders.push(closed_order(scene, user, millis).await);
        orders.push(closed_order(scene, user, millis + 10).await);
    }
    orders
}

/// All pages of a list, of three orders each.
async fn pages(orders: &dyn OrderStore, query: Query) -> Vec<Arc<Order>> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = orders.list(Query { before, limit: 3, ..query.clone() }).await.expect("a page");
        all.extend(page.orders);
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

fn newest_first(orders: &[Arc<Order>]) -> Vec<Arc<Order>> {
    let mut orders = orders.to_vec();
    orders.sort_by_key(|order| std::cmp::Reverse(order.id));
    orders
}

#[test]
fn orders_that_are_put_away_are_as_any_others() {
    on_bed(async |bed| {
        let scene = bed.scene_on(day("2026-09", 10)).await;
        let left = std::sync::Mutex::new(vec!["2026-11", "2026-10"]);
        let put_away = async || {
            bed.settle_mail().await;
            let end = left.lock().unwrap().pop().expect("it is asked for twice");
            let reports = bed.archive_before(end).await;
            assert!(reports.iter().all(|report| report.fate == Fate::Archived), "{reports:?}");
            assert_eq!(bed.places().await[0].len(), 0);
        };
        doos_ports::suites::archive::orders_that_are_put_away_are_as_any_others(&scene, put_away).await;
    });
}

#[test]
fn orders_of_a_month_that_is_put_away_are_read_listed_and_swept_as_before() {
    on_bed(async |bed| {
        let before = bed.node().await;
        let mut orders = closed_of_all(&bed.scene_on(day("2026-09", 10)).await, 0).await;
        let september = ids(&orders);
        orders.extend(closed_of_all(&bed.scene_on(day("2026-10", 10)).await, 0).await);
        let november = bed.scene_on(day("2026-11", 10)).await;
        orders.extend(closed_of_all(&november, 0).await);
        orders.push(november.placed(2, 5_000).await);
        bed.settle_mail().await;

        let reports = bed.archive_before("2026-11").await;
        let expected = [(0, "2026-09"), (0, "2026-10"), (1, "2026-09"), (1, "2026-10")];
        assert_eq!(fates(&reports), expected.map(|(shard, month)| (shard, month.to_owned(), Fate::Archived)));
        assert!(reports.iter().all(|report| (report.orders, report.archived) == (4, 4)), "{reports:?}");
        assert!(reports.iter().all(|report| report.bytes_after * 3 < report.bytes_before * 2), "{reports:?}");
        let [in_use, archived] = bed.places().await;
        assert_eq!((in_use.len(), archived.len()), (9, 16));
        for shard in 0..2 {
            assert_eq!(bed.partitions(shard).await[0], "p202611", "the months are gone");
        }

        for node in [before, bed.node().await] {
            let store = &*node.orders;
            for order in &orders {
                assert_eq!(store.load(order.id).await.unwrap().as_ref(), Some(order));
            }
            assert_eq!(pages(store, Query::default()).await, newest_first(&orders));
            for owner in USERS {
                let own: Vec<_> = orders.iter().filter(|order| order.user_id.get() == owner).cloned().collect();
                let query = Query { user_id: Some(user(owner)), ..Query::default() };
                assert_eq!(pages(store, query.clone()).await, newest_first(&own), "over live and archived months");
                let cancelled = Query { statuses: vec![Status::Cancelled], ..query };
                assert_eq!(pages(store, cancelled).await.len(), 6);
            }
            let cancelled = Query { statuses: vec![Status::Cancelled], ..Query::default() };
            assert_eq!(pages(store, cancelled).await.len(), 24);
            let oldest = store.oldest(&[Status::Cancelled], day("2026-10", 1), None, 100).await.unwrap();
            assert_eq!(
                oldest.iter().map(|order| order.id).collect::<BTreeSet<_>>(),
                september.iter().copied().collect()
            );
            assert_eq!(store.void(september[0]).await.unwrap(), Voided::Order, "it was placed, however long ago");
            assert_eq!(store.messages(september[0]).await.unwrap().len(), 2);
        }

        let books = bed.databases().books();
        let (known, more) = books.ids(None, 100).await.unwrap();
        assert_eq!((known.len(), more), (orders.len(), false));
        let (first, more) = books.ids(None, 5).await.unwrap();
        let mut sorted = ids(&orders);
        sorted.sort();
        assert!(more && first.len() >= 5 && sorted.starts_with(&first), "the audit walks over both: {first:?}");
        let records = books.records(&known).await.unwrap();
        assert!(orders.iter().all(|order| records[&order.id].order.as_ref() == Some(&**order)));

        let archived = bed.databases().archived().await.unwrap();
        let told: Vec<_> = archived.iter().map(|month| (month.shard, month.month.to_string(), month.orders)).collect();
        assert_eq!(told, expected.map(|(shard, month)| (shard, month.to_owned(), 4)));
        assert!(archived.iter().all(|month| month.ended_at.is_some()));
        assert_eq!(bed.archive_before("2026-11").await, [], "once is enough");
    });
}

#[test]
fn a_month_with_one_open_order_is_refused_whole_and_the_others_go() {
    on_bed(async |bed| {
        let september = bed.scene_on(day("2026-09", 10)).await;
        closed_of_all(&september, 0).await;
        let open = september.placed(2, 100).await;
        closed_of_all(&bed.scene_on(day("2026-10", 10)).await, 0).await;
        bed.settle_mail().await;
        let reports = bed.archive_before("2026-11").await;
        let told = fates(&reports);
        assert_eq!(told[0], (0, "2026-09".to_owned(), Fate::Refused));
        assert!(told[1..].iter().all(|(.., fate)| *fate == Fate::Archived), "{told:?}");
        let [obstacle] = &reports[0].obstacles[..] else { panic!("{reports:?}") };
        assert_eq!((obstacle.reason, obstacle.count, obstacle.example), ("pending", 1, Some(open.id)));
        assert_eq!((reports[0].orders, reports[0].archived), (5, 0));
        assert_eq!(bed.places().await[0].len(), 5, "nothing of that month is put away");
        // It ends, and the month goes.
        let closed = september.cancelled(&open, 200);
        september.commit(closed).await.unwrap();
        bed.settle_mail().await;
        assert_eq!(fates(&bed.archive_before("2026-11").await), [(0, "2026-09".to_owned(), Fate::Archived)]);
    });
}

#[test]
fn mail_that_is_not_done_with_keeps_its_month() {
    on_bed(async |bed| {
        let scene = bed.scene_on(day("2026-09", 10)).await;
        let order = closed_order(&scene, 2, 0).await;
        let reasons = async || -> Vec<(&'static str, u64, Option<OrderId>)> {
            let reports = bed.ask(Which::Only(month("2026-09")), true).await;
            let told = reports[0].obstacles.iter();
            told.map(|obstacle| (obstacle.reason, obstacle.count, obstacle.example)).collect()
        };
        assert_eq!(reasons().await, [("message_open", 2, Some(order.id))]);
        bed.settle_mail().await;
        assert_eq!(reasons().await, []);
        let message = scene.message_to(Consumer::Order, &order, 1);
        let mut progress = Progress::new(Consumer::Order);
        progress.wait.push(scene.waiting(&message, 1, 0));
        scene.ports.inbox.store(progress).await.unwrap();
        assert_eq!(reasons().await, [("message_waiting", 1, Some(order.id))]);
        let mut progress = Progress::new(Consumer::Order);
        progress.settled.push(message.id.clone());
        progress.park.push(scene.dead_letter(Consumer::Order, &message, 1, 0));
        scene.ports.inbox.store(progress).await.unwrap();
        assert_eq!(reasons().await, [("dead_letter", 1, Some(order.id))]);
    });
}

#[test]
fn a_month_that_is_not_long_over_is_refused() {
    on_bed(async |bed| {
        closed_order(&bed.scene_on(day("2026-12", 10)).await, 2, 0).await;
        closed_order(&bed.scene_on(day("2026-11", 10)).await, 2, 0).await;
        bed.settle_mail().await;
        let reports = bed.ask(Which::Only(month("2026-12")), false).await;
        assert_eq!(fates(&reports), [0, 1].map(|shard| (shard, "2026-12".to_owned(), Fate::Refused)));
        assert!(reports.iter().all(|report| report.obstacles[0].reason == "month_not_over"), "{reports:?}");
        // Noon of the first day of December is too early for November.
        let early = bed.databases_on(day("2026-12", 1));
        let ask = doos_ports::archive::Ask { which: Which::Only(month("2026-11")), dry_run: true };
        let reports = early.archivist().await.unwrap().run(ask, &super::bed::judge, &|_| {}).await.unwrap();
        assert!(reports.iter().all(|report| report.obstacles[0].reason == "month_not_over"), "{reports:?}");
    });
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    on_bed(async |bed| {
        closed_of_all(&bed.scene_on(day("2026-09", 10)).await, 0).await;
        let october = bed.scene_on(day("2026-10", 10)).await;
        october.placed(3, 0).await;
        bed.settle_mail().await;
        let before = bed.dump().await;
        let dry = bed.ask(Which::Before(month("2026-11")), true).await;
        assert_eq!(bed.dump().await, before);
        assert_eq!(bed.databases().archived().await.unwrap(), []);
        let wet = bed.archive_before("2026-11").await;
        let facts = |reports: &[MonthReport]| -> Vec<_> {
            reports.iter().map(|month| (month.shard, month.month, month.orders, month.obstacles.clone())).collect()
        };
        assert_eq!(facts(&dry), facts(&wet));
        let same = |fate| if fate == Fate::Archivable { Fate::Archived } else { fate };
        let dry: Vec<Fate> = dry.iter().map(|month| same(month.fate)).collect();
        assert_eq!(dry, wet.iter().map(|month| month.fate).collect::<Vec<_>>());
    });
}

#[test]
fn a_delivered_order_keeps_its_month_until_it_cannot_be_returned() {
    on_bed(async |bed| {
        let scene = bed.scene_on(day("2026-10", 10)).await;
        let placed = scene.placed(2, 0).await;
        let mut delivered = (*placed).clone();
        delivered.version = 2;
        delivered.status = Status::Delivered;
        let mut entry = placed.history[0].clone();
        (entry.from, entry.to, entry.version, entry.at) =
            (Some(Status::Shipped), Status::Delivered, 2, day("2026-11", 16));
        delivered.history.push(entry);
        delivered.updated_at = day("2026-11", 16);
        let change = doos_ports::order_store::Change {
            expected_version: 1,
            order: Arc::new(delivered),
            messages: Vec::new(),
            answer: None,
            gate_epoch: None,
        };
        scene.commit(change).await.unwrap();
        bed.settle_mail().await;
        let asked = async |on| {
            let judge = move |order: &Order| order.still_open(super::bed::RETURN_WINDOW_MS, on).map(|open| open.name());
            let ask = doos_ports::archive::Ask { which: Which::Only(month("2026-10")), dry_run: false };
            bed.databases_on(on).archivist().await.unwrap().run(ask, &judge, &|_| {}).await.unwrap().remove(0)
        };
        let refused = asked(day("2026-12", 15)).await;
        assert_eq!((refused.fate, refused.obstacles[0].reason), (Fate::Refused, "returnable"));
        assert_eq!(asked(day("2026-12", 16)).await.fate, Fate::Archived, "thirty days later to the hour");
    });
}

#[test]
fn a_repeat_under_an_old_key_gets_its_order_and_an_old_id_takes_no_other() {
    on_bed(async |bed| {
        let scene = bed.scene_on(day("2026-09", 10)).await;
        let mut change = scene.new_order(2, 0);
        change.answer = Some(scene.answer("customer:2", "k", "your order"));
        let (order, answer) = (Arc::clone(&change.order), change.answer.clone().unwrap());
        let again = change.clone();
        scene.commit(change).await.unwrap();
        scene.commit(scene.cancelled(&order, 1)).await.unwrap();
        bed.settle_mail().await;
        assert_eq!(bed.archive_before("2026-10").await[0].fate, Fate::Archived);

        let node = bed.node().await;
        assert_eq!(node.orders.find_answer(&answer.key).await.unwrap().as_ref(), Some(&answer));
        let december = bed.scene_on(day("2026-12", 10)).await;
        let mut repeat = december.new_order(2, 0);
        repeat.answer = Some(december.answer("customer:2", "k", "another order"));
        let told = node.orders.commit(vec![repeat]).await.remove(0);
        assert!(matches!(&told, Err(CommitError::Answered(first)) if **first == answer), "{told:?}");
        // The same id, with no key or a new one, alone or beside others.
        let mut unanswered = again.clone();
        unanswered.answer = None;
        for group in [vec![unanswered.clone()], vec![december.new_order(2, 5), unanswered]] {
            let told = node.orders.commit(group).await.pop().unwrap();
            assert!(matches!(told, Err(CommitError::Conflict { expected: 0 })), "{told:?}");
        }
        assert_eq!(bed.places().await.map(|place| place.len()), [1, 1]);
    });
}

#[test]
fn a_change_that_comes_late_is_taken_and_brings_its_order_back() {
    on_bed(async |bed| {
        let scene = bed.scene_on(day("2026-09", 10)).await;
        let orders = closed_of_all(&scene, 0).await;
        bed.settle_mail().await;
        bed.archive_before("2026-10").await;
        let node = bed.node().await;
        let next_of = |order: &Order| {
            let mut next = order.clone();
            next.version += 1;
            next.tracking = Some("late".to_owned());
            doos_ports::order_store::Change {
                expected_version: order.version,
                order: Arc::new(next),
                messages: vec![scene.message_to(Consumer::Payment, order, 9)],
                answer: None,
                gate_epoch: None,
            }
        };
        // A stale one loses, as it would have before.
        let mut stale = next_of(&orders[0]);
        stale.expected_version = 1;
        let told = node.orders.commit(vec![stale]).await.remove(0);
        assert!(matches!(told, Err(CommitError::Conflict { expected: 1 })), "{told:?}");
        assert_eq!(bed.places().await[0].len(), 0);

        let change = next_of(&orders[0]);
        let changed = Arc::clone(&change.order);
        let twice = change.clone();
        node.orders.commit(vec![change]).await.remove(0).expect("a late change is taken");
        let told = node.orders.commit(vec![twice]).await.remove(0);
        assert!(matches!(told, Err(CommitError::Conflict { .. })), "once: {told:?}");
        // By the order context as a consumer, over both shards.
        let group: Vec<_> = orders[1..4].iter().map(|order| next_of(order)).collect();
        let consumed: Vec<_> = group.iter().map(|change| Arc::clone(&change.order)).collect();
        node.orders.consume(group, Progress::new(Consumer::Order)).await.expect("a late group is taken");

        let [in_use, archived] = bed.places().await;
        assert_eq!((in_use.len(), archived.len()), (4, 4));
        assert_eq!(node.orders.load(changed.id).await.unwrap(), Some(changed));
        for order in consumed {
            assert_eq!(node.orders.load(order.id).await.unwrap(), Some(order));
        }
        assert_eq!(pages(&*node.orders, Query::default()).await.len(), 8);
        // It lies among the orders of the next month now, and goes with them.
        bed.settle_mail().await;
        let reports = bed.archive_before("2026-11").await;
        assert_eq!(reports.iter().map(|report| report.archived).sum::<u64>(), 4, "{reports:?}");
        assert_eq!(bed.places().await.map(|place| place.len()), [0, 8]);
    });
}
