//! Rate limits that several processes share: one token bucket a key.
//!
//! Contract: time is the engine's own, so that all processes have one clock. A bucket that is full again is forgotten.
//! With the engine away nobody is refused here: the caller is told so, and its own local limit is what applies.
//!
//! What must never happen: a request that fails because the limiter does.

use async_trait::async_trait;
use std::time::Duration;

/// Tokens that come back, and how many there are at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Granted,
    Refused {
        retry_after: Duration,
    },
    /// The engine is away: the local limit applies.
    Away,
}

#[async_trait]
pub trait SharedLimits: Send + Sync {
    /// Takes so many tokens from the key's bucket, or none. More than the bucket's size are never granted.
    async fn take(&self, key: &str, rate: Rate, tokens: u32) -> Taken;
}
