//! How much is kept, and for how long. Every number has its unit in its name.

use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Orders kept in memory, those that are asked for most; an order is one or two KiB. 0: there is no cache.
    pub orders_max: u64,
    /// So long an order is kept, and up to `ttl_jitter_ms` more, so that what was read together is not read again
    /// together.
    pub ttl_ms: u64,
    pub ttl_jitter_ms: u64,
    /// So long it is remembered that there is no such order.
    pub missing_ttl_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { orders_max: 20_000, ttl_ms: 600_000, ttl_jitter_ms: 60_000, missing_ttl_ms: 10_000 }
    }
}

impl Options {
    pub(crate) fn ttl(&self, is_there: bool, random: u64) -> Duration {
        let ms = match is_there {
            true => self.ttl_ms.saturating_add(random % self.ttl_jitter_ms.saturating_add(1).max(1)),
            false => self.missing_ttl_ms,
        };
        Duration::from_millis(ms.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_together_does_not_end_together() {
        let options = Options::default();
        let ttls: std::collections::BTreeSet<Duration> =
            (0..100_u64).map(|number| options.ttl(true, number * 7_919)).collect();
        assert!(ttls.len() > 90, "{}", ttls.len());
        assert!(ttls.iter().all(|ttl| (600..=660).contains(&ttl.as_secs())));
        assert_eq!(options.ttl(false, 9), Duration::from_secs(10));
        let extreme = Options { ttl_ms: u64::MAX, ttl_jitter_ms: u64::MAX, ..options };
        assert_eq!(extreme.ttl(true, u64::MAX), Duration::from_millis(u64::MAX));
    }
}
