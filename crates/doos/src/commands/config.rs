//! `doos config`: the configuration in force, and the values that are set for a whole cluster.

use anyhow::Result;
use doos_node::config::Loaded;
use doos_node::live;
use serde_json::json;
use std::process::ExitCode;

use crate::cli::{ConfigCommand, Output};
use crate::say;

pub fn config(loaded: &Loaded, verb: &ConfigCommand, output: Output) -> Result<ExitCode> {
    if let ConfigCommand::Print { live: false } = verb {
        say::either(output, &loaded.to_json(), loaded.print())?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match verb {
            ConfigCommand::Print { .. } => {
                let values = live::values(&loaded.config).await?;
                let lines: Vec<String> = values.iter().map(|(key, text)| format!("{key} = {}", json!(text))).collect();
                let words = if lines.is_empty() { "nothing is set live".to_owned() } else { lines.join("\n") };
                say::either(output, &values, words)
            }
            ConfigCommand::Set { key, value } => {
                let told = live::set(&loaded.config, key, Some(value)).await?;
                say::either(output, &told, format!("{key} = {} in every process", json!(value)))
            }
            ConfigCommand::Unset { key } => {
                let told = live::set(&loaded.config, key, None).await?;
                say::either(output, &told, format!("{key} is each process's own again"))
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
