//! What can go wrong with a journal, in one enum: refusals that changed nothing, damage found on disk, and
//! failures of the disk itself.
//!
//! After [`Error::Io`] from an append the outcome of that group is unknown: it may or may not be there after the
//! next opening, whole in either case. [`Error::changed_nothing`] tells the two apart.

use std::io;

use crate::Position;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("journal option refused: {reason}")]
    Options { reason: &'static str },

    #[error("another process holds this journal")]
    Locked,

    #[error("journal damaged in {segment} at byte {offset}: {found}")]
    Corrupt { segment: String, offset: u64, found: String },

    #[error("{segment} has journal format {version}, this program knows {known}")]
    Format { segment: String, version: u32, known: u32 },

    #[error("could not {action} {file}")]
    Io { action: &'static str, file: String, source: io::Error },

    #[error("no room on the disk for a new segment of {needed_bytes} bytes")]
    Full { needed_bytes: u64, source: io::Error },

    #[error("the journal has stopped; first cause: {cause}")]
    Stopped { cause: String },

    #[error("a group of {bytes} bytes is above the limit of {max} bytes")]
    GroupTooLarge { bytes: u64, max: u64 },

    #[error("a group without records was refused")]
    GroupEmpty,

    #[error("position {position} has been dropped, the oldest kept is {oldest}")]
    Dropped { position: Position, oldest: Position },

    #[error("position {position} lies past the synced end {end}")]
    PastEnd { position: Position, end: Position },
}

impl Error {
    /// Whether the call that returned this is certain to have left the journal as it was. `false` after an append
    /// means: outcome unknown until the next opening.
    pub fn changed_nothing(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }

    pub(crate) fn io(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, file: file.to_owned(), source }
    }
}
