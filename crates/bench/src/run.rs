//! A whole run: open the shop, go through the scenarios, check the books, write the report.

use anyhow::{Context, Result};
use std::path::Path;

use crate::child::{Children, Guard};
use crate::options::Options;
use crate::progress::Progress;
use crate::report::{self, Machine, Report};
use crate::scenarios;
use crate::session::Session;

/// Where a build was told which commit it is of.
const COMMIT: Option<&str> = option_env!("DOOS_COMMIT");

/// Runs everything that was asked for. Whoever wants it to end early kills the children: every load on them then ends.
pub fn run(options: &Options, children: &Children) -> Result<Report> {
    options.check()?;
    // Whatever ends this function ends every process of the run.
    let _guard = Guard(children.clone());
    let mut session = Session::open(options, children.clone(), Progress::start())?;
    for scenario in &options.scenarios {
        let name = scenario.name();
        scenarios::run(&mut session, *scenario).with_context(|| format!("scenario {name}"))?;
    }
    let memory = session.own.as_ref().and_then(|own| report::memory_of(own.pid));
    let integrity = session.check_books()?;
    Ok(Report {
        machine: Machine::here(),
        command: options.command.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: COMMIT.unwrap_or("(commit not told at build)").to_owned(),
        optimised: !cfg!(debug_assertions),
        seconds: session.progress.seconds(),
        rows: std::mem::take(&mut session.rows),
        yardsticks: std::mem::take(&mut session.yardsticks),
        growth: std::mem::take(&mut session.growth),
        memory,
        integrity,
    })
}

/// Writes `bench.json`, `bench.md`, `bench.svg` into the directory; `growth.svg` where something has grown, and
/// `capacity.md` where everything was measured that it is computed from.
pub fn write(report: &Report, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let files = [
        ("bench.json", Some(serde_json::to_string_pretty(report)? + "\n")),
        ("bench.md", Some(report::markdown(report, "bench.svg", "growth.svg"))),
        ("bench.svg", Some(report::chart(report))),
        ("growth.svg", report::growth_chart(report)),
        ("capacity.md", report::capacity(report)),
    ];
    for (name, text) in files {
        let Some(text) = text else { continue };
        let file = dir.join(name);
        std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}
