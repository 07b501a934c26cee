//! `doos dlq`: dead letters, through the running server if there is one, else straight from the store.

use anyhow::Result;
use doos_node::config::Loaded;
use doos_node::offline::Letters;
use std::process::ExitCode;

use crate::cli::{Dlq, Output};

pub fn dlq(loaded: &Loaded, verb: Dlq, output: Output) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let letters = Letters::open(&loaded.config).await?;
        let told = match verb {
            Dlq::List => letters.list().await?,
            Dlq::Show { id } => letters.show(&id).await?,
            Dlq::Replay { id } => letters.replay(&id).await?,
            Dlq::Discard { id } => letters.discard(&id).await?,
        };
        if output == Output::Json {
            println!("{}", serde_json::to_string_pretty(&told)?);
        } else {
            println!("{}", doos_node::offline::letters_text(&told));
        }
        letters.close().await
    })?;
    Ok(ExitCode::SUCCESS)
}
