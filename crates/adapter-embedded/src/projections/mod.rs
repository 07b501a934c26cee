//! Statistics and search on SQLite: read models beside the store, each in a file of its own with its own standing.
//!
//! What holds: rows and standing are one transaction. The files are not truth: one that is missing, damaged, of another
//! schema or made for other days is thrown away and made anew, and whoever drives it fills it again. They are never
//! synced for anybody's sake; after a power cut they are older, and catch up.
//!
//! What must never happen: a look into the store's own database, or a refusal of an order because one of these is
//! behind.
//!
//! Where to read next: `file` for opening and damage, `statistics` and `search` for the tables.

mod file;
mod search;
mod statistics;

pub use search::SqliteSearch;
pub use statistics::SqliteStatistics;

use doos_domain::statistics::Calendar;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The directory inside a data directory.
const DIRECTORY: &str = "projections";

/// What an owner can choose about statistics and search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectionOptions {
    /// The shop's days begin so much earlier than those of UTC; another value than before counts everything anew.
    pub utc_offset_minutes: i64,
    /// How long figures by the minute are kept.
    pub minute_rows_kept_s: i64,
    /// How long figures by the hour are kept; those by the day are kept for ever.
    pub hour_rows_kept_s: i64,
    /// Orders that one search looks at before it answers with a short page.
    pub search_scan_max: usize,
    /// Idle read connections kept open, for each file.
    pub read_connections_kept_max: usize,
}

impl Default for ProjectionOptions {
    fn default() -> Self {
        Self {
            utc_offset_minutes: 0,
            minute_rows_kept_s: 2 * 24 * 60 * 60,
            hour_rows_kept_s: 366 * 24 * 60 * 60,
            search_scan_max: 20_000,
            read_connections_kept_max: 4,
        }
    }
}

impl ProjectionOptions {
    /// The shop's days, if there can be such.
    pub fn calendar(&self) -> Result<Calendar> {
        let calendar = Calendar::try_new(self.utc_offset_minutes);
        calendar.map_err(|error| Error::Row { what: "utc_offset_minutes".to_owned(), found: error.to_string() })
    }
}

/// Both read models of one data directory.
#[derive(Clone)]
pub struct Projections {
    pub statistics: Arc<SqliteStatistics>,
    pub search: Arc<SqliteSearch>,
}

impl Projections {
    pub fn open(data_dir: &Path, options: ProjectionOptions) -> Result<Self> {
        let dir = data_dir.join(DIRECTORY);
        std::fs::create_dir_all(&dir)
            .map_err(|source| Error::Io { action: "make the projections' directory", source })?;
        Ok(Self {
            statistics: Arc::new(SqliteStatistics::open(&dir, options)?),
            search: Arc::new(SqliteSearch::open(&dir, options)?),
        })
    }

    /// Throws both away; they are filled again from the store. For a store that has lost what they may hold.
    pub fn forget(data_dir: &Path) -> Result<()> {
        match std::fs::remove_dir_all(data_dir.join(DIRECTORY)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Io { action: "remove the projections", source })
            }
            _ => Ok(()),
        }
    }
}
