//! A few read connections, handed out to whoever reads at this moment.
//!
//! Reads run in the caller's thread and never across an await, so no more are open at once than threads read. One
//! that is given back beyond the number kept is closed.

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{Reading, open_for_reading};
use crate::error::Result;
use crate::locks::lock;

#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    kept_max: usize,
}

impl Pool {
    pub fn new(path: &Path, kept_max: usize) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()), kept_max }
    }

    /// Runs reads in one transaction, so that all they see is of one folded position.
    pub fn snapshot<T>(&self, work: impl FnOnce(&Reading<'_>) -> Result<T>) -> Result<T> {
        self.with(|connection| Reading::snapshot(connection, work))
    }

    /// Runs a read that is one statement, or several that need not be of one position.
    pub fn read<T>(&self, work: impl FnOnce(&Reading<'_>) -> Result<T>) -> Result<T> {
        self.with(|connection| work(&Reading::of(connection)))
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = lock(&self.idle).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_for_reading(&self.path)?,
        };
        let result = work(&connection)?;
        // One that has failed is closed instead: nobody knows what it is in the middle of.
        let mut idle = lock(&self.idle);
        if idle.len() < self.kept_max {
            idle.push(connection);
        }
        Ok(result)
    }
}
