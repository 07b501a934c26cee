//! The one clock of a run: nanoseconds since the run began, the same for all its threads.
//!
//! What must never happen: a time read from elsewhere, so that two parts of a measurement could disagree.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "a load generator measures real time")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub fn now_ns(self) -> u64 {
        u64::try_from(self.since_start().as_nanos()).unwrap_or(u64::MAX)
    }

    pub fn seconds(self) -> f64 {
        self.since_start().as_secs_f64()
    }

    #[expect(clippy::disallowed_methods, reason = "a load generator measures real time")]
    fn since_start(self) -> Duration {
        self.start.elapsed()
    }
}
