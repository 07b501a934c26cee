//! What more orders in the store cost: rates, latencies, memory, disk and the time of a start, step by step.
//!
//! What holds: a server beside the run's own, from empty to as many orders as were asked for; at each step everything is
//! measured after the work for all orders before is done, and the start is one after a kill.

use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;

use crate::grpc::Calls;
use crate::load::{Load, Pace, Tally};
use crate::report::{Goal, GrowthStep, Row, memory_of};
use crate::rounds::Rounds;
use crate::session::Session;
use crate::work::{Expected, Reader, requests_of};

const FIRST_STEP: u64 = 10_000;
/// Placed at each step to see how fast that goes.
const MEASURED_ORDERS: u64 = 20_000;
/// Orders of one burst while filling; the work for them is waited for before the next, so that nothing is refused.
const FILL_AT_ONCE: u64 = 200_000;
const STREAMS: usize = 16;
const SECONDS_MAX: f64 = 600.0;
/// Pages are asked for by a few, not by a crowd: what counts is how long one takes.
const PAGE_READERS: usize = 2;
const PAGE_SECONDS: f64 = 1.0;
const PAGE_REQUESTS: u64 = 500;
const START_MS_MAX: f64 = 2_000.0;
const MEMORY_MB_MAX: u64 = 400;
const PAGE_P99_MS_MAX: f64 = 10.0;

pub fn growth(session: &mut Session<'_>) -> Result<()> {
    let Some(mut shop) = session.beside(&[])? else { return Ok(()) };
    let orders = shop.options.orders;
    let mut last = None;
    for least in steps(orders) {
        let filled_per_s = fill(&mut shop, least)?;
        last = Some(step(&mut shop, filled_per_s)?);
    }
    if let Some(Pages { list, search }) = last {
        let count = shop.growth.last().map_or(0, |step| step.orders);
        for (what, tally) in [("newest orders", list), ("filtered search", search)] {
            let mut found = Rounds::default();
            found.add(&tally);
            let row = shop.report("growth", &format!("{what}, {count} in the store"), &found, None);
            row.expect_p99(PAGE_P99_MS_MAX);
        }
        judge(&mut shop);
    }
    session.take(shop)
}

/// 10 thousand, 30 thousand, 100 thousand … and the last.
fn steps(orders: u64) -> Vec<u64> {
    let powers = std::iter::successors(Some(FIRST_STEP), |step| step.checked_mul(10));
    let steps = powers.flat_map(|power| [power, power.saturating_mul(3)]).take_while(|step| *step < orders);
    steps.chain([orders]).collect()
}

/// Start time and memory with all the orders.
fn judge(shop: &mut Session<'_>) {
    let Some(step) = shop.growth.last() else { return };
    let met = step.start_ms < START_MS_MAX && step.memory_mb.unwrap_or_default() <= MEMORY_MB_MAX;
    let words = format!("start < {:.0} s, memory <= {MEMORY_MB_MAX} MB", START_MS_MAX / 1_000.0);
    let memory = step.memory_mb.map_or_else(|| "unknown memory".to_owned(), |memory_mb| format!("{memory_mb} MB"));
    let remarks =
        vec![format!("started in {:.0} ms after a kill, {memory}, {} MB of disk", step.start_ms, step.disk_mb)];
    let what = format!("start and memory, {} in the store", step.orders);
    let (numbers, against) = (Tally::default().numbers(), None);
    let goal = Some(Goal { words, met });
    shop.rows.push(Row { scenario: "growth", what, rounds_per_s: Vec::new(), numbers, against, goal, remarks });
}

/// Fills the store by bulk until it holds so many; the rate of the bursts.
fn fill(shop: &mut Session<'_>, least: u64) -> Result<Option<f64>> {
    let mut filled = Tally::default();
    loop {
        let missing = least.saturating_sub(shop.notes.acknowledged.len() as u64);
        if missing == 0 {
            return Ok((filled.latency.count() > 0).then(|| filled.per_s()));
        }
        shop.progress.say(&format!("growth: {missing} orders to {least}"));
        let calls = Calls {
            target: shop.target,
            token: shop.token().map(str::to_owned),
            at_once: STREAMS,
            threads: shop.options.threads as usize,
            seconds: SECONDS_MAX,
            count_max: Some(missing.min(FILL_AT_ONCE)),
            products: Arc::clone(&shop.products),
            last_user: Arc::clone(&shop.last_user),
            notes_orders: true,
        };
        let (tally, notes) = calls.place_in_bulk()?;
        anyhow::ensure!(tally.latency.count() > 0, "no order of a burst was taken: {:?}", tally.causes);
        let elapsed_ns = filled.elapsed_ns + tally.elapsed_ns;
        filled.merge(&tally);
        filled.elapsed_ns = elapsed_ns;
        shop.notes.merge(notes);
        shop.settle()?;
    }
}

/// The pages of a step, for the report of the last one.
struct Pages {
    list: Tally,
    search: Tally,
}

fn step(shop: &mut Session<'_>, filled_per_s: Option<f64>) -> Result<Pages> {
    let orders = shop.notes.acknowledged.len() as u64;
    let headers = shop.headers();
    let first_product = shop.products.ids()[0];
    // The products' popularity falls with their rank, so the one in the middle has few orders among many others.
    let rare_product = shop.products.ids()[shop.products.ids().len() / 2];
    let users = shop.notes.acknowledged.iter().rev().step_by(orders.div_ceil(PAGE_REQUESTS) as usize);
    let of_users: Vec<String> =
        users.map(|order| format!("/v1/orders?user_id={}&page_size=20", order.user_id)).collect();
    let list = pages(shop, &["/v1/orders?page_size=20".to_owned()], &headers)?;
    let user = pages(shop, &of_users, &headers)?;
    let search = [first_product, rare_product]
        .map(|product| format!("/v1/admin/search?status=confirmed&product_id={product}&page_size=20"));
    let search = pages(shop, &search, &headers)?;

    let buyers = shop.buyers(&shop.products, Expected::Sold);
    let (pace, count_max) = (Pace::Closed, Some(MEASURED_ORDERS));
    let load = Load { pace, count_max, ..shop.load(shop.target, SECONDS_MAX) };
    let placed = shop.place(&load, &buyers)?;
    let p99_ms = |tally: &Tally| tally.latency.percentiles().map(|latency| latency.p99_ms);

    shop.restart()?;
    let own = shop.own.as_ref().context("a server of the run's own")?;
    let step = GrowthStep {
        orders,
        filled_per_s,
        placed_per_s: placed.per_s(),
        place_p99_ms: p99_ms(&placed),
        list_p99_ms: p99_ms(&list),
        user_p99_ms: p99_ms(&user),
        search_p99_ms: p99_ms(&search),
        start_ms: own.start_ms,
        memory_mb: memory_of(own.pid).map(|memory| memory.resident_mb),
        disk_mb: bytes_below(&own.data_dir)? >> 20,
    };
    shop.progress.say(&format!(
        "growth: {orders} orders, {:.0} placed a second, started in {:.0} ms",
        step.placed_per_s, step.start_ms
    ));
    shop.growth.push(step);
    Ok(Pages { list, search })
}

fn pages(shop: &mut Session<'_>, paths: &[String], headers: &str) -> Result<Tally> {
    let requests = requests_of(paths.iter().cloned(), headers);
    let load =
        Load { connections: PAGE_READERS, pace: Pace::Closed, count_max: None, ..shop.load(shop.target, PAGE_SECONDS) };
    shop.run(&load, |connection| Reader::new(Arc::clone(&requests), connection as u64))
}

fn bytes_below(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        // A file may go while we look: the server drops what it has folded.
        let entry = entry?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => bytes += bytes_below(&entry.path())?,
            Ok(found) => bytes += found.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_threefold_and_end_with_what_was_asked_for() {
        assert_eq!(steps(10_000), [10_000]);
        assert_eq!(steps(100_000), [10_000, 30_000, 100_000]);
        assert_eq!(steps(250_000), [10_000, 30_000, 100_000, 250_000]);
    }
}
