//! What a database can answer with besides rows, sorted by what the caller can do about it.
//!
//! Inside this crate every statement ends in a [`Fault`]; at the port it becomes one of the four errors that callers
//! know. What must never happen: a lost reply to a COMMIT told as a failure, or a duplicate key told as an outage.

use mysql_async::{Error as DriverError, ServerError};

/// One statement's failure.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No connection, or it broke: what was sent before a COMMIT is rolled back by the server.
    #[error("{0}")]
    Away(String),
    /// A deadlock, or a lock that was not given in time. The transaction is gone; it may be run again.
    #[error("{0}")]
    Contended(String),
    /// Somebody else has stored this key meanwhile.
    #[error("{0}")]
    Duplicate(String),
    /// The bucket is not served here, or not written at this moment; the map of buckets is old.
    #[error("the bucket is moving to another shard")]
    Moved,
    /// The server refuses this very statement or value, and will again.
    #[error("{0}")]
    Refused(String),
}

const DUPLICATE_KEY: u16 = 1062;
const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
/// MariaDB's word for a row that changed under a transaction's snapshot.
const RECORD_CHANGED: u16 = 1020;
/// The server is full, going down, read-only, or has cut this session off.
const AWAY: &[u16] =
    &[1040, 1053, 1077, 1079, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1290, 1317, 1792, 1836, 1927, 1969, 3024];

impl From<DriverError> for Fault {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Server(ServerError { code, message, .. }) => {
                let said = format!("{message} ({code})");
                match code {
                    DUPLICATE_KEY => Self::Duplicate(said),
                    LOCK_WAIT_TIMEOUT | DEADLOCK | RECORD_CHANGED => Self::Contended(said),
                    code if AWAY.contains(&code) => Self::Away(said),
                    _ => Self::Refused(said),
                }
            }
            other => Self::Away(other.to_string()),
        }
    }
}

impl Fault {
    /// As the port says it, where nothing was committed.
    pub(crate) fn undone(self, engine: &'static str) -> doos_ports::Error {
        match self {
            Self::Away(cause) => doos_ports::Error::Unavailable { engine, cause },
            Self::Contended(_) => doos_ports::Error::Busy { engine },
            Self::Moved => doos_ports::Error::Unavailable { engine, cause: self.to_string() },
            Self::Duplicate(cause) | Self::Refused(cause) => doos_ports::Error::Broken { engine, cause },
        }
    }

    /// As the port says it, where it was the COMMIT (or a statement that commits itself) that failed.
    pub(crate) fn unknown(self, engine: &'static str) -> doos_ports::Error {
        match self {
            Self::Away(cause) => doos_ports::Error::Unknown { engine, cause },
            other => other.undone(engine),
        }
    }

    pub(crate) fn row(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Refused(format!("a row of {what} cannot be read: {error}"))
    }
}

/// Why the cluster's databases cannot be opened or migrated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{option}` is not a database address: {cause}; expected mysql://USER:PASSWORD@HOST:PORT/DATABASE")]
    Address { option: String, cause: String },
    #[error("{first} and {second} are the same database; every context needs its own")]
    SharedDatabase { first: String, second: String },
    #[error("no order shard is configured")]
    NoShards,
    #[error("`utc_offset_minutes` cannot be used")]
    Calendar(#[from] doos_domain::statistics::InvalidOffset),
    #[error("{database} cannot be used: {cause}")]
    Database { database: String, cause: String },
    /// Each wrong setting with the line that puts it right.
    #[error("the server of {database} is not set up as DOOS needs it:{}", list(.wrong))]
    Settings { database: String, wrong: Vec<crate::settings::Wrong> },
    #[error(
        "{database} is at schema version {found}, newer than the {known} this program knows; start the newer program"
    )]
    SchemaTooNew { database: String, found: u32, known: u32 },
    #[error("{database} lacks schema versions {missing:?}; run `doos migrate up`")]
    SchemaTooOld { database: String, missing: Vec<u32> },
    #[error("{database}: schema version {version} was applied with other statements than this program has")]
    SchemaChanged { database: String, version: u32 },
    #[error("{database} is being migrated by somebody else")]
    MigrationLocked { database: String },
    #[error("bucket {bucket} is {what}")]
    Topology { bucket: u16, what: &'static str },
    #[error("{0}")]
    Move(String),
    #[error("a move is open; finish it with `doos shards move --resume`, or see `doos shards status`")]
    MoveOpen,
    #[error("another program is moving buckets or archiving at this moment")]
    MoveLocked,
}

fn list(wrong: &[crate::settings::Wrong]) -> String {
    wrong.iter().map(|wrong| format!("\n  {wrong}")).collect()
}
