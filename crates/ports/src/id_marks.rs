//! The stored high-water marks of order ids.
//!
//! Contract: `take` raises the worker's epoch durably and returns the mark of whoever held the number before; ids
//! start above it. `raise` stores a higher mark under that epoch before any id at or above the old mark is issued, and
//! fails with [`Fenced`](Error::Fenced) once somebody else has taken the number.

use async_trait::async_trait;
use doos_domain::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    pub worker: u8,
    pub epoch: u64,
    /// Everything below may have been issued by an earlier holder.
    pub mark: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("worker number {worker} has been taken by another process")]
    Fenced { worker: u8 },
    #[error(transparent)]
    Engine(#[from] crate::Error),
}

#[async_trait]
pub trait IdMarks: Send + Sync {
    async fn take(&self, worker: u8) -> Result<Tenure, Error>;
    async fn raise(&self, tenure: Tenure, mark: Timestamp) -> Result<(), Error>;
}
