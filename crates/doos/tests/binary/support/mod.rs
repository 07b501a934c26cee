//! What every test of the real binary stands on: a running server, a client, and waiting for a state.
//!
//! What holds: a test owns its server and its data directory; both are gone when it has passed. When it fails, the
//! directory stays and its path is printed, so that `doos audit` and `doos journal inspect` can read it.
//!
//! What must never happen here: a fixed port, a directory shared by two tests, or a sleep in the hope that something is
//! over by then.

pub mod buyer;
pub mod client;
pub mod command;
pub mod goods;
pub mod proof;
pub mod server;
pub mod shop;
pub mod wait;

use std::path::Path;
use tempfile::TempDir;

/// A directory that stays behind when its test fails.
pub struct Place {
    directory: Option<TempDir>,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("doos-test-").tempdir().unwrap();
        Self { directory: Some(directory) }
    }

    pub fn path(&self) -> &Path {
        self.directory.as_ref().unwrap().path()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(directory) = self.directory.take()
            && std::thread::panicking()
        {
            eprintln!("kept for a look: {}", directory.keep().display());
        }
    }
}
