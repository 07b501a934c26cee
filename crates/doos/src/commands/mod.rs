//! One function a command; each prints its own result and says how the process ends.

mod archive;
pub mod bench;
mod bench_gates;
mod config;
mod dlq;
mod offline;
mod projections;
mod serve;
mod shards;

use anyhow::{Context, Result};
use doos_node::config::{Flags, Loaded, load as load_config};
use serde_json::json;
use std::process::ExitCode;

use crate::cli::{Cli, Command, Global, Profile};
use crate::say;

pub fn run(cli: Cli) -> Result<ExitCode> {
    let global = &cli.global;
    match cli.command {
        None => serve::serve(global, cli.bare, true),
        Some(Command::Serve(serve)) => serve::serve(global, serve, false),
        Some(Command::Token(token)) => offline::token(&load(global)?, token, global.output),
        Some(Command::Doctor) => offline::doctor(&load(global)?, global.output),
        Some(Command::Audit { repair }) => offline::audit(&load(global)?, repair, global.output),
        Some(Command::Backup { dir }) => offline::backup(&load(global)?, &dir, global.output),
        Some(Command::Bench(bench)) => bench::bench(global, *bench),
        Some(Command::Migrate(verb)) => offline::migrate(&load(global)?, verb, global.output),
        Some(Command::Projections(verb)) => projections::projections(&load(global)?, &verb, global.output),
        Some(Command::Shards(verb)) => shards::shards(&load(global)?, verb, global.output),
        Some(Command::Archive(asked)) => archive::archive(&load(global)?, &asked, global.output),
        Some(Command::Dlq(verb)) => dlq::dlq(&load(global)?, verb, global.output),
        Some(Command::Journal(verb)) => offline::journal(&load(global)?, verb, global.output),
        Some(Command::Config(verb)) => config::config(&load(global)?, &verb, global.output),
        Some(Command::Explain { code }) => offline::explain(&code, global.output),
        Some(Command::Openapi) => {
            // JSON in either form, and to the byte what is checked in.
            say::text(doos_node::openapi_json().trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(global: &Global) -> Result<Loaded> {
    load_with(global, Vec::new())
}

fn load_with(global: &Global, mut values: Vec<(&'static str, serde_json::Value)>) -> Result<Loaded> {
    if let Some(dir) = &global.data_dir {
        values.push(("data_dir", json!(dir)));
    }
    if let Some(listen) = global.listen {
        values.push(("listen", json!(listen)));
    }
    if let Some(profile) = global.profile {
        values.push(("profile", json!(if matches!(profile, Profile::Prod) { "prod" } else { "dev" })));
    }
    if global.require_auth {
        values.push(("auth.require", json!(true)));
    }
    let flags = Flags { file: global.config.clone(), values };
    load_config(&flags).context("cannot start")
}
