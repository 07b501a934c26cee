//! `doos-sim`: replays a seed with its trace, runs ranges of seeds, hunts the planted bugs.
//!
//! Exit codes: 0 nothing found (or every planted bug caught), 1 something was, 2 the call made no sense.

use doos_sim::planted::{Bug, Planted};
use doos_sim::verdict::Verdict;
use doos_sim::{cluster, embedded};
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "doos-sim replay --seed N [--world cluster|embedded] [--planted NAME]
doos-sim run --seeds A..B [--world cluster|embedded]
doos-sim planted";

type World = fn(u64, &Planted, bool) -> Verdict;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| words.iter().skip_while(|word| *word != name).nth(1).map(String::as_str);
    let world = match value("--world") {
        None | Some("cluster") => cluster::run as World,
        Some("embedded") => embedded::run as World,
        Some(_) => return misused(),
    };
    let planted = match value("--planted").map(Bug::from_name) {
        None => Planted::NONE,
        Some(Some(bug)) => Planted::with(bug),
        Some(None) => return misused(),
    };
    match words.first().map(String::as_str) {
        Some("replay") => match value("--seed").and_then(|seed| seed.parse().ok()) {
            Some(seed) => replay(world, seed, &planted),
            None => misused(),
        },
        Some("run") => match value("--seeds").and_then(range) {
            Some((from, to)) => run(world, from, to),
            None => misused(),
        },
        Some("planted") => hunt(),
        _ => misused(),
    }
}

fn misused() -> ExitCode {
    eprintln!("{USAGE}\nplanted bugs: {}", Bug::ALL.map(Bug::name).join(", "));
    ExitCode::from(2)
}

fn range(text: &str) -> Option<(u64, u64)> {
    let (from, to) = text.split_once("..")?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

fn replay(world: World, seed: u64, planted: &Planted) -> ExitCode {
    let verdict = world(seed, planted, true);
    for line in &verdict.lines {
        println!("{line}");
    }
    tell(&verdict)
}

fn tell(verdict: &Verdict) -> ExitCode {
    let Verdict { seed, orders, polls, elapsed_ms, .. } = verdict;
    println!("seed {seed}: {orders} orders, {polls} steps, {elapsed_ms} virtual ms");
    for finding in &verdict.findings {
        println!("  {finding:?}");
    }
    if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::disallowed_methods, reason = "how fast it simulates is measured in real time")]
fn run(world: World, from: u64, to: u64) -> ExitCode {
    let started = Instant::now();
    let (mut orders, mut virtual_ms, mut bad) = (0, 0, 0);
    for seed in from..to {
        let verdict = world(seed, &Planted::NONE, false);
        orders += verdict.orders;
        virtual_ms += verdict.elapsed_ms;
        if !verdict.is_clean() {
            bad += 1;
            tell(&verdict);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} seeds, {bad} with findings; {orders} orders in {seconds:.1} s on one core: {:.0} orders/s, {:.0} times real time",
        to.saturating_sub(from),
        orders as f64 / seconds,
        virtual_ms as f64 / 1_000.0 / seconds
    );
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every planted bug, with the first seed that shows it.
fn hunt() -> ExitCode {
    let mut escaped = 0;
    for bug in Bug::ALL {
        match bug.caught_by() {
            Some((seed, finding)) => println!("{}: seed {seed}: {finding}", bug.name()),
            None => {
                escaped += 1;
                println!("{}: NOT CAUGHT within {} seeds", bug.name(), bug.seeds_max());
            }
        }
    }
    if escaped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
