//! From the first call until the order is confirmed: how many a second for as long as one likes, and how long one takes.

use anyhow::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::full::place_on_bare;
use crate::api::Api;
use crate::backlog::Backlog;
use crate::clock::Clock;
use crate::latency::Latencies;
use crate::load::{Load, Pace, Tally, Valve, Work};
use crate::report::{Goal, Row};
use crate::rounds::Rounds;
use crate::sampler::Sampler;
use crate::session::Session;
use crate::work::{Buyer, Buyers, Expected};

/// Orders that may be under way; beyond it nothing is placed until they are fewer.
const BACKLOG_MAX: f64 = 10_000.0;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const WATCHERS: usize = 2;
/// Between two looks at a sampled order.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(1);

pub fn life(session: &mut Session<'_>) -> Result<()> {
    let per_s = sustained(session)?;
    until_confirmed(session, per_s / 2.0)
}

/// Places for the long seconds with a bounded backlog, then waits until the last order is confirmed and every read model
/// is level. All of that time counts.
fn sustained(session: &mut Session<'_>) -> Result<f64> {
    let buyers = session.buyers(&session.products, Expected::Sold);
    let seconds = session.options.long_seconds as f64;
    session.progress.say(&format!("life: {seconds:.0} s with a flat backlog"));
    let run = flat(session, seconds, |connection| Buyer::new(buyers.clone(), connection as u64), Session::settle)?;
    let mut found = Rounds::default();
    found.add(&run.tally);
    let bare = bare_rate(session)?;
    let against = bare.as_ref().map(|bare| ("bare axum POST", bare));
    let row = session.report("life", "place until confirmed, sustained", &found, against);
    row.expect_ratio(0.25);
    row.remarks.push(run.remark());
    Ok(found.median_per_s())
}

/// Bare axum next to a long run, which has one round only.
pub fn bare_rate(session: &mut Session<'_>) -> Result<Option<Rounds>> {
    let Some(address) = session.bare()? else { return Ok(None) };
    let mut bare = Rounds::default();
    bare.add(&place_on_bare(address)(session, session.options.seconds as f64)?);
    Ok(Some(bare))
}

/// A load with a flat backlog, and how it ended.
pub struct Flat {
    pub tally: Tally,
    deepest: Backlog,
    drained_s: f64,
}

impl Flat {
    pub fn remark(&self) -> String {
        format!(
            "{:.0} messages behind at most, level {:.1} s after the last call; latency is the call's",
            self.deepest.messages, self.drained_s
        )
    }
}

/// A load that waits while too much is under way. Its time ends when `drain` says that everything is done.
pub fn flat<'a, W: Work>(
    session: &mut Session<'a>,
    seconds: f64,
    make: impl Fn(usize) -> W + Sync,
    drain: impl Fn(&mut Session<'a>) -> Result<f64>,
) -> Result<Flat> {
    let valve = Valve::default();
    let load = Load { pace: Pace::Gated(valve.clone()), ..session.load(session.target, seconds) };
    let (clock, begun_ns) = (Clock::start(), session.cpu_ns(session.target));
    let over = AtomicBool::new(false);
    let mut api = Api::new(session.target, session.token());
    let (mut tally, deepest) = std::thread::scope(|scope| -> Result<_> {
        let watching = scope.spawn(|| keep_flat(&mut api, &valve, &over));
        let tally = session.run(&load, make);
        over.store(true, Ordering::Relaxed);
        let deepest = watching.join().expect("the watcher does not panic")?;
        Ok((tally?, deepest))
    })?;
    let drained_s = drain(session)?;
    tally.elapsed_ns = clock.now_ns();
    tally.server_cpu_ns = session.cpu_since(session.target, begun_ns);
    Ok(Flat { tally, deepest, drained_s })
}

/// Shuts the valve while too much is under way; tells how deep the backlog was at most.
fn keep_flat(api: &mut Api, valve: &Valve, over: &AtomicBool) -> Result<Backlog> {
    let mut deepest = Backlog::default();
    while !over.load(Ordering::Relaxed) {
        let backlog = Backlog::read(api)?;
        valve.set_shut(backlog.messages > BACKLOG_MAX);
        deepest.messages = deepest.messages.max(backlog.messages);
        deepest.read_models_ms = deepest.read_models_ms.max(backlog.read_models_ms);
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(deepest)
}

/// At half of the sustained rate: from an order's answer until a reader first sees it confirmed, of sampled orders.
fn until_confirmed(session: &mut Session<'_>, rate_per_s: f64) -> Result<()> {
    let sampler = Arc::new(Sampler::default());
    let buyers = Buyers { sampler: Some(Arc::clone(&sampler)), ..session.buyers(&session.products, Expected::Sold) };
    let confirmed = Mutex::new(Latencies::default());
    let mut half = |session: &mut Session<'_>, seconds| {
        let pace = Pace::Open { rate_per_s: rate_per_s.max(1.0) };
        let load = Load { pace, ..session.load(session.target, seconds) };
        let over = AtomicBool::new(false);
        let tally = std::thread::scope(|scope| -> Result<Tally> {
            let watching: Vec<_> = (0..WATCHERS)
                .map(|_| {
                    let api = Api::new(session.target, session.token());
                    let (sampler, confirmed, over) = (&sampler, &confirmed, &over);
                    scope.spawn(move || watch(api, sampler, confirmed, over))
                })
                .collect();
            let tally = session.run(&load, |connection| Buyer::new(buyers.clone(), connection as u64));
            over.store(true, Ordering::Relaxed);
            for watcher in watching {
                watcher.join().expect("a watcher does not panic")?;
            }
            tally
        })?;
        session.settle()?;
        Ok(tally)
    };
    let (placed, _) = session.compare("life at half load", &mut half, None)?;
    session.report("life", "place, at half of the sustained load", &placed, None);
    let confirmed = confirmed.into_inner().expect("no watcher panicked");
    let latency = confirmed.percentiles();
    let goal = latency.map(|latency| Goal::below_ms("p99", 100.0, latency.p99_ms));
    let mut numbers = placed.tally.numbers();
    (numbers.latency, numbers.service, numbers.per_s) = (latency, None, placed.median_per_s());
    session.rows.push(Row {
        scenario: "life",
        what: "from its answer until confirmed".to_owned(),
        rounds_per_s: placed.per_s,
        numbers,
        against: None,
        goal,
        remarks: vec![format!("{} orders were watched", confirmed.count())],
    });
    Ok(())
}

/// Asks for one sampled order after the other until it is no longer pending.
fn watch(mut api: Api, sampler: &Sampler, confirmed: &Mutex<Latencies>, over: &AtomicBool) -> Result<()> {
    while !over.load(Ordering::Relaxed) {
        let Some((order_id, answered_ns)) = sampler.take() else {
            std::thread::sleep(ASK_AGAIN_AFTER);
            continue;
        };
        let path = format!("/v1/orders/{order_id}");
        while api.get(&path)?["status"] == "pending" {
            std::thread::sleep(ASK_AGAIN_AFTER);
        }
        let latency_ns = sampler.now_ns() - answered_ns;
        confirmed.lock().expect("no watcher panicked").record_ns(latency_ns);
    }
    Ok(())
}
