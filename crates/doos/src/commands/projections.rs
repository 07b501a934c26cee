//! `doos projections`: the read models, compared with the orders and filled anew by the running server.

use anyhow::Result;
use doos_node::config::Loaded;
use doos_node::read_models::{ReadModels, comparison_text};
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{Output, Projections};
use crate::say;

pub fn projections(loaded: &Loaded, verb: &Projections, output: Output) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let read_models = ReadModels::of(&loaded.config)?;
        let told = match verb {
            Projections::Compare => read_models.compare().await?,
            Projections::Rebuild { within_s } => read_models.rebuild(Duration::from_secs(*within_s)).await?,
        };
        say::either(output, &told, comparison_text(&told))?;
        Ok(if told["equal"] == true { ExitCode::SUCCESS } else { ExitCode::from(1) })
    })
}
