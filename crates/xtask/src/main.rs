//! The project's own gate: what no compiler and no linter checks, and what is generated.
//!
//! `tidy` reads the tree and fails with one line per broken rule. `drift` generates every generated file anew and
//! compares it with the checked-in one. `gen-proto` writes the gRPC code.
//!
//! What holds here: a rule is a pure function over text or metadata, with a unit test whose sample breaks it; only
//! [`repository`] and the command runners touch disk and processes. Each rule says what to do about a violation.
//!
//! What must never happen here: a rule that passes because its input is missing, or one that only warns.

mod drift;
mod openapi;
mod proto;
mod repository;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks and code generation of this repository.
#[derive(Parser)]
#[command(name = "xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the rules of the house: direction, headers, words, pages, links, sizes.
    Tidy,
    /// Check that every generated file is what its generator writes.
    Drift,
    /// Write the gRPC code from api/proto/v1.
    GenProto,
    /// Write api/openapi.json.
    GenOpenapi,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain, without a backtrace: the reader wants the rule, not this program.
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    let root = repository::root()?;
    match command {
        Command::Tidy => tidy::run(&root),
        Command::Drift => drift::check(&root),
        Command::GenProto => {
            drift::write(&root, proto::NAME)?;
            drift::write(&root, proto::NAME_INTERNAL)
        }
        Command::GenOpenapi => drift::write(&root, openapi::NAME),
    }
}
