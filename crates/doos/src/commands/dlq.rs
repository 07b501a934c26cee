//! `doos dlq`: dead letters, through the running server if there is one, else straight from the store.

use anyhow::Result;
use doos_node::config::Loaded;
use doos_node::offline::{Letters, letter_line, letters_text};
use std::process::ExitCode;

use crate::cli::{Dlq, Output};
use crate::say;

pub fn dlq(loaded: &Loaded, verb: Dlq, output: Output) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let letters = Letters::open(&loaded.config).await?;
        let (told, words) = match verb {
            Dlq::List => with(letters.list().await?, letters_text),
            Dlq::Show { id } => with(letters.show(&id).await?, |letter| format!("{letter:#}")),
            Dlq::Replay { id } => {
                with(letters.replay(&id).await?, |letter| format!("back in line: {}", letter_line(letter)))
            }
            Dlq::Discard { id } => {
                with(letters.discard(&id).await?, |letter| format!("discarded: {}", letter_line(letter)))
            }
        };
        letters.close().await?;
        say::either(output, &told, words)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn with<T>(told: T, words: impl FnOnce(&T) -> String) -> (T, String) {
    let words = words(&told);
    (told, words)
}
