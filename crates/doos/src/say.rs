//! Everything a command prints goes out here.
//!
//! What holds: a reader who has heard enough (`doos config print | head -1`) ends nothing: what is left is not written,
//! and the command goes on to its own end, with its own exit code. Any other failure to write is an error.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::{self, Write};

use crate::cli::Output;

/// Prints what is given, with a line's end.
pub fn text(text: impl std::fmt::Display) -> Result<()> {
    heard(write(&mut io::stdout().lock(), &format!("{text}\n")))
}

/// Prints one JSON document.
pub fn json(document: &impl Serialize) -> Result<()> {
    text(serde_json::to_string_pretty(document)?)
}

/// Prints it in the form that was asked for.
pub fn either(output: Output, document: &impl Serialize, words: impl std::fmt::Display) -> Result<()> {
    match output {
        Output::Json => json(document),
        Output::Text => text(words),
    }
}

/// A complaint; there is nobody to complain to about a complaint that cannot be written.
pub fn complain(words: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "doos: {words}");
}

/// How far something long has come, on standard error; nothing depends on it.
pub fn progress(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn write(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn heard(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output cannot be written"),
    }
}
