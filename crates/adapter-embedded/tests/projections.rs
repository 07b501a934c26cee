//! Statistics and search under whatever may happen to them: random lives of orders fed in random groups, repeated, out
//! of order and across restarts, against a count from nothing; writes that fail half way; files that are damaged.
#![cfg(test)]

use doos_adapter_embedded::{ProjectionOptions, Projections};
use doos_domain::actor::{Actor, Cause};
use doos_domain::ids::{AttemptId, Generator, OrderId, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Outcome, Status, Verdict};
use doos_domain::pricing::{Line, Quote};
use doos_domain::search::{is_found, terms, text_of};
use doos_domain::statistics::{Calendar, Contribution, Figures, ProductFigures, Step, Tally};
use doos_domain::stock::Decision;
use doos_domain::time::Timestamp;
use doos_ports::projection::{Projection, Standing, Walk};
use doos_ports::search::{Meanings, SearchIndex, SearchQuery};
use doos_ports::statistics::{SeriesQuery, Statistics};
use futures::FutureExt;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

const START_MS: i64 = 1_790_000_000_000;
const MINUTE_MS: i64 = 60_000;
const ADDRESSES: [&str; 5] = ["上海市静安区南京西路", "12 Harbour Street", "北京市朝阳区", "Harbour 7 静安里", ""];

/// Nothing here ever waits for anybody.
fn block_on<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().expect("a projection answers at once")
}

// --- Lives

/// How an order lives: who, where, what, and which of all moves are tried, each some minutes after the one before.
#[derive(Clone, Debug)]
struct Plan {
    user: u64,
    minute: i64,
    address: usize,
    currency: usize,
    lines: Vec<(u64, u32, i64)>,
    moves: Vec<(u8, i64)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let lines = proptest::collection::vec((1..4_u64, 1..4_u32, 1..500_i64), 1..4);
    let moves = proptest::collection::vec((0..10_u8, 0..700_i64), 0..9);
    (1..5_u64, 0..6_000_i64, 0..ADDRESSES.len(), 0..2_usize, lines, moves).prop_map(
        |(user, minute, address, currency, mut lines, moves)| {
            lines.sort_unstable();
            lines.dedup_by_key(|line| line.0);
            Plan { user, minute, address, currency, lines, moves }
        },
    )
}

fn cause(minute: i64) -> Cause {
    Cause::new(Timestamp::from_millis(START_MS + minute * MINUTE_MS), Actor::Operator("amy".to_owned()))
}

/// Every version of the order that lives so.
fn live(plan: &Plan, ids: &Generator) -> Vec<Arc<Order>> {
    let user = UserId::new(plan.user).unwrap();
    let id = ids.next(user.bucket(), Timestamp::from_millis(START_MS + plan.minute * MINUTE_MS)).unwrap();
    let currency = [Currency::Cny, Currency::Jpy][plan.currency];
    let line = |(product, quantity, price): &(u64, u32, i64)| Line {
        product_id: ProductId::new(*product).unwrap(),
        quantity: *quantity,
        unit_price: Money::new(*price, currency),
    };
    let lines: Vec<Line> = plan.lines.iter().map(line).collect();
    let total = lines.iter().map(|line| line.unit_price.amount_minor * i64::from(line.quantity)).sum();
    let quote = Quote { lines, total: Money::new(total, currency) };
    let address = Some(ADDRESSES[plan.address].to_owned()).filter(|address| !address.is_empty());
    let mut minute = plan.minute;
    let mut versions = vec![Arc::new(Order::place(id, user, quote, address, &cause(minute)).order)];
    for (number, after) in &plan.moves {
        minute += after;
        let order = &versions[versions.len() - 1];
        if let Some(next) = moved(order, *number, &cause(minute)) {
            versions.push(Arc::new(next));
        }
    }
    versions
}

fn moved(order: &Order, number: u8, cause: &Cause) -> Option<Order> {
    let attempt = AttemptId::nth(order.id, 1);
    let verdict: Verdict = match number {
        0..=2 => order.stock_decided(Decision::Deducted, cause),
        3 => order.pay(None, cause),
        4 | 5 => order
            .money
            .open_attempt()
            .map_or(Ok(Outcome::Unchanged), |_| order.payment_captured(&attempt, order.total, cause)),
        6 => order.ship("SF-1029", "shipped", cause),
        7 => order.deliver(cause),
        8 => order.cancel(cause),
        _ => order.take_back(i64::MAX, cause),
    };
    match verdict {
        Ok(Outcome::Changed(step)) => Some(step.order),
        Ok(Outcome::Unchanged) | Err(_) => None,
    }
}

// --- Feeding

/// How the changes come: in groups of such sizes, some twice, with a restart after some.
#[derive(Clone, Debug)]
struct Feeding {
    groups: Vec<(usize, bool, bool)>,
    swaps: Vec<(prop::sample::Index, prop::sample::Index)>,
}

fn feeding() -> impl Strategy<Value = Feeding> {
    let group = (1..9_usize, any::<bool>(), prop::bool::weighted(0.2));
    let swap = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (proptest::collection::vec(group, 1..20), proptest::collection::vec(swap, 0..10))
        .prop_map(|(groups, swaps)| Feeding { groups, swaps })
}

fn options() -> ProjectionOptions {
    // Nothing is old here, and the days are those of a shop in China.
    ProjectionOptions { utc_offset_minutes: 480, ..ProjectionOptions::default() }
}

fn open(dir: &Path) -> Projections {
    Projections::open(dir, options()).unwrap()
}

fn apply(projection: &dyn Projection, orders: &[Arc<Order>]) -> doos_ports::Result<()> {
    let standing = block_on(projection.standing())?;
    let token = (place(&standing) + orders.len()).to_string();
    block_on(projection.apply(orders, Standing { token, ..standing }))
}

/// Counted in changes.
fn place(standing: &Standing) -> usize {
    if standing.token.is_empty() { 0 } else { standing.token.parse().unwrap() }
}

fn feed(dir: &Path, changes: &[Arc<Order>], feeding: &Feeding) -> Projections {
    let mut changes = changes.to_vec();
    for (one, other) in &feeding.swaps {
        let (one, other) = (one.index(changes.len()), other.index(changes.len()));
        changes.swap(one, other);
    }
    let mut projections = open(dir);
    let mut rest = changes.as_slice();
    for (size, twice, restarts) in feeding.groups.iter().cycle() {
        let (group, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        for _ in 0..=u8::from(*twice) {
            apply(&*projections.statistics, group).unwrap();
            apply(&*projections.search, group).unwrap();
        }
        if *restarts {
            drop(projections);
            projections = open(dir);
        }
        if rest.is_empty() {
            break;
        }
    }
    projections
}

fn newest(changes: &[Arc<Order>]) -> BTreeMap<OrderId, Arc<Order>> {
    let mut newest: BTreeMap<OrderId, Arc<Order>> = BTreeMap::new();
    for change in changes {
        let slot = newest.entry(change.id).or_insert_with(|| Arc::clone(change));
        if slot.version < change.version {
            *slot = Arc::clone(change);
        }
    }
    newest
}

// --- Counting from nothing

fn check_statistics(projections: &Projections, orders: &BTreeMap<OrderId, Arc<Order>>) {
    let statistics = &projections.statistics;
    let mut tally = Tally::new(Calendar::try_new(480).unwrap());
    for order in orders.values() {
        tally.add(&Contribution::of(order));
    }
    for step in Step::ALL {
        let query = SeriesQuery { step, from: i64::MIN, to: i64::MAX };
        let stored = block_on(statistics.series(query)).unwrap();
        let stored: BTreeMap<_, Figures> = stored.into_iter().map(|it| ((it.currency, it.start), it.figures)).collect();
        let counted = tally.series.iter().filter(|(key, figures)| key.step == Some(step) && !figures.is_zero());
        let counted: BTreeMap<_, Figures> = counted.map(|(key, it)| ((key.currency, key.start), *it)).collect();
        assert_eq!(stored, counted, "{step:?}");
    }
    let totals = block_on(statistics.totals()).unwrap();
    for status in Status::ALL {
        let count = orders.values().filter(|order| order.status == status).count() as i64;
        assert_eq!(totals.states.get(&status).copied().unwrap_or(0), count, "{status}");
    }
    let days: BTreeSet<i64> = tally.products.keys().map(|key| key.day).collect();
    for day in days {
        let top = block_on(statistics.top_products(day, 100)).unwrap();
        let stored: BTreeMap<_, ProductFigures> =
            top.iter().map(|it| ((it.product_id, it.currency), it.figures)).collect();
        let counted = tally.products.iter();
        let counted: BTreeMap<_, ProductFigures> = counted
            .filter(|(key, figures)| key.day == day && **figures != ProductFigures::default())
            .map(|(key, figures)| ((key.product_id, key.currency), *figures))
            .collect();
        assert_eq!(stored, counted, "day {day}");
        assert!(top.windows(2).all(|pair| pair[0].figures.units >= pair[1].figures.units));
    }
}

fn check_search(projections: &Projections, orders: &BTreeMap<OrderId, Arc<Order>>) {
    for typed in ["静安", "harb", "street 12", "sf-1029", "京", "市 harbour", "nothing"] {
        let wanted = terms(typed);
        let text = Some(Meanings { terms: wanted.clone(), ..Meanings::default() });
        for status in [None, Some(Status::Cancelled), Some(Status::Shipped)] {
            let query = SearchQuery {
                text: text.clone(),
                statuses: status.into_iter().collect(),
                limit: 3,
                ..SearchQuery::default()
            };
            let fits = |order: &&Arc<Order>| {
                is_found(&wanted, &text_of(order)) && status.is_none_or(|status| order.status == status)
            };
            let counted: Vec<OrderId> = orders.values().rev().filter(fits).map(|order| order.id).collect();
            assert_eq!(all_pages(projections, query), counted, "{typed} {status:?}");
        }
    }
    for product in 1..4 {
        let product_id = ProductId::new(product);
        let has = |order: &&Arc<Order>| order.lines.iter().any(|line| Some(line.product_id) == product_id);
        let counted: Vec<OrderId> = orders.values().rev().filter(has).map(|order| order.id).collect();
        let query = SearchQuery { product_id, limit: 2, ..SearchQuery::default() };
        assert_eq!(all_pages(projections, query), counted, "product {product}");
    }
}

fn all_pages(projections: &Projections, mut query: SearchQuery) -> Vec<OrderId> {
    let mut found = Vec::new();
    loop {
        let hits = block_on(projections.search.search(&query)).unwrap();
        found.extend(hits.orders);
        query.before = hits.next;
        if query.before.is_none() {
            return found;
        }
    }
}

fn lives(plans: &[Plan]) -> Vec<Arc<Order>> {
    let start = Timestamp::from_millis(START_MS);
    let ids = Generator::new(1, start, start.plus_millis(400 * 86_400_000));
    plans.iter().flat_map(|plan| live(plan, &ids)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_lives_fed_in_any_way_come_to_what_a_count_from_nothing_gives(
        plans in proptest::collection::vec(plan(), 1..25),
        feeding in feeding(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let changes = lives(&plans);
        let projections = feed(dir.path(), &changes, &feeding);
        let orders = newest(&changes);
        check_statistics(&projections, &orders);
        check_search(&projections, &orders);
    }
}

// --- Failing half way

fn some_plans() -> Vec<Plan> {
    let moves = [(0, 1), (3, 1), (4, 1), (6, 600), (8, 60)];
    let plan = |number: usize| Plan {
        user: number as u64 % 4 + 1,
        minute: number as i64 * 7,
        address: number % ADDRESSES.len(),
        currency: number % 2,
        lines: vec![(number as u64 % 3 + 1, 2, 100)],
        moves: moves[..number % (moves.len() + 1)].to_vec(),
    };
    (0..60).map(plan).collect()
}

fn file(dir: &Path, name: &str) -> std::path::PathBuf {
    dir.join("projections").join(format!("{name}.sqlite"))
}

#[test]
fn rows_and_standing_are_written_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let changes = lives(&some_plans());
    let projections = open(dir.path());
    let (first, second) = changes.split_at(changes.len() / 2);
    let both: [(&str, &dyn Projection); 2] =
        [("statistics", &*projections.statistics), ("search", &*projections.search)];
    for (name, projection) in both {
        apply(projection, first).unwrap();
        let before = block_on(projection.standing()).unwrap();
        // The place is written last; from now on that fails, with all rows already in the transaction.
        let beside = rusqlite::Connection::open(file(dir.path(), name)).unwrap();
        beside
            .execute_batch(
                "CREATE TRIGGER refused BEFORE INSERT ON place
                 BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
            )
            .unwrap();
        apply(projection, second).unwrap_err();
        assert_eq!(block_on(projection.standing()).unwrap(), before);
    }
    check_statistics(&projections, &newest(first));
    check_search(&projections, &newest(first));
    for (name, projection) in both {
        let beside = rusqlite::Connection::open(file(dir.path(), name)).unwrap();
        beside.execute_batch("DROP TRIGGER refused").unwrap();
        apply(projection, second).unwrap();
    }
    check_statistics(&projections, &newest(&changes));
    check_search(&projections, &newest(&changes));
}

#[test]
fn standing_and_walk_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let changes = lives(&some_plans());
    let epoch = block_on(open(dir.path()).search.standing()).unwrap().epoch + 4;
    let begun = Standing { epoch, token: "90".to_owned(), walk: Walk::Below(None) };
    let walking = Standing { walk: Walk::Below(Some(changes[5].id)), ..begun.clone() };
    for standing in [walking, Standing { token: "95-1_4".to_owned(), walk: Walk::Done, ..begun.clone() }] {
        let projections = open(dir.path());
        for projection in [&*projections.statistics as &dyn Projection, &*projections.search] {
            block_on(projection.begin_anew(begun.clone())).unwrap();
            block_on(projection.apply(&changes, standing.clone())).unwrap();
        }
        drop(projections);
        let again = open(dir.path());
        assert_eq!(block_on(again.statistics.standing()).unwrap(), standing);
        assert_eq!(block_on(again.search.standing()).unwrap(), standing);
    }
}

#[test]
fn a_file_of_the_time_when_places_were_numbers_is_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let changes = lives(&some_plans());
    let (first, second) = changes.split_at(changes.len() / 2);
    let projections = open(dir.path());
    feed_until_level(&*projections.statistics, first);
    feed_until_level(&*projections.search, first);
    drop(projections);
    for name in ["statistics", "search"] {
        let beside = rusqlite::Connection::open(file(dir.path(), name)).unwrap();
        let number = "INSERT INTO meta (name, value) SELECT 'position', CAST(token AS INTEGER) FROM place";
        beside.execute_batch(&format!("{number}; DROP TABLE place;")).unwrap();
    }
    let again = open(dir.path());
    for projection in [&*again.statistics as &dyn Projection, &*again.search] {
        let standing = block_on(projection.standing()).unwrap();
        assert_eq!((place(&standing), standing.epoch), (first.len(), 1), "nothing is thrown away");
        apply(projection, second).unwrap();
    }
    check_statistics(&again, &newest(&changes));
    check_search(&again, &newest(&changes));
}

/// Feeds what is missing, as whoever drives a projection does: from the beginning if it has lost its place.
fn feed_until_level(projection: &dyn Projection, changes: &[Arc<Order>]) {
    for _ in 0..5 {
        let Ok(standing) = block_on(projection.standing()) else { continue };
        let missing = &changes[place(&standing)..];
        if apply(projection, missing).is_ok() {
            return;
        }
    }
    panic!("it never came level");
}

#[test]
fn a_damaged_or_missing_file_is_made_and_filled_again() {
    let changes = lives(&some_plans());
    let (first, _) = changes.split_at(changes.len() / 2);
    for damage in 0..6_usize {
        let dir = tempfile::tempdir().unwrap();
        let projections = open(dir.path());
        apply(&*projections.statistics, first).unwrap();
        apply(&*projections.search, first).unwrap();
        drop(projections);
        for name in ["statistics", "search"] {
            let path = file(dir.path(), name);
            let mut bytes = std::fs::read(&path).unwrap();
            let page = 4_096;
            match damage {
                0 => std::fs::remove_file(&path).unwrap(),
                1 => std::fs::write(&path, b"this is no database").unwrap(),
                2 => std::fs::write(&path, &bytes[..page + 100]).unwrap(),
                3 => std::fs::write(&path, b"").unwrap(),
                4 => {
                    bytes[page..].fill(0);
                    std::fs::write(&path, bytes).unwrap();
                }
                _ => {
                    // Everything but the schema and the standing.
                    bytes[2 * page..].fill(0xa5);
                    std::fs::write(&path, bytes).unwrap();
                }
            }
        }
        let projections = open(dir.path());
        feed_until_level(&*projections.statistics, &changes);
        feed_until_level(&*projections.search, &changes);
        check_statistics(&projections, &newest(&changes));
        check_search(&projections, &newest(&changes));
    }
}

#[test]
fn other_days_are_counted_anew() {
    let dir = tempfile::tempdir().unwrap();
    let changes = lives(&some_plans());
    apply(&*open(dir.path()).statistics, &changes).unwrap();
    let kept = block_on(open(dir.path()).statistics.standing()).unwrap();
    assert_eq!(place(&kept), changes.len());
    let utc = Projections::open(dir.path(), ProjectionOptions::default()).unwrap();
    assert_eq!(place(&block_on(utc.statistics.standing()).unwrap()), 0);
    assert!(ProjectionOptions { utc_offset_minutes: 2_000, ..options() }.calendar().is_err());
}

#[test]
fn a_search_that_looks_at_its_share_gives_a_short_page_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let changes = lives(&some_plans());
    let short = ProjectionOptions { search_scan_max: 4, ..options() };
    let projections = Projections::open(dir.path(), short).unwrap();
    apply(&*projections.search, &changes).unwrap();
    let query =
        SearchQuery { user_id: UserId::new(1), product_id: ProductId::new(2), limit: 10, ..SearchQuery::default() };
    let first = block_on(projections.search.search(&query)).unwrap();
    assert!(first.orders.len() < 4 && first.next.is_some());
    check_search(&projections, &newest(&changes));
    let of_both =
        |order: &&Arc<Order>| order.user_id.get() == 1 && order.lines.iter().any(|line| line.product_id.get() == 2);
    let orders = newest(&changes);
    let counted: Vec<OrderId> = orders.values().rev().filter(of_both).map(|order| order.id).collect();
    assert!(counted.len() > 3);
    assert_eq!(all_pages(&projections, query), counted);
}
