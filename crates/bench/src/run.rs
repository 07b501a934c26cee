//! A whole run: open the shop, go through the scenarios, check the books, write the report.

use anyhow::{Context, Result};
use std::path::Path;

use crate::child::{Children, Guard};
use crate::integrity::{self, Scope};
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
    let mut session = Session::open(options, Guard(children.clone()), Progress::start())?;
    for scenario in &options.scenarios {
        let name = scenario.name();
        scenarios::run(&mut session, *scenario).with_context(|| format!("scenario {name}"))?;
    }
    let memory = session.own.as_ref().and_then(|own| report::memory_of(own.pid));
    session.progress.say(&format!("checking the books of {} orders", session.notes.acknowledged.len()));
    session.settle()?;
    let scope = if session.own.is_some() { Scope::Everything } else { Scope::Own };
    let seen = integrity::read(&mut session.api, scope, &session.notes.acknowledged, &session.given)?;
    let integrity = integrity::check(&session.notes, &seen);
    session.progress.say(if integrity.holds() { "the books are right" } else { "the books are WRONG" });
    Ok(Report {
        machine: Machine::here(),
        command: options.command.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: COMMIT.unwrap_or("(commit not told at build)").to_owned(),
        optimised: !cfg!(debug_assertions),
        seconds: session.progress.seconds(),
        rows: session.rows,
        yardsticks: session.yardsticks,
        memory,
        integrity,
    })
}

/// Writes `bench.json`, `bench.md` and `bench.svg` into the directory.
pub fn write(report: &Report, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let files = [
        ("bench.json", serde_json::to_string_pretty(report)? + "\n"),
        ("bench.md", report::markdown(report, "bench.svg")),
        ("bench.svg", report::chart(report)),
    ];
    for (name, text) in files {
        let file = dir.join(name);
        std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}
