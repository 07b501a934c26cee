//! How long statistics and search take to fill and to ask, with as many orders as you like:
//!
//!     cargo run --profile fast -p doos-adapter-embedded --example projections -- 1000000

use doos_adapter_embedded::{ProjectionOptions, Projections};
use doos_domain::actor::Cause;
use doos_domain::ids::{AttemptId, Generator, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Outcome, Status};
use doos_domain::pricing::{Line, Quote};
use doos_domain::search::terms;
use doos_domain::statistics::{Calendar, Step};
use doos_domain::stock::Decision;
use doos_domain::time::Timestamp;
use doos_ports::projection::{Projection, Standing};
use doos_ports::search::{Meanings, SearchIndex, SearchQuery};
use doos_ports::statistics::{SeriesQuery, Statistics};
use std::sync::Arc;
use std::time::Instant;

const START_MS: i64 = 1_790_000_000_000;
const GROUP: usize = 1_024;
const CITIES: [&str; 6] =
    ["上海市静安区", "北京市朝阳区", "广州市天河区", "Harbour Street", "Mill Road", "深圳市南山区"];

fn cause(at_ms: i64) -> Cause {
    Cause::system("example", Timestamp::from_millis(at_ms))
}

/// Placed and, but for each eighth, paid, over thirty days.
fn order(number: u64, count: u64, ids: &Generator) -> Vec<Arc<Order>> {
    let at_ms = START_MS + (30 * 86_400_000 / count.max(1) * number).cast_signed();
    let user = UserId::new(number * 7_919 % 100_000 + 1).expect("it is above zero");
    let line = |product: u64| Line {
        product_id: ProductId::new(product % 2_000 + 1).expect("it is above zero"),
        quantity: 1 + (number % 3) as u32,
        unit_price: Money::new(1_999, Currency::Cny),
    };
    let (first, second) = (number * 31, number * 31 + 77);
    let lines = vec![line(first), line(second)];
    let total = lines.iter().map(|line| line.unit_price.amount_minor * i64::from(line.quantity)).sum();
    let quote = Quote { lines, total: Money::new(total, Currency::Cny) };
    let address = format!("{}{}号 {}", CITIES[(number % 6) as usize], number % 3_000, number % 97);
    let id = ids.next(user.bucket(), Timestamp::from_millis(at_ms)).expect("ids are left");
    let placed = Order::place(id, user, quote, Some(address), &cause(at_ms)).order;
    let mut versions = vec![Arc::new(placed)];
    if number.is_multiple_of(8) {
        return versions;
    }
    for step in 0..3 {
        let order = &versions[versions.len() - 1];
        let verdict = match step {
            0 => order.stock_decided(Decision::Deducted, &cause(at_ms + 5)),
            1 => order.pay(None, &cause(at_ms + 60_000)),
            _ => order.payment_captured(&AttemptId::nth(id, 1), order.total, &cause(at_ms + 60_100)),
        };
        let Ok(Outcome::Changed(next)) = verdict else { break };
        versions.push(Arc::new(next.order));
    }
    versions
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}

fn ms(since: Instant) -> f64 {
    (now() - since).as_secs_f64() * 1_000.0
}

async fn fill(projection: &dyn Projection, changes: &[Arc<Order>]) -> f64 {
    let begun = now();
    let standing = projection.standing().await.expect("it stands somewhere");
    let position = standing.token.parse::<usize>().unwrap_or_default() + changes.len();
    projection.apply(changes, Standing { token: position.to_string(), ..standing }).await.expect("it takes a group");
    ms(begun)
}

async fn time<T, F: Future<Output = doos_ports::Result<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let mut took: Vec<f64> = Vec::new();
    let mut last = None;
    for _ in 0..21 {
        let begun = now();
        last = Some(ask().await.expect("it answers"));
        took.push(ms(begun));
    }
    took.sort_by(f64::total_cmp);
    println!("{what:<56} median {:>8.2} ms   worst {:>8.2} ms", took[10], took[20]);
    last.expect("it was asked")
}

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let dir = std::env::args().nth(2).unwrap_or_else(|| "/tmp/doos-projections".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    runtime.block_on(run(count, std::path::Path::new(&dir)));
}

async fn run(count: u64, dir: &std::path::Path) {
    Projections::forget(dir).expect("the directory can be emptied");
    let projections = Projections::open(dir, ProjectionOptions::default()).expect("they open");
    let (mut statistics_ms, mut search_ms, mut changes_len) = (0.0, 0.0, 0_usize);
    let start = Timestamp::from_millis(START_MS);
    let ids = Generator::new(1, start, start.plus_millis(60 * 86_400_000));
    let mut group = Vec::with_capacity(2 * GROUP);
    for number in 0..count {
        group.extend(order(number, count, &ids));
        if group.len() >= GROUP || number + 1 == count {
            statistics_ms += fill(&*projections.statistics, &group).await;
            search_ms += fill(&*projections.search, &group).await;
            changes_len += group.len();
            group.clear();
        }
    }
    println!("{count} orders, {changes_len} changes, groups of {GROUP}");
    for (name, took) in [("statistics", statistics_ms), ("search", search_ms)] {
        let size = std::fs::metadata(dir.join("projections").join(format!("{name}.sqlite"))).map_or(0, |it| it.len());
        println!(
            "{name:<12} {:>9.0} changes/s, {:>5.2} us a change, {:>6.1} MiB, {:>5.1} bytes an order",
            changes_len as f64 / took * 1_000.0,
            took * 1_000.0 / changes_len as f64,
            size as f64 / 1_048_576.0,
            size as f64 / count as f64
        );
    }
    ask(&projections, start).await;
}

async fn ask(projections: &Projections, start: Timestamp) {
    let statistics = &projections.statistics;
    let from = Calendar::minute_of(start);
    let days = |days: i64| from + days * 1_440;
    time("all time and states", || statistics.totals()).await;
    time("sales by day, 30 days", || statistics.series(SeriesQuery { step: Step::Day, from, to: days(31) })).await;
    time("sales by hour, 30 days", || statistics.series(SeriesQuery { step: Step::Hour, from, to: days(31) })).await;
    time("sales by minute, 1 day", || statistics.series(SeriesQuery { step: Step::Minute, from, to: days(1) })).await;
    let day = statistics.calendar().start_of(Step::Day, days(3));
    time("top ten products of a day", || statistics.top_products(day, 10)).await;
    let base = || SearchQuery { limit: 20, ..SearchQuery::default() };
    let text = |typed: &str| {
        let text = Meanings { terms: terms(typed), ..Meanings::default() };
        SearchQuery { text: Some(text), ..base() }
    };
    let middle = start.plus_millis(15 * 86_400_000);
    for (what, query) in [
        ("newest", base()),
        ("words found in a sixth of all: 静安", text("静安")),
        ("words found in a sixth of all: harb (beginning)", text("harb")),
        ("two terms, few hits: 上海市 1266", text("上海市 1266")),
        ("nothing found: zebra", text("zebra")),
        ("a user", SearchQuery { user_id: UserId::new(4_711), ..base() }),
        ("a product", SearchQuery { product_id: ProductId::new(101), ..base() }),
        ("a state that is rare", SearchQuery { statuses: vec![Status::Cancelled], ..base() }),
        ("a state and words", SearchQuery { statuses: vec![Status::Pending], ..text("朝阳") }),
        ("up to a time in the middle", SearchQuery { to: Some(middle), ..base() }),
        ("words up to a time in the middle", SearchQuery { to: Some(middle), ..text("harb") }),
    ] {
        let hits = time(what, || projections.search.search(&query)).await;
        println!("    {} found{}", hits.orders.len(), if hits.next.is_some() { ", more to come" } else { "" });
    }
}
