//! The binary: one enum of commands, one match. Everything else lives in `node` and below it.

mod cli;
mod commands;
mod say;

use clap::Parser;
use std::process::ExitCode;

/// An order is hundreds of small pieces of memory, taken on one thread and given back on another: of the C library's
/// allocator that costs a fifth of the processor (docs/adr/0021-allocator.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
