//! `doos shards`: the order shards of a cluster, and the buckets that move between them.

use anyhow::{Context, Result};
use doos_node::config::Loaded;
use doos_node::shards::{self, Told, Verb, Which};
use std::process::ExitCode;

use crate::cli::{MoveBuckets, Output, Shards};
use crate::say;

pub fn shards(loaded: &Loaded, verb: Shards, output: Output) -> Result<ExitCode> {
    let verb = match verb {
        Shards::Add { address: Some(address), .. } => Verb::AddAddress(address),
        Shards::Add { index, .. } => Verb::Add(index.context("name the shard by its address or its --index")?),
        Shards::Move(MoveBuckets { resume: true, .. }) => Verb::Resume,
        Shards::Move(MoveBuckets { cancel: true, .. }) => Verb::Cancel,
        Shards::Move(moving) => {
            let which = match moving {
                MoveBuckets { buckets: Some(buckets), .. } => Which::Buckets(buckets.0),
                MoveBuckets { count: Some(count), .. } => Which::Count(count),
                _ => Which::Balance,
            };
            Verb::Move { to: moving.to.context("name the shard that the buckets go to: --to N")?, which }
        }
        Shards::Status => Verb::Status,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    // Progress is for whoever watches; standard output has the result alone.
    let tell = |line: &str| say::progress(line);
    match runtime.block_on(shards::run(&loaded.config, verb, &tell))? {
        Told::Shards(standing) => say::either(output, &standing, &standing)?,
        Told::Cancelled(cancelled) => say::either(output, &cancelled, &cancelled)?,
        Told::Moved(moved) => say::either(output, &moved, &moved)?,
    }
    Ok(ExitCode::SUCCESS)
}
