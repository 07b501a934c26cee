//! The binary: one enum of commands, one match. Everything else lives in `node` and below it.

mod cli;
mod commands;
mod say;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            // The chain is printed once, here.
            say::complain(format_args!("{error:#}"));
            ExitCode::from(2)
        }
    }
}
