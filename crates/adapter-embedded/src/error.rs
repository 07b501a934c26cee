//! What can go wrong inside the embedded store, and how it looks to those who use a port.
//!
//! A refusal that changed nothing becomes `Busy` or `Unavailable`, a lost reply `Unknown`, and whatever cannot be
//! right on disk `Broken`. Nothing here ever turns an unknown outcome into a known one.

/// The engine's name in every port error.
pub(crate) const ENGINE: &str = "the store";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not {action} the database")]
    Database { action: &'static str, source: rusqlite::Error },
    #[error("the database has schema {found}, this program knows {known}: use the newer program")]
    Schema { found: i64, known: i64 },
    #[error(transparent)]
    Journal(#[from] doos_journal::Error),
    #[error("the record at position {position} cannot be read: {found}")]
    Record { position: u64, found: String },
    #[error("{what} cannot be read: {found}")]
    Row { what: String, found: String },
    #[error("could not {action}")]
    Io { action: &'static str, source: std::io::Error },
    #[error("{0} is not empty; a backup needs a directory of its own")]
    NotEmpty(std::path::PathBuf),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn database(action: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { action, source }
    }

    /// Whether the database has refused a write for a reason that may go away by itself: no room, a failed write, or
    /// somebody else's lock. Its transaction is undone then. A failed sync is none of these.
    pub fn may_pass(&self) -> bool {
        use rusqlite::ffi;
        let Self::Database { source, .. } = self else { return false };
        let Some(refusal) = source.sqlite_error() else { return false };
        match refusal.code {
            rusqlite::ErrorCode::DiskFull
            | rusqlite::ErrorCode::DatabaseBusy
            | rusqlite::ErrorCode::DatabaseLocked
            | rusqlite::ErrorCode::CannotOpen => true,
            rusqlite::ErrorCode::SystemIoFailure => matches!(
                refusal.extended_code,
                ffi::SQLITE_IOERR_WRITE
                    | ffi::SQLITE_IOERR_TRUNCATE
                    | ffi::SQLITE_IOERR_SHMOPEN
                    | ffi::SQLITE_IOERR_SHMSIZE
                    | ffi::SQLITE_IOERR_SHMMAP
            ),
            _ => false,
        }
    }

    /// The chain in one line, for messages that leave this crate as text.
    pub(crate) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        text
    }
}

impl From<Error> for doos_ports::Error {
    fn from(error: Error) -> Self {
        use doos_journal::Error as Journal;
        let cause = error.in_full();
        match error {
            Error::Schema { .. } | Error::Record { .. } | Error::Row { .. } => Self::Broken { engine: ENGINE, cause },
            Error::Journal(Journal::Corrupt { .. } | Journal::Format { .. }) => Self::Broken { engine: ENGINE, cause },
            Error::Database { .. } | Error::Journal(_) | Error::Io { .. } | Error::NotEmpty(_) => {
                Self::Unavailable { engine: ENGINE, cause }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn a_full_disk_may_pass_and_a_failed_sync_or_read_may_not() {
        let refused = |code| Error::database("fold into")(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_BUSY] {
            assert!(refused(code).may_pass(), "{code}");
        }
        for code in [
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_DIR_FSYNC,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_CONSTRAINT,
            ffi::SQLITE_READONLY,
        ] {
            assert!(!refused(code).may_pass(), "{code}");
        }
        assert!(!Error::Record { position: 1, found: "?".to_owned() }.may_pass());
    }
}
