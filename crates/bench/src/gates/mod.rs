//! `doos bench gates`: every stock gate there is, side by side, on one hot product and on spread ones.
//!
//! What holds: each gate meets the same two contests, one after the other, so that none disturbs another. First there is
//! plenty, for a fixed time: how many holds a second, and how many calls got one. Then there is little, and everybody wants
//! it until told that it is gone: whether each piece was given once. Counts are made from what the callers were told and
//! from what the gate says afterwards; a wrong one fails the run. A gate whose engine is missing is named as not run.
//!
//! What must never happen: a table of another shop touched. SQL gates use the database [`DATABASE`], Redis the prefix of
//! the same name, which are kept for the next run.

mod afar;
mod contenders;
mod contest;
mod table;

pub use contest::Counts;
pub use table::table;

use anyhow::{Context, Result};
use serde::Serialize;
use std::time::Duration;

use crate::options::{CONNECTIONS, PRODUCTS};
use crate::progress::Progress;
use crate::report::Machine;
use contenders::Contender;
use contest::Contest;

/// Where SQL gates keep their tables during a run, on the server they are given.
pub const DATABASE: &str = "doos_bench_gates";

#[derive(Clone, Debug)]
pub struct GatesOptions {
    /// `mysql://USER:PASSWORD@HOST:PORT[/…]`: the server; its databases are left alone but for [`DATABASE`].
    pub mysql: Option<String>,
    pub redis: Option<String>,
    /// Calls at once.
    pub callers: u64,
    /// Products that holds are spread over.
    pub products: u64,
    /// How long each gate is loaded in each place.
    pub time: Duration,
    pub command: String,
}

#[derive(Debug, Serialize)]
pub struct GatesReport {
    pub version: &'static str,
    pub command: String,
    pub optimised: bool,
    pub machine: Machine,
    pub callers: u64,
    pub products: u64,
    pub seconds: f64,
    pub rows: Vec<Row>,
    /// Gates whose engine is missing, and why.
    pub not_run: Vec<NotRun>,
}

#[derive(Debug, Serialize)]
pub struct Row {
    pub gate: &'static str,
    /// `hot` or `spread`.
    pub place: &'static str,
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Debug, Serialize)]
pub struct NotRun {
    pub gate: &'static str,
    pub why: String,
}

impl GatesReport {
    /// Whether every piece was given once, and came back.
    pub fn holds(&self) -> bool {
        self.rows.iter().all(|row| row.counts.holds())
    }
}

/// Runs every gate, each in both places. Takes about `2 × gates × time`, and at most `contest::SCARCE_TIME` more for each.
pub fn run(options: &GatesOptions) -> Result<GatesReport> {
    anyhow::ensure!(CONNECTIONS.contains(&options.callers), "callers: choose within {CONNECTIONS:?}");
    anyhow::ensure!(PRODUCTS.contains(&options.products), "products: choose within {PRODUCTS:?}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("threads for the load")?;
    runtime.block_on(async {
        let progress = Progress::start();
        let (mut rows, mut not_run) = (Vec::new(), Vec::new());
        for contender in Contender::ALL {
            let gate = match contender.open(options).await {
                Ok(gate) => gate,
                Err(why) => {
                    progress.say(&format!("NOT RUN: {}: {why}", contender.name()));
                    not_run.push(NotRun { gate: contender.name(), why });
                    continue;
                }
            };
            for (place, products) in [("hot", 1), ("spread", options.products)] {
                progress.say(&format!("{}, {place}", contender.name()));
                let contest = Contest { gate: gate.gate(), products, callers: options.callers, time: options.time };
                let counts = contest.run().await.with_context(|| format!("the gate {} broke", contender.name()))?;
                rows.push(Row { gate: contender.name(), place, counts });
            }
        }
        Ok(GatesReport {
            version: env!("CARGO_PKG_VERSION"),
            command: options.command.clone(),
            optimised: !cfg!(debug_assertions),
            machine: Machine::here(),
            callers: options.callers,
            products: options.products,
            seconds: options.time.as_secs_f64(),
            rows,
            not_run,
        })
    })
}
