//! What every order store must do when orders are listed and swept.

use doos_domain::ids::OrderId;
use doos_domain::order::{Order, Status};
use std::sync::Arc;

use super::scene::{Scene, user};
use super::suite;
use crate::Ports;
use crate::order_store::Query;

suite!($ order_lists order_lists_suite {
    a_list_is_newest_first_and_pages_without_gaps,
    a_list_of_one_user_shows_nobody_else_s,
    a_list_filters_by_the_present_status,
    filters_hold_across_pages,
    a_list_starts_below_a_bound,
    a_list_shows_the_newest_version_of_each_order_once,
    an_empty_store_lists_nothing,
    a_sweep_is_oldest_first_and_pages_without_gaps,
    a_sweep_leaves_out_what_was_created_later,
    a_sweep_filters_by_the_present_status,
});

/// Thirty orders of three users; every third is confirmed, every fifth cancelled in the end.
async fn thirty_orders(scene: &Scene) -> Vec<Arc<Order>> {
    let mut orders = Vec::new();
    for number in 0..30_i64 {
        let order = scene.placed(1 + number as u64 % 3, number * 10).await;
        let next = match number {
            _ if number % 5 == 0 => scene.cancelled(&order, number * 10 + 5),
            _ if number % 3 == 0 => scene.confirmed(&order, number * 10 + 5),
            _ => {
                orders.push(order);
                continue;
            }
        };
        orders.push(Arc::clone(&next.order));
        scene.commit(next).await.expect("the second version is taken");
    }
    orders
}

async fn list_all(scene: &Scene, mut query: Query) -> Vec<Arc<Order>> {
    let mut listed = Vec::new();
    for _ in 0..100 {
        let page = scene.ports.orders.list(query.clone()).await.expect("orders can be listed");
        assert!(page.orders.len() <= query.limit, "{} on a page of {}", page.orders.len(), query.limit);
        listed.extend(page.orders);
        match page.next {
            None => return listed,
            Some(next) => query.before = Some(next),
        }
    }
    panic!("the pages never end");
}

fn newest_first(orders: &[Arc<Order>], wanted: impl Fn(&Order) -> bool) -> Vec<Arc<Order>> {
    let mut orders: Vec<_> = orders.iter().filter(|order| wanted(order)).cloned().collect();
    orders.sort_by_key(|order| std::cmp::Reverse(order.id));
    orders
}

fn query(limit: usize) -> Query {
    Query { limit, ..Query::default() }
}

pub async fn a_list_is_newest_first_and_pages_without_gaps(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = thirty_orders(&scene).await;
    for limit in [1, 4, 7, 29, 30, 31, 100] {
        assert_eq!(list_all(&scene, query(limit)).await, newest_first(&orders, |_| true), "pages of {limit}");
    }
}

pub async fn a_list_of_one_user_shows_nobody_else_s(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = thirty_orders(&scene).await;
    for number in 1..=3 {
        let listed = list_all(&scene, Query { user_id: Some(user(number)), ..query(4) }).await;
        assert_eq!(listed, newest_first(&orders, |order| order.user_id == user(number)));
    }
    assert!(list_all(&scene, Query { user_id: Some(user(4)), ..query(4) }).await.is_empty());
}

pub async fn a_list_filters_by_the_present_status(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = thirty_orders(&scene).await;
    for statuses in [
        vec![Status::Pending],
        vec![Status::Confirmed],
        vec![Status::Cancelled, Status::Confirmed],
        vec![Status::Delivered],
    ] {
        let listed = list_all(&scene, Query { statuses: statuses.clone(), ..query(3) }).await;
        assert_eq!(listed, newest_first(&orders, |order| statuses.contains(&order.status)), "{statuses:?}");
    }
}

pub async fn filters_hold_across_pages(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = thirty_orders(&scene).await;
    let both = Query { user_id: Some(user(1)), statuses: vec![Status::Confirmed], ..query(1) };
    let expected = newest_first(&orders, |order| order.user_id == user(1) && order.status == Status::Confirmed);
    assert!(expected.len() > 3, "the scene has enough of them");
    assert_eq!(list_all(&scene, both).await, expected);
}

pub async fn a_list_starts_below_a_bound(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = thirty_orders(&scene).await;
    let bound = orders[17].id;
    let listed = list_all(&scene, Query { before: Some(bound), ..query(5) }).await;
    assert_eq!(listed, newest_first(&orders, |order| order.id < bound));
    // The bound need not be an order.
    let between = OrderId::new(bound.get() - 1).expect("there are ids below");
    let listed = list_all(&scene, Query { before: Some(between), ..query(5) }).await;
    assert_eq!(listed, newest_first(&orders, |order| order.id < between));
}

pub async fn a_list_shows_the_newest_version_of_each_order_once(ports: Ports) {
    let scene = Scene::new(ports);
    let first = scene.placed(1, 0).await;
    let second = scene.confirmed(&first, 10);
    let third = scene.cancelled(&second.order, 20);
    for change in [second, third] {
        let newest = Arc::clone(&change.order);
        scene.commit(change).await.expect("the next version is taken");
        assert_eq!(list_all(&scene, query(10)).await, vec![Arc::clone(&newest)]);
        let of_user = Query { user_id: Some(user(1)), ..query(10) };
        assert_eq!(list_all(&scene, of_user).await, vec![newest]);
    }
    let left = Query { statuses: vec![Status::Pending, Status::Confirmed], ..query(10) };
    assert!(list_all(&scene, left).await.is_empty(), "it is listed under a status that it has left");
}

pub async fn an_empty_store_lists_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    assert!(list_all(&scene, query(10)).await.is_empty());
    let swept = scene.ports.orders.oldest(&Status::ALL, scene.at(1_000), None, 10).await;
    assert!(swept.expect("orders can be swept").is_empty());
}

async fn sweep(scene: &Scene, statuses: &[Status], before_ms: i64, limit: usize) -> Vec<Arc<Order>> {
    let mut swept: Vec<Arc<Order>> = Vec::new();
    for _ in 0..100 {
        let after = swept.last().map(|order| order.id);
        let orders = &scene.ports.orders;
        let more = orders.oldest(statuses, scene.at(before_ms), after, limit).await.expect("orders can be swept");
        assert!(more.len() <= limit);
        if more.is_empty() {
            return swept;
        }
        swept.extend(more);
    }
    panic!("the sweep never ends");
}

pub async fn a_sweep_is_oldest_first_and_pages_without_gaps(ports: Ports) {
    let scene = Scene::new(ports);
    let mut orders = thirty_orders(&scene).await;
    orders.sort_by_key(|order| order.id);
    for limit in [1, 4, 30, 100] {
        assert_eq!(sweep(&scene, &Status::ALL, 10_000, limit).await, orders, "pages of {limit}");
    }
}

pub async fn a_sweep_leaves_out_what_was_created_later(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = thirty_orders(&scene).await;
    // The order of that very millisecond was not created before it.
    assert_eq!(sweep(&scene, &Status::ALL, 100, 4).await, orders[..10]);
    assert_eq!(sweep(&scene, &Status::ALL, 101, 4).await, orders[..11]);
    assert!(sweep(&scene, &Status::ALL, 0, 4).await.is_empty());
}

pub async fn a_sweep_filters_by_the_present_status(ports: Ports) {
    let scene = Scene::new(ports);
    let orders = thirty_orders(&scene).await;
    let of = |statuses: &[Status]| -> Vec<Arc<Order>> {
        orders.iter().filter(|order| statuses.contains(&order.status)).cloned().collect()
    };
    for statuses in [&[Status::Pending][..], &[Status::Confirmed], &[Status::Pending, Status::Cancelled]] {
        assert_eq!(sweep(&scene, statuses, 10_000, 3).await, of(statuses), "{statuses:?}");
    }
    assert!(sweep(&scene, &[Status::Paid], 10_000, 3).await.is_empty());
}
