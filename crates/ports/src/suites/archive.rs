//! What must hold of orders that are put away. How an engine puts them away is its own affair, so it brings that along.

use doos_domain::message::Consumer;
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use std::sync::Arc;

use super::scene::{Scene, user};
use crate::inbox::Progress;
use crate::order_store::{Change, CommitError, OrderStore, Query, Voided};

/// Users whose orders lie in different buckets, and two who share one.
const USERS: [u64; 4] = [2, 3, 1_026, 9];

/// Closed orders of one month are put away, changed, and put away again. `put_away` must put away all that there is, and
/// may settle messages for that.
pub async fn orders_that_are_put_away_are_as_any_others(scene: &Scene, put_away: impl AsyncFn()) {
    let store = &*scene.ports.orders;
    let mut orders = Vec::new();
    for (at, owner) in (0_i64..).zip(USERS.iter().cycle().take(12)) {
        let mut change = scene.new_order(*owner, at * 10);
        change.answer = Some(scene.answer(&format!("customer:{owner}"), &format!("k{at}"), &format!("order {at}")));
        let placed = Arc::clone(&change.order);
        scene.commit(change).await.expect("a new order is taken");
        let cancelled = scene.cancelled(&placed, at * 10 + 1);
        orders.push(Arc::clone(&cancelled.order));
        scene.commit(cancelled).await.expect("a cancel is taken");
    }
    are_all_there(store, &orders, scene.at(100_000)).await;
    put_away().await;
    are_all_there(store, &orders, scene.at(100_000)).await;

    // A key that was answered, and an id that was used, stay so.
    let first = scene.answer("customer:2", "k0", "order 0");
    assert_eq!(store.find_answer(&first.key).await.expect("answers can be looked up").as_ref(), Some(&first));
    let mut repeat = scene.new_order(2, 500);
    repeat.answer = Some(scene.answer("customer:2", "k0", "another order"));
    let told = scene.commit(repeat).await;
    assert!(matches!(&told, Err(CommitError::Answered(stored)) if **stored == first), "{told:?}");
    assert_eq!(store.void(orders[0].id).await.expect("an id can be asked about"), Voided::Order);
    let again = Change { expected_version: 0, ..later(&orders[0]) };
    assert!(matches!(scene.commit(again).await, Err(CommitError::Conflict { expected: 0 })));

    // What comes late is taken, once, by a call or by a consumer's group.
    let stale = Change { expected_version: 1, ..later(&orders[1]) };
    assert!(matches!(scene.commit(stale).await, Err(CommitError::Conflict { expected: 1 })));
    let change = later(&orders[1]);
    orders[1] = Arc::clone(&change.order);
    scene.commit(change.clone()).await.expect("a late change is taken");
    assert!(matches!(scene.commit(change).await, Err(CommitError::Conflict { .. })));
    let group: Vec<Change> = orders[2..6].iter().map(|order| later(order)).collect();
    for change in &group {
        let at = orders.iter().position(|order| order.id == change.order.id).expect("it is one of them");
        orders[at] = Arc::clone(&change.order);
    }
    store.consume(group, Progress::new(Consumer::Order)).await.expect("a late group is taken");
    are_all_there(store, &orders, scene.at(100_000)).await;

    put_away().await;
    are_all_there(store, &orders, scene.at(100_000)).await;
    let fresh = scene.placed(2, 600).await;
    orders.push(fresh);
    are_all_there(store, &orders, scene.at(100_000)).await;
}

/// The next version of an order, which changes nothing that is searched by.
fn later(order: &Order) -> Change {
    let mut next = order.clone();
    next.version += 1;
    next.tracking = Some(format!("late {}", next.version));
    Change {
        expected_version: order.version,
        order: Arc::new(next),
        messages: Vec::new(),
        answer: None,
        gate_epoch: None,
    }
}

async fn are_all_there(store: &dyn OrderStore, orders: &[Arc<Order>], end: Timestamp) {
    let mut newest = orders.to_vec();
    newest.sort_by_key(|order| std::cmp::Reverse(order.id));
    for order in orders {
        assert_eq!(store.load(order.id).await.expect("an order can be read").as_ref(), Some(order));
    }
    assert_eq!(pages(store, Query::default()).await, newest);
    let own: Vec<_> = newest.iter().filter(|order| order.user_id == user(2)).cloned().collect();
    let query = Query { user_id: Some(user(2)), ..Query::default() };
    assert_eq!(pages(store, query.clone()).await, own);
    let is_cancelled = |order: &&Arc<Order>| order.status == Status::Cancelled;
    let cancelled: Vec<_> = newest.iter().filter(is_cancelled).cloned().collect();
    let statuses = vec![Status::Cancelled];
    assert_eq!(pages(store, Query { statuses: statuses.clone(), ..Query::default() }).await, cancelled);
    let own: Vec<_> = own.iter().filter(is_cancelled).cloned().collect();
    assert_eq!(pages(store, Query { statuses: statuses.clone(), ..query }).await, own);
    let mut oldest = store.oldest(&statuses, end, None, 5).await.expect("a sweep");
    let after = oldest.last().map(|order| order.id);
    oldest.extend(store.oldest(&statuses, end, after, 100).await.expect("a sweep"));
    oldest.reverse();
    assert_eq!(oldest, cancelled, "a sweep of them, in two steps");
}

/// All pages of a list, of three orders each.
async fn pages(store: &dyn OrderStore, query: Query) -> Vec<Arc<Order>> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.list(Query { before, limit: 3, ..query.clone() }).await.expect("a page");
        all.extend(page.orders);
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}
