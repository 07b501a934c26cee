//! What can go wrong with an engine, seen by those who use it.
//!
//! The one distinction that matters: is the outcome known? `Refused`-like errors changed nothing. `Unknown` may have
//! happened or not; whoever meets it must ask again before telling anybody anything.

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The queue in front of the engine is full; nothing was done. Try again later.
    #[error("{engine} has too much waiting")]
    Busy { engine: &'static str },
    /// The engine is away or has stopped; nothing was done.
    #[error("{engine} is not available: {cause}")]
    Unavailable { engine: &'static str, cause: String },
    /// The reply was lost: it may have been done.
    #[error("{engine} did not say whether it was done: {cause}")]
    Unknown { engine: &'static str, cause: String },
    /// What was stored cannot be read, or breaks a law. Not worth a retry; somebody must look.
    #[error("{engine} holds something that cannot be right: {cause}")]
    Broken { engine: &'static str, cause: String },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether it certainly changed nothing.
    pub const fn outcome_is_known(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    pub const fn is_worth_a_retry(&self) -> bool {
        !matches!(self, Self::Broken { .. })
    }
}
