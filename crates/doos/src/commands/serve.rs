//! `doos` and `doos serve`: start, say what to open, run until told to stop, drain.

use anyhow::{Context, Result};
use doos_node::Node;
use serde_json::json;
use std::process::ExitCode;

use super::load_with;
use crate::cli::{Global, Serve};
use crate::say;

/// `bare` is the call without a verb, whose reader may be seeing this for the first time.
pub fn serve(global: &Global, serve: Serve, bare: bool) -> Result<ExitCode> {
    let mut values = Vec::new();
    if !serve.roles.is_empty() {
        values.push(("roles", json!(serve.roles)));
    }
    if serve.demo_life {
        values.push(("demo.life", json!(true)));
    }
    if serve.empty {
        values.push(("demo.seed", json!(false)));
    }
    if serve.accept_loss {
        values.push(("store.accept_loss", json!(true)));
    }
    let config = load_with(global, values)?.config;
    config.check()?;
    let telemetry = doos_node::telemetry::install(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let mut node = Node::start(config).await?;
        node.follow_live_values(Some(telemetry.level.clone()));
        say::either(global.output, &node.banner_json(), node.banner(bare))?;
        node.run_until_told().await
    })?;
    Ok(ExitCode::SUCCESS)
}
