//! The real clock: the one place where time is read.
//!
//! What holds: our time never steps. It starts as the machine's wall clock and then goes with the monotonic one; where
//! the two come apart, ours is drawn towards the wall clock by at most one part in twenty. A wall clock that leaps, or
//! is set back, therefore neither ends orders early nor stops ids from being issued; it is alarmed, and followed slowly.

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock is looked at this often, at most.
const LOOK_EVERY_US: u64 = 20_000;
/// Of the time passed, the part by which we may run faster or slower.
const DRAW_ONE_IN: i64 = 20;
const LEAP_US: i64 = 60_000_000;

/// Stored ids so far ahead of the clock mean that a clock was wrong: that of an earlier start, or this one.
const IDS_AHEAD_MAX_MS: i64 = 60 * 60 * 1_000;

/// How far the ids that a store has issued lie ahead of `now`, if that is more than a restart explains. Ids stay unique
/// and in order all the same: they go on above the mark until time has caught up.
pub fn ids_ahead_ms(mark: Option<Timestamp>, now: Timestamp) -> Option<i64> {
    let ahead_ms = mark?.as_millis().saturating_sub(now.as_millis());
    (ahead_ms > IDS_AHEAD_MAX_MS).then_some(ahead_ms)
}

pub struct SystemClock {
    started: Instant,
    /// Our time is this much ahead of the monotonic clock.
    ahead_us: AtomicI64,
    looked_us: AtomicU64,
    leapt: AtomicBool,
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's real engine")]
    pub fn start() -> Self {
        let ahead_us = AtomicI64::new(wall_us());
        Self { started: Instant::now(), ahead_us, looked_us: AtomicU64::new(0), leapt: AtomicBool::new(false) }
    }

    /// Draws our time towards the wall clock; one caller at a time does it, the others go on.
    fn look_at_the_wall(&self, monotonic_us: u64) {
        let looked_us = self.looked_us.load(Ordering::Relaxed);
        let passed_us = monotonic_us.saturating_sub(looked_us);
        if passed_us < LOOK_EVERY_US {
            return;
        }
        let taken = self.looked_us.compare_exchange(looked_us, monotonic_us, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_err() {
            return;
        }
        let apart_us = wall_us() - i64::try_from(monotonic_us).unwrap_or(0) - self.ahead_us.load(Ordering::Relaxed);
        self.ahead_us.fetch_add(drawn_us(apart_us, passed_us), Ordering::Relaxed);
        self.alarm(apart_us);
    }

    /// Once when the clocks come apart, once when they are together again.
    fn alarm(&self, apart_us: i64) {
        let leapt = apart_us.abs() > LEAP_US;
        if self.leapt.swap(leapt, Ordering::Relaxed) == leapt {
            return;
        }
        let apart_ms = apart_us / 1_000;
        if leapt {
            tracing::error!(apart_ms, "the wall clock leapt; we go on by our own time and follow it slowly");
        } else {
            tracing::warn!(apart_ms, "the wall clock and our own time are together again");
        }
    }
}

/// What the machine's clock says, for looks at it from outside a running node.
pub(crate) fn wall_now() -> Timestamp {
    Timestamp::from_millis(wall_us() / 1_000)
}

fn drawn_us(apart_us: i64, passed_us: u64) -> i64 {
    let most = i64::try_from(passed_us).unwrap_or(i64::MAX) / DRAW_ONE_IN;
    apart_us.clamp(-most, most)
}

#[expect(clippy::disallowed_methods, reason = "this is the Clock port's real engine")]
fn wall_us() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let monotonic_us = u64::try_from(self.monotonic().as_micros()).unwrap_or(u64::MAX);
        self.look_at_the_wall(monotonic_us);
        let monotonic_us = i64::try_from(monotonic_us).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.ahead_us.load(Ordering::Relaxed).saturating_add(monotonic_us) / 1_000)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's real engine")]
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_draws_our_time_by_one_part_in_twenty_of_what_passed() {
        assert_eq!(drawn_us(8 * 86_400_000_000, 1_000_000), 50_000);
        assert_eq!(drawn_us(-15_000_000, 1_000_000), -50_000);
        assert_eq!(drawn_us(300, 1_000_000), 300);
        assert_eq!(drawn_us(-300, 1_000_000), -300);
    }

    #[test]
    fn ids_are_ahead_only_beyond_what_a_restart_explains() {
        let now = Timestamp::from_millis(1_790_000_000_000);
        let ahead = |ms| ids_ahead_ms(Some(now.plus_millis(ms)), now);
        assert_eq!((ahead(-86_400_000), ahead(3_000), ahead(3_600_000)), (None, None, None));
        assert_eq!(ahead(9 * 86_400_000), Some(9 * 86_400_000));
        assert_eq!(ids_ahead_ms(None, now), None);
    }

    #[test]
    fn our_time_starts_as_the_wall_clock() {
        let clock = SystemClock::start();
        assert!((clock.now().as_millis() - wall_us() / 1_000).abs() < 60_000);
    }
}
