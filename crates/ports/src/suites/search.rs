//! What every search must do: find by each thing known of an order and by all together, newest first, page by page.

use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::money::Money;
use doos_domain::order::{Order, Status};
use doos_domain::pricing::{Line, Quote};
use doos_domain::search::terms;
use std::sync::Arc;

use super::scene::{Scene, change_of, euros, product, user};
use super::{LONG_TOKEN, next_token, suite};
use crate::Ports;
use crate::projection::{Standing, Walk};
use crate::search::{Hits, Meanings, SearchQuery};

suite!($ search search_suite {
    a_new_index_stands_at_the_beginning_and_finds_nothing,
    words_of_an_address_are_found_in_any_case,
    chinese_is_found_without_spaces,
    a_parcel_is_found_by_its_number_once_it_has_one,
    each_condition_narrows_what_is_found,
    any_meaning_of_a_text_is_enough,
    the_newest_version_alone_is_found,
    times_bound_what_is_found,
    pages_hold_everything_once_newest_first,
    the_standing_is_kept_and_a_stale_one_is_refused,
    beginning_anew_forgets_everything,
    it_tells_in_which_version_it_has_an_order,
});

fn placed(scene: &Scene, user_number: u64, millis: i64, address: Option<&str>, products: &[u64]) -> Arc<Order> {
    let line = |number: &u64| Line { product_id: product(*number), quantity: 1, unit_price: euros(100) };
    let lines: Vec<Line> = products.iter().map(line).collect();
    let total = Money::new(100 * i64::try_from(lines.len()).unwrap_or(1), euros(0).currency);
    let owner = user(user_number);
    let id = scene.new_id(owner, millis);
    let quote = Quote { lines, total };
    Arc::new(Order::place(id, owner, quote, address.map(str::to_owned), &scene.cause(millis)).order)
}

async fn put(scene: &Scene, orders: &[Arc<Order>]) {
    let before = scene.ports.search.standing().await.expect("an index knows where it stands");
    let token = next_token(&before.token, orders.len());
    scene.ports.search.apply(orders, Standing { token, ..before }).await.expect("a group is indexed");
}

async fn hits(scene: &Scene, query: &SearchQuery) -> Hits {
    scene.ports.search.search(query).await.expect("an index can be searched")
}

fn anything() -> SearchQuery {
    SearchQuery { limit: 100, ..SearchQuery::default() }
}

fn text(typed: &str) -> SearchQuery {
    SearchQuery { text: Some(Meanings { terms: terms(typed), ..Meanings::default() }), ..anything() }
}

async fn found(scene: &Scene, query: &SearchQuery) -> Vec<OrderId> {
    hits(scene, query).await.orders
}

fn ids(orders: &[&Arc<Order>]) -> Vec<OrderId> {
    orders.iter().map(|order| order.id).collect()
}

pub async fn a_new_index_stands_at_the_beginning_and_finds_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    let Standing { token, walk, .. } = scene.ports.search.standing().await.expect("an index knows where it stands");
    assert_eq!((token.as_str(), walk), ("", Walk::Done));
    assert_eq!(hits(&scene, &anything()).await, Hits::default());
    assert_eq!(hits(&scene, &text("harbour")).await, Hits::default());
}

pub async fn words_of_an_address_are_found_in_any_case(ports: Ports) {
    let scene = Scene::new(ports);
    let harbour = placed(&scene, 1, 0, Some("12b Harbour Street, Århus"), &[1]);
    let hill = placed(&scene, 2, 1, Some("7 Hill-Street \"North\" * OR (x)"), &[1]);
    let nowhere = placed(&scene, 3, 2, None, &[1]);
    put(&scene, &[Arc::clone(&harbour), Arc::clone(&hill), nowhere]).await;
    assert_eq!(found(&scene, &text("street")).await, ids(&[&hill, &harbour]));
    assert_eq!(found(&scene, &text("HARB str")).await, ids(&[&harbour]));
    assert_eq!(found(&scene, &text("århus 12B")).await, ids(&[&harbour]));
    assert_eq!(found(&scene, &text("north* \"or\" (x) NOT")).await, []);
    assert_eq!(found(&scene, &text("north* \"or\" (x)")).await, ids(&[&hill]), "no sign has a meaning of its own");
    assert_eq!(found(&scene, &text("treet")).await, []);
    assert_eq!(found(&scene, &text("!?")).await, [], "a text without words finds nothing");
}

pub async fn chinese_is_found_without_spaces(ports: Ports) {
    let scene = Scene::new(ports);
    let shanghai = placed(&scene, 1, 0, Some("上海市静安区南京西路1266号"), &[1]);
    let beijing = placed(&scene, 2, 1, Some("北京市朝阳区南路 静安里"), &[1]);
    put(&scene, &[Arc::clone(&shanghai), Arc::clone(&beijing)]).await;
    assert_eq!(found(&scene, &text("静安")).await, ids(&[&beijing, &shanghai]));
    assert_eq!(found(&scene, &text("静安区")).await, ids(&[&shanghai]));
    assert_eq!(found(&scene, &text("南京西路")).await, ids(&[&shanghai]));
    assert_eq!(found(&scene, &text("路")).await, ids(&[&beijing, &shanghai]));
    assert_eq!(found(&scene, &text("号")).await, ids(&[&shanghai]), "the last sign of a run");
    assert_eq!(found(&scene, &text("安静")).await, []);
    assert_eq!(found(&scene, &text("北京 静安")).await, ids(&[&beijing]));
    assert_eq!(found(&scene, &text("北京静安")).await, [], "not one run");
    assert_eq!(found(&scene, &text("南京 1266")).await, ids(&[&shanghai]));
}

pub async fn a_parcel_is_found_by_its_number_once_it_has_one(ports: Ports) {
    let scene = Scene::new(ports);
    let order = placed(&scene, 1, 0, Some("1 Way"), &[1]);
    put(&scene, &[Arc::clone(&order)]).await;
    assert_eq!(found(&scene, &text("SF-1029")).await, []);
    let mut shipped = Order::clone(&order);
    shipped.version += 1;
    shipped.tracking = Some("SF-1029".to_owned());
    put(&scene, &[Arc::new(shipped)]).await;
    assert_eq!(found(&scene, &text("sf-1029")).await, [order.id]);
    assert_eq!(found(&scene, &text("way")).await, [order.id], "and by its address as before");
}

pub async fn each_condition_narrows_what_is_found(ports: Ports) {
    let scene = Scene::new(ports);
    let first = placed(&scene, 1, 0, Some("1 Way"), &[1, 2]);
    let second = placed(&scene, 2, 1, Some("2 Way"), &[2]);
    let third = placed(&scene, 1, 2, Some("3 Road"), &[3]);
    let cancelled = change_of(&third, third.cancel(&scene.cause(3))).order;
    put(&scene, &[Arc::clone(&first), Arc::clone(&second), Arc::clone(&third), Arc::clone(&cancelled)]).await;
    let of_user = |number| SearchQuery { user_id: UserId::new(number), ..anything() };
    let of_product = |number| SearchQuery { product_id: ProductId::new(number), ..anything() };
    let in_state = |status| SearchQuery { statuses: vec![status], ..anything() };
    assert_eq!(found(&scene, &of_user(1)).await, ids(&[&third, &first]));
    assert_eq!(found(&scene, &of_product(2)).await, ids(&[&second, &first]));
    assert_eq!(found(&scene, &in_state(Status::Cancelled)).await, ids(&[&third]));
    assert_eq!(found(&scene, &in_state(Status::Pending)).await, ids(&[&second, &first]));
    let either = SearchQuery { statuses: vec![Status::Pending, Status::Cancelled], ..anything() };
    assert_eq!(found(&scene, &either).await, ids(&[&third, &second, &first]));
    let all = SearchQuery { user_id: UserId::new(1), product_id: ProductId::new(2), ..text("way") };
    assert_eq!(found(&scene, &all).await, ids(&[&first]));
    assert_eq!(found(&scene, &SearchQuery { statuses: vec![Status::Cancelled], ..all }).await, []);
    assert_eq!(found(&scene, &SearchQuery { product_id: ProductId::new(3), ..of_user(1) }).await, ids(&[&third]));
}

pub async fn any_meaning_of_a_text_is_enough(ports: Ports) {
    let scene = Scene::new(ports);
    let by_word = placed(&scene, 1, 0, Some("42 Way"), &[1]);
    let by_user = placed(&scene, 42, 1, None, &[1]);
    let by_product = placed(&scene, 3, 2, None, &[7]);
    let by_id = placed(&scene, 4, 3, None, &[1]);
    let other = placed(&scene, 5, 4, Some("Nowhere"), &[1]);
    let all = [&by_word, &by_user, &by_product, &by_id, &other].map(Arc::clone);
    put(&scene, &all).await;
    let meant = Meanings {
        terms: terms("42"),
        order_id: Some(by_id.id),
        user_id: UserId::new(42),
        products: vec![product(7), product(8)],
    };
    let query = SearchQuery { text: Some(meant), ..anything() };
    assert_eq!(found(&scene, &query).await, ids(&[&by_id, &by_product, &by_user, &by_word]));
    let first = hits(&scene, &SearchQuery { limit: 2, ..query.clone() }).await;
    assert_eq!(first.orders, ids(&[&by_id, &by_product]));
    let rest = SearchQuery { before: first.next, limit: 2, ..query };
    assert_eq!(found(&scene, &rest).await, ids(&[&by_user, &by_word]));
}

pub async fn the_newest_version_alone_is_found(ports: Ports) {
    let scene = Scene::new(ports);
    let order = placed(&scene, 1, 0, Some("1 Way"), &[1]);
    let cancelled = change_of(&order, order.cancel(&scene.cause(3))).order;
    put(&scene, &[Arc::clone(&cancelled)]).await;
    put(&scene, &[Arc::clone(&order), Arc::clone(&order)]).await;
    let in_state = |status| SearchQuery { statuses: vec![status], ..anything() };
    assert_eq!(found(&scene, &in_state(Status::Cancelled)).await, [order.id]);
    assert_eq!(found(&scene, &in_state(Status::Pending)).await, []);
    assert_eq!(found(&scene, &anything()).await, [order.id], "once");
}

pub async fn times_bound_what_is_found(ports: Ports) {
    let scene = Scene::new(ports);
    let orders: Vec<Arc<Order>> = (0..5).map(|number| placed(&scene, 1, number * 1_000, Some("Way"), &[1])).collect();
    // Its id was issued by a clock that was an hour ahead of the one that placed it.
    let early = placed(&scene, 2, 3_600_000, Some("Way"), &[1]);
    let early = Arc::new(Order { created_at: scene.at(2_500), ..Order::clone(&early) });
    put(&scene, &orders).await;
    put(&scene, &[Arc::clone(&early)]).await;
    let between = |from, to| SearchQuery { from: Some(scene.at(from)), to: Some(scene.at(to)), ..anything() };
    assert_eq!(found(&scene, &between(1_000, 3_000)).await, ids(&[&early, &orders[2], &orders[1]]));
    assert_eq!(found(&scene, &SearchQuery { from: Some(scene.at(4_000)), ..anything() }).await, ids(&[&orders[4]]));
    assert_eq!(found(&scene, &SearchQuery { to: Some(scene.at(1)), ..text("way") }).await, ids(&[&orders[0]]));
    assert_eq!(found(&scene, &between(i64::MAX, i64::MAX)).await, []);
}

pub async fn pages_hold_everything_once_newest_first(ports: Ports) {
    let scene = Scene::new(ports);
    let orders: Vec<Arc<Order>> =
        (0..25_i64).map(|number| placed(&scene, number.unsigned_abs() % 3 + 1, number, Some("Way"), &[1])).collect();
    put(&scene, &orders).await;
    let of_user = SearchQuery { user_id: UserId::new(1), ..anything() };
    let open = SearchQuery { statuses: Status::ALL.to_vec(), ..anything() };
    for query in [anything(), text("way"), of_user, open] {
        let whole = found(&scene, &query).await;
        assert!(whole.windows(2).all(|pair| pair[0] > pair[1]) && whole.len() >= 8);
        let mut paged = Vec::new();
        let mut before = None;
        for _ in 0..whole.len() {
            let page = hits(&scene, &SearchQuery { before, limit: 4, ..query.clone() }).await;
            assert!(page.orders.len() <= 4);
            paged.extend(page.orders);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!((paged, before), (whole, None));
    }
}

pub async fn the_standing_is_kept_and_a_stale_one_is_refused(ports: Ports) {
    let scene = Scene::new(ports);
    let stale = scene.ports.search.standing().await.expect("an index knows where it stands");
    let order = placed(&scene, 1, 0, Some("1 Way"), &[1]);
    let token = LONG_TOKEN.to_owned();
    let fresh = Standing { epoch: stale.epoch + 1, token, walk: Walk::Below(Some(order.id)) };
    scene.ports.search.begin_anew(fresh.clone()).await.expect("an index can begin anew");
    scene.ports.search.apply(&[Arc::clone(&order)], stale).await.expect_err("somebody has begun anew");
    assert_eq!(found(&scene, &anything()).await, []);
    assert_eq!(scene.ports.search.standing().await.expect("an index knows where it stands"), fresh);
    let later = Standing { token: "10".to_owned(), walk: Walk::Done, ..fresh };
    scene.ports.search.apply(&[order], later.clone()).await.expect("a group is indexed");
    assert_eq!(scene.ports.search.standing().await.expect("an index knows where it stands"), later);
}

pub async fn beginning_anew_forgets_everything(ports: Ports) {
    let scene = Scene::new(ports);
    put(&scene, &[placed(&scene, 1, 0, Some("1 Way"), &[1])]).await;
    let epoch = scene.ports.search.standing().await.expect("an index knows where it stands").epoch + 1;
    let fresh = Standing { epoch, ..Standing::default() };
    scene.ports.search.begin_anew(fresh).await.expect("an index can begin anew");
    assert_eq!(hits(&scene, &anything()).await, Hits::default());
    assert_eq!(hits(&scene, &text("way")).await, Hits::default());
}

pub async fn it_tells_in_which_version_it_has_an_order(ports: Ports) {
    let scene = Scene::new(ports);
    let first = placed(&scene, 1, 0, Some("1 Harbour Street"), &[1]);
    let second = placed(&scene, 2, 1, Some("2 Harbour Street"), &[1]);
    let unknown = placed(&scene, 3, 2, None, &[1]);
    put(&scene, &[Arc::clone(&first), Arc::clone(&second)]).await;
    let cancelled = change_of(&second, second.cancel(&scene.cause(3))).order;
    put(&scene, &[Arc::clone(&cancelled)]).await;
    let asked = ids(&[&second, &unknown, &first]);
    let versions = scene.ports.search.versions(&asked).await.expect("an index tells versions");
    assert_eq!(versions, [Some(cancelled.version), None, Some(first.version)]);
    assert!(scene.ports.search.versions(&[]).await.expect("of nothing, too").is_empty());
    assert_eq!(scene.ports.search.order_count().await.expect("an index can be counted"), 2);
}
