//! What a run has found, and its forms: a table for eyes, JSON, Markdown, a chart.
//!
//! What holds: every number was measured in this run; what was not measured is absent, not zero. A goal that was missed
//! is shown as missed.

mod capacity;
mod chart;
mod growth;
mod machine;
mod markdown;
mod table;

use serde::Serialize;

use crate::integrity::Verdict;
use crate::latency::Percentiles;
use crate::load::Numbers;

pub use capacity::markdown as capacity;
pub use chart::chart;
pub use growth::chart as growth_chart;
pub use machine::{Machine, Memory, cpu_ns_of, memory_of};
pub use markdown::markdown;
pub use table::table;

#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub command: String,
    pub version: String,
    pub commit: String,
    /// A debug build says nothing about speed.
    pub optimised: bool,
    pub seconds: f64,
    pub rows: Vec<Row>,
    pub yardsticks: Vec<Yardstick>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub growth: Vec<GrowthStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    pub integrity: Verdict,
}

/// One measurement of ours, and the yardstick next to it.
#[derive(Debug, Serialize)]
pub struct Row {
    pub scenario: &'static str,
    pub what: String,
    /// Rates of the rounds; `numbers.per_s` is their median, everything else of it is over all rounds.
    pub rounds_per_s: Vec<f64>,
    pub numbers: Numbers,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Against {
    pub name: String,
    pub rounds_per_s: Vec<f64>,
    pub per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
    /// The median of the rounds' ratios.
    pub ratio: f64,
}

#[derive(Debug, Serialize)]
pub struct Goal {
    pub words: String,
    pub met: bool,
}

/// The store at one size.
#[derive(Clone, Debug, Serialize)]
pub struct GrowthStep {
    /// In the store before anything of this step was measured.
    pub orders: u64,
    /// By bulk streams; none if the store was that full already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filled_per_s: Option<f64>,
    pub placed_per_s: f64,
    pub place_p99_ms: Option<f64>,
    pub list_p99_ms: Option<f64>,
    pub user_p99_ms: Option<f64>,
    pub search_p99_ms: Option<f64>,
    /// After a kill.
    pub start_ms: f64,
    /// After that start.
    pub memory_mb: Option<u64>,
    pub disk_mb: u64,
}

/// Something measured for itself.
#[derive(Debug, Serialize)]
pub struct Yardstick {
    pub kind: YardstickKind,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_s: Option<f64>,
    /// What one order takes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum YardstickKind {
    RawJournal,
    RawSqlite,
    DiskSync,
}

impl Goal {
    pub fn at_least(least: f64, found: f64) -> Self {
        Self { words: format!(">= {least:.2}"), met: found >= least }
    }

    pub fn below_ms(what: &str, most_ms: f64, found_ms: f64) -> Self {
        Self { words: format!("{what} < {most_ms:.0} ms"), met: found_ms < most_ms }
    }
}

/// The middle one; of an even number the lower of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// A rate for eyes: three digits that mean something.
fn rate(per_s: f64) -> String {
    if per_s >= 100_000.0 {
        format!("{:.0} k", per_s / 1_000.0)
    } else if per_s >= 10_000.0 {
        format!("{:.1} k", per_s / 1_000.0)
    } else {
        format!("{per_s:.0}")
    }
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") }
}

#[cfg(test)]
mod tests;
