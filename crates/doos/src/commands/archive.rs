//! `doos archive`: months of orders that are over are put away.

use anyhow::{Context, Result};
use doos_node::archive::{self, Which};
use doos_node::config::Loaded;
use std::process::ExitCode;

use crate::cli::{Archive, ArchiveVerb, Output};
use crate::say;

pub fn archive(loaded: &Loaded, asked: &Archive, output: Output) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let which = match (&asked.verb, asked.before, asked.month) {
        (Some(ArchiveVerb::Status), ..) => {
            let standing = runtime.block_on(archive::status(&loaded.config))?;
            say::either(output, &standing, &standing)?;
            return Ok(ExitCode::SUCCESS);
        }
        (None, Some(end), _) => Which::Before(end),
        (None, None, month) => Which::Only(month.context("name the months: --before YYYY-MM or --month YYYY-MM")?),
    };
    // Progress is for whoever watches; standard output has the result alone.
    let tell = |line: &str| say::progress(line);
    let told = runtime
        .block_on(archive::run(&loaded.config, which, asked.dry_run, &tell))
        .context("the archiving stopped; what is put away stays so, and the same command goes on")?;
    say::either(output, &told, &told)?;
    Ok(if told.is_done() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
