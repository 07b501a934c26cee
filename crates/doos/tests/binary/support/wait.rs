//! Waiting for a state, with a deadline.

use std::fmt::Debug;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Long enough for a debug build on a machine with other work; nothing that passes takes nearly as long.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks again and again until `look` says `Ok`; after [`PATIENCE`] fails with what the last look saw instead.
pub async fn until<T, Seen: Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, Seen>) -> T {
    let mut last = None;
    let waited = timeout(PATIENCE, async {
        loop {
            match look().await {
                Ok(found) => return found,
                Err(seen) => last = Some(seen),
            }
            sleep(LOOK_EVERY).await;
        }
    });
    let found = waited.await.ok();
    found.unwrap_or_else(|| panic!("waited {PATIENCE:?} for: {what}; last seen: {last:?}"))
}
