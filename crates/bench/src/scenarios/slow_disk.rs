//! A slower disk: each sync takes a millisecond more. Groups form by themselves, so many waiting clients hardly feel it.
//!
//! What holds: the slow server is the same program in the same state; `slow_sync.c` stands between it and the C library
//! (LD_PRELOAD), and a probe proves that it does. Without a C compiler, or where the linker does not load it, nothing
//! is measured, and that is said.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

use crate::load::{Load, Pace, Tally};
use crate::session::Session;
use crate::work::Expected;

const SOURCE: &str = include_str!("../slow_sync.c");
const CONNECTIONS: usize = 256;
const MORE_MS: f64 = 1.0;
const PROBES: u64 = 50;

pub fn slow_disk(session: &mut Session<'_>) -> Result<()> {
    let Some(library) = compiled(session.dir.path())? else {
        session.progress.say("slow-disk: left out, there is no C compiler (cc) to build its library with");
        return Ok(());
    };
    let Some(mut slow) = session.beside(&[("LD_PRELOAD", &library)])? else { return Ok(()) };
    if !has_loaded(&slow, &library) {
        session.progress.say("slow-disk: left out, this program does not load libraries at its start");
        return session.take(slow);
    }
    let probed_ms = probe(&mut slow)?;
    ensure!(probed_ms > MORE_MS, "a sync that takes {MORE_MS} ms more cannot be answered in {probed_ms:.2} ms");
    let mut on_slow = |session: &mut Session<'_>, seconds| place(&mut slow, seconds, session);
    let mut on_fast = |session: &mut Session<'_>, seconds| {
        let buyers = session.buyers(&session.products, Expected::Sold);
        let load = Load { connections: CONNECTIONS, ..session.load(session.target, seconds) };
        session.place(&load, &buyers)
    };
    let (found, fast) = session.compare("slow-disk", &mut on_slow, Some(&mut on_fast as _))?;
    let what = format!("place, {MORE_MS:.0} ms more per sync, {CONNECTIONS} connections");
    let row = session.report("slow-disk", &what, &found, fast.as_ref().map(|fast| ("the same, fast disk", fast)));
    row.expect_ratio(0.8);
    row.remarks.push(format!("alone on its connection an order takes {probed_ms:.2} ms there"));
    session.take(slow)
}

fn place(slow: &mut Session<'_>, seconds: f64, _: &mut Session<'_>) -> Result<Tally> {
    let buyers = slow.buyers(&slow.products, Expected::Sold);
    let load = Load { connections: CONNECTIONS, ..slow.load(slow.target, seconds) };
    slow.place(&load, &buyers)
}

/// A program without a dynamic linker loads nothing.
fn has_loaded(slow: &Session<'_>, library: &str) -> bool {
    let maps = slow.own.as_ref().map(|own| std::fs::read_to_string(format!("/proc/{}/maps", own.pid)));
    maps.is_some_and(|maps| maps.is_ok_and(|maps| maps.contains(library)))
}

/// One order after the other: each waits for a sync of its own.
fn probe(slow: &mut Session<'_>) -> Result<f64> {
    let buyers = slow.buyers(&slow.products, Expected::Sold);
    let (pace, count_max) = (Pace::Closed, Some(PROBES));
    let load = Load { connections: 1, threads: 1, pace, count_max, ..slow.load(slow.target, 30.0) };
    let latency = slow.place(&load, &buyers)?.latency.percentiles();
    latency.map(|latency| latency.p50_ms).context("no order was placed")
}

/// The library's path; None without a compiler.
fn compiled(dir: &Path) -> Result<Option<String>> {
    let (source, library) = (dir.join("slow_sync.c"), dir.join("slow_sync.so"));
    std::fs::write(&source, SOURCE)?;
    let compiling = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source).output();
    let Ok(said) = compiling else { return Ok(None) };
    ensure!(said.status.success(), "slow_sync.c cannot be compiled: {}", String::from_utf8_lossy(&said.stderr));
    library.to_str().map(|path| Some(path.to_owned())).context("the temporary directory has a strange name")
}
