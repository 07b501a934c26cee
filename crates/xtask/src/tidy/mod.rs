//! The rules of the house that only a look at the whole tree can check.
//!
//! Each module holds one family of rules as pure functions that return [`Violation`]s; this one feeds them the tree and
//! prints what they say, all of it, sorted, before it fails.

mod direction;
mod documents;
mod error_pages;
mod lints;
mod lock;
mod text;

use std::fmt;
use std::path::Path;

use anyhow::bail;

use crate::repository::{self, TrackedFile};

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub path: String,
    /// Starts at 1; 0 means the file as a whole.
    pub line: usize,
    pub message: String,
}

impl Violation {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Checks every rule on the tree at `root`.
pub fn run(root: &Path) -> anyhow::Result<()> {
    let files = repository::files(root)?;
    let packages = direction::packages(&repository::cargo_metadata(root)?)?;
    let mut violations = check_files(&files);
    violations.extend(direction::check(&packages));
    violations.sort();
    for violation in &violations {
        eprintln!("{violation}");
    }
    if violations.is_empty() {
        println!("tidy: {} files, {} crates, no violation", files.len(), packages.len());
        return Ok(());
    }
    bail!("tidy: {} violations", violations.len())
}

fn check_files(files: &[TrackedFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        violations.extend(text::size(&file.path, file.size_bytes));
        let Some(text) = &file.text else { continue };
        violations.extend(text::module_header(&file.path, text));
        violations.extend(text::banned_words(&file.path, text));
        violations.extend(documents::links(&file.path, text, files));
    }
    violations.extend(documents::adr_numbers(files));
    violations.extend(error_pages::check(files));
    violations.extend(lints::check(files));
    violations.extend(lock::check(files));
    violations
}

fn text_of<'a>(files: &'a [TrackedFile], path: &str) -> Option<&'a str> {
    files.iter().find(|file| file.path == path).and_then(|file| file.text.as_deref())
}

#[cfg(test)]
fn tree(entries: &[(&str, &str)]) -> Vec<TrackedFile> {
    entries
        .iter()
        .map(|(path, text)| TrackedFile {
            path: (*path).to_owned(),
            size_bytes: text.len() as u64,
            text: Some((*text).to_owned()),
        })
        .collect()
}
