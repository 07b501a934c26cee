//! Three times what can be served: the server keeps working at its best, refuses the rest fast, and is itself again soon.

use anyhow::Result;

use crate::load::{Load, Pace};
use crate::report::{Goal, Row};
use crate::rounds::Rounds;
use crate::session::Session;
use crate::work::{Buyer, Expected};

const TIMES: f64 = 3.0;
/// Of what can be served; what is called normal before and after.
const NORMAL: f64 = 0.3;
const CONNECTIONS_MIN: u64 = 512;
const RECOVERY_S_MAX: u32 = 15;
const RECOVERED_WITHIN_S: u32 = 10;
/// A second is normal again if its p99 is below twice that of before, or below this.
const NORMAL_P99_MS: f64 = 25.0;

pub fn overload(session: &mut Session<'_>) -> Result<()> {
    let buyers = session.buyers(&session.products, Expected::Sold);
    let make = |connection: usize| Buyer::new(buyers.clone(), connection as u64);
    let seconds = session.options.seconds as f64;
    let target = session.target;
    let closed = Load { pace: Pace::Closed, count_max: None, ..session.load(target, seconds) };
    let best_per_s = session.place(&closed, &buyers)?.per_s();
    let normal = |seconds| Load { pace: Pace::Open { rate_per_s: best_per_s * NORMAL }, seconds, ..closed.clone() };
    let before = session.place(&normal(seconds), &buyers)?;
    let before_p99_ms = before.latency.percentiles().map_or(0.0, |latency| latency.p99_ms);
    session.progress.say(&format!(
        "overload: {best_per_s:.0}/s can be served; three times as many for {} s",
        session.options.long_seconds
    ));

    let flood = Load {
        connections: session.options.connections.max(CONNECTIONS_MIN) as usize,
        pace: Pace::Open { rate_per_s: best_per_s * TIMES },
        seconds: session.options.long_seconds as f64,
        ..closed.clone()
    };
    let flooded = session.run(&flood, make)?;
    let recovery_s = recovery(session, &normal(1.0), before_p99_ms, &make)?;
    session.settle()?;

    let mut found = Rounds::default();
    found.add(&flooded);
    let kept = flooded.per_s() / best_per_s;
    let row = session.report("overload", "place, three times too many", &found, None);
    row.goal = Some(Goal { words: "keeps >= 0.80".to_owned(), met: kept >= 0.8 });
    remark(row, best_per_s, kept);
    let normal_again = recovery_s.map_or_else(
        || format!("not normal again within {RECOVERY_S_MAX} s"),
        |seconds| format!("normal again in second {seconds} after it (before: p99 {before_p99_ms:.1} ms)"),
    );
    row.remarks.push(normal_again);
    let recovered = recovery_s.is_some_and(|seconds| seconds <= RECOVERED_WITHIN_S);
    if let Some(goal) = &mut row.goal {
        goal.words = format!("{}, normal in {RECOVERED_WITHIN_S} s", goal.words);
        goal.met &= recovered && row.numbers.shed_without_retry_after == 0;
    }
    Ok(())
}

fn remark(row: &mut Row, best_per_s: f64, kept: f64) {
    let numbers = &row.numbers;
    let sent = numbers.done + numbers.shed + numbers.failed + numbers.unknown;
    let mut words = format!(
        "{:.2} of the best rate ({best_per_s:.0}/s) kept; {:.0}/s sent, {} refused, {} of them without Retry-After",
        kept,
        sent as f64 / numbers.seconds.max(1e-9),
        numbers.shed,
        numbers.shed_without_retry_after
    );
    if let Some(refusal) = numbers.refusal {
        words = format!("{words}; a refusal takes p50 {:.1} ms, p99 {:.1} ms", refusal.p50_ms, refusal.p99_ms);
    }
    row.remarks.push(words);
}

/// The first second after the flood whose latencies are normal; they stay so for the next one too.
fn recovery(
    session: &mut Session<'_>,
    normal: &Load,
    before_p99_ms: f64,
    make: &(impl Fn(usize) -> Buyer + Sync),
) -> Result<Option<u32>> {
    let limit_ms = NORMAL_P99_MS.max(before_p99_ms * 2.0);
    let mut normal_since = None;
    for second in 1..=RECOVERY_S_MAX {
        let tally = session.run(normal, make)?;
        let p99_ms = tally.latency.percentiles().map_or(f64::INFINITY, |latency| latency.p99_ms);
        let is_normal = p99_ms < limit_ms && tally.refusal.count() == 0;
        session.progress.say(&format!("overload: {second} s after, p99 {p99_ms:.1} ms"));
        match (is_normal, normal_since) {
            (true, Some(since)) => return Ok(Some(since)),
            (true, None) => normal_since = Some(second),
            (false, _) => normal_since = None,
        }
    }
    Ok(normal_since)
}
