//! Time and randomness, handed in so that a simulator can own both.

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use std::time::Duration;

#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock. May step; nobody may measure with it.
    fn now(&self) -> Timestamp;

    /// Time since the process started; never steps back.
    fn monotonic(&self) -> Duration;

    async fn sleep(&self, duration: Duration);

    /// A random number, for jitter and for nothing that must be secret.
    fn random(&self) -> u64;
}
