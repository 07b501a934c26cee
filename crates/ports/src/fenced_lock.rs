//! A lock between processes that may be lost while it is held, and a number that tells the holders apart.
//!
//! What holds: names are taken together or not at all; a lock goes by itself some time after its holder has died. Every
//! taking is given a higher number (the fence) than all before it, also across a loss of the lock's memory.
//!
//! What must never happen: a holder that trusts its lock. It may have been paused past its end; whatever it writes
//! carries the fence, and the place it writes to refuses one lower than it has seen.

use async_trait::async_trait;

use crate::Result;

#[async_trait]
pub trait FencedLock: Send + Sync {
    /// Waits for its turn, for a bounded time; then `Busy`.
    async fn take(&self, names: &[String]) -> Result<Held>;

    /// Gives the names back, if they are still held by this taking. A lock lost meanwhile is no error.
    async fn give_back(&self, held: Held) -> Result<()>;
}

/// One taking of some names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub names: Vec<String>,
    /// Only who knows it can give the lock back.
    pub token: String,
    pub fence: u64,
}
