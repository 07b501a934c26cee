//! The second level of a cache: bytes by key, shared by all processes, each with the version of what they were made from.
//!
//! Contract: a newer version replaces an older one and never the other way round, whoever comes last. What has been
//! outdated is not found any more, and whoever looked before that cannot put it back: an entry is put for a look that
//! found none, within [`REMEMBERED_MS`] of it, and for so long at least it is remembered what has been outdated. Times are
//! the engine's own, so that all processes have one clock.
//!
//! What must never happen: an error that a reader has to handle. The store behind the cache is always there to be asked.

use async_trait::async_trait;
use std::time::Duration;

/// How long a look is good for, and an outdated version remembered.
pub const REMEMBERED_MS: u64 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    pub version: u64,
    pub bytes: Vec<u8>,
}

/// What a look has found; times are milliseconds of the engine's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    There {
        cached: Cached,
        put_at_ms: u64,
        at_ms: u64,
    },
    Missing {
        at_ms: u64,
    },
    /// The engine is away, or does not answer in time.
    Away,
}

#[async_trait]
pub trait SharedCache: Send + Sync {
    /// `kind` keeps the caches of one shop apart.
    async fn get(&self, kind: &str, key: &str) -> Looked;

    /// Keeps the bytes for so long, unless a newer version is there or has been outdated, or the look was too long ago.
    /// Returns whether it did.
    async fn put(&self, kind: &str, key: &str, cached: &Cached, looked_at_ms: u64, ttl: Duration) -> bool;

    /// Everything older than these versions is not found any more. `false`: the engine has perhaps not heard of all of
    /// them.
    async fn outdate(&self, kind: &str, newer: &[(String, u64)]) -> bool;
}
