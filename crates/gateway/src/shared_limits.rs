//! Limits that all gateways of a cluster share, behind this process's own.
//!
//! What holds: whoever passes the local bucket is counted in the shared one too. An engine that is away, or slow, is
//! left alone with a growing pause, up to half a minute after ten tries, while the local buckets alone decide; then one
//! caller at a time tries again.
//!
//! What must never happen: a request that fails, or waits longer than a moment, because the engine is away.

use doos_ports::clock::Clock;
use doos_ports::rate_limits::{Rate, SharedLimits, Taken};
use futures::future::{Either, select};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest wait for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_millis(100);
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// Reached with the tenth try.
const PAUSE_MOST: Duration = Duration::from_secs(30);

pub struct SharedBuckets {
    limits: Arc<dyn SharedLimits>,
    clock: Arc<dyn Clock>,
    away: Mutex<Away>,
}

#[derive(Default)]
struct Away {
    /// In a row without an answer.
    tries: u32,
    /// By the monotonic clock; nobody asks before.
    until: Duration,
}

impl Away {
    fn pause(&self) -> Duration {
        PAUSE_FIRST.saturating_mul(1 << self.tries.min(20)).min(PAUSE_MOST)
    }
}

impl SharedBuckets {
    pub fn new(limits: Arc<dyn SharedLimits>, clock: Arc<dyn Clock>) -> Self {
        Self { limits, clock, away: Mutex::default() }
    }

    /// Takes one token. `Err` says after how long there may be one; without an answer the call is let through.
    pub async fn take(&self, key: &str, rate: Rate) -> Result<(), Duration> {
        if !self.may_ask() {
            return Ok(());
        }
        let asked = self.limits.take(key, rate, 1);
        let taken = match select(asked, self.clock.sleep(ANSWERED_WITHIN)).await {
            Either::Left((taken, _)) => taken,
            Either::Right(_) => Taken::Away,
        };
        match taken {
            Taken::Away => {
                self.was_away();
                Ok(())
            }
            Taken::Granted => {
                self.was_there();
                Ok(())
            }
            Taken::Refused { retry_after } => {
                self.was_there();
                Err(retry_after)
            }
        }
    }

    fn away(&self) -> MutexGuard<'_, Away> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_ask(&self) -> bool {
        let mut away = self.away();
        if away.tries == 0 {
            return true;
        }
        let now = self.clock.monotonic();
        if now < away.until {
            return false;
        }
        // The others go on without an answer until this caller has one.
        away.until = now + away.pause();
        true
    }

    fn was_away(&self) {
        let now = self.clock.monotonic();
        let mut away = self.away();
        if away.tries == 0 {
            tracing::warn!("the shared rate limits are away; each gateway limits by itself");
        }
        away.until = now + away.pause();
        away.tries = away.tries.saturating_add(1);
    }

    fn was_there(&self) {
        let mut away = self.away();
        if away.tries > 0 {
            tracing::info!("the shared rate limits are there again");
            away.tries = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use doos_domain::time::Timestamp;
    use futures::executor::block_on;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    #[derive(Default)]
    struct Engine {
        asked: AtomicUsize,
        answers: Mutex<Option<Taken>>,
    }

    #[async_trait]
    impl SharedLimits for Engine {
        async fn take(&self, _key: &str, _rate: Rate, _tokens: u32) -> Taken {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let answer = *self.answers.lock().unwrap();
            match answer {
                Some(taken) => taken,
                None => std::future::pending().await,
            }
        }
    }

    /// Moves on when a test says so; whoever sleeps has slept at once.
    #[derive(Default)]
    struct Stepping(AtomicU64);

    #[async_trait]
    impl Clock for Stepping {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }

        async fn sleep(&self, _duration: Duration) {}

        fn random(&self) -> u64 {
            0
        }
    }

    fn bed(answer: Option<Taken>) -> (Arc<Engine>, Arc<Stepping>, SharedBuckets) {
        let (engine, clock) = (Arc::new(Engine::default()), Arc::new(Stepping::default()));
        *engine.answers.lock().unwrap() = answer;
        let buckets = SharedBuckets::new(Arc::clone(&engine) as _, Arc::clone(&clock) as _);
        (engine, clock, buckets)
    }

    const RATE: Rate = Rate { per_second: 1, burst: 1 };

    #[test]
    fn who_is_refused_is_told_when_to_come_back() {
        let retry_after = Duration::from_secs(3);
        let (_, _, buckets) = bed(Some(Taken::Refused { retry_after }));
        assert_eq!(block_on(buckets.take("amy", RATE)), Err(retry_after));
        assert_eq!(buckets.away().tries, 0);
    }

    #[test]
    fn an_engine_that_is_away_is_asked_ever_more_seldom_and_refuses_nobody() {
        let (engine, clock, buckets) = bed(Some(Taken::Away));
        // An hour of a call every 10 ms.
        for _ in 0..360_000 {
            assert_eq!(block_on(buckets.take("amy", RATE)), Ok(()));
            clock.0.fetch_add(10, Ordering::Relaxed);
        }
        let asked = engine.asked.load(Ordering::Relaxed);
        assert!((120..=135).contains(&asked), "{asked}: ten tries, then one every half minute");
        *engine.answers.lock().unwrap() = Some(Taken::Granted);
        clock.0.fetch_add(30_000, Ordering::Relaxed);
        assert_eq!(block_on(buckets.take("amy", RATE)), Ok(()));
        assert_eq!(buckets.away().tries, 0);
    }

    #[test]
    fn an_engine_that_does_not_answer_is_waited_for_once_in_a_pause() {
        let (engine, _, buckets) = bed(None);
        for _ in 0..100 {
            assert_eq!(block_on(buckets.take("amy", RATE)), Ok(()));
        }
        assert_eq!(engine.asked.load(Ordering::Relaxed), 1);
        assert_eq!(buckets.away().tries, 1);
    }
}
