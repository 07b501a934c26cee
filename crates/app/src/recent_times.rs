//! How long something took, the last thousand times: for percentiles of the present, not of all time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const KEPT_MAX: usize = 1_024;

#[derive(Default)]
pub struct RecentTimes {
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    micros: Vec<u64>,
    next: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// How many times they are of.
    pub count: usize,
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl RecentTimes {
    pub fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let place = ring.next;
        if ring.micros.len() < KEPT_MAX {
            ring.micros.push(micros);
        } else {
            ring.micros[place] = micros;
        }
        ring.next = (place + 1) % KEPT_MAX;
    }

    pub fn percentiles(&self) -> Percentiles {
        let mut micros = self.ring.lock().unwrap_or_else(PoisonError::into_inner).micros.clone();
        micros.sort_unstable();
        // The smallest of them that is not exceeded by so many of a hundred.
        let at = |percent: usize| {
            let rank = (micros.len() * percent).div_ceil(100).max(1) - 1;
            Duration::from_micros(micros.get(rank).copied().unwrap_or(0))
        };
        Percentiles { count: micros.len(), p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_times() {
        let times = RecentTimes::default();
        assert_eq!(times.percentiles(), Percentiles::default());
        times.add(Duration::from_secs(9));
        for _ in 0..10 {
            (1..=100).for_each(|millis| times.add(Duration::from_millis(millis)));
        }
        assert_eq!(times.percentiles().max, Duration::from_secs(9));
        for _ in 0..11 {
            (1..=100).for_each(|millis| times.add(Duration::from_millis(millis)));
        }
        let seen = times.percentiles();
        let millis = [seen.p50, seen.p95, seen.p99, seen.max].map(|time| time.as_millis());
        assert_eq!((seen.count, seen.max), (KEPT_MAX, Duration::from_millis(100)));
        assert!(
            millis[0].abs_diff(50) <= 2 && millis[1].abs_diff(95) <= 1 && millis[2].abs_diff(99) <= 1,
            "{millis:?}"
        );
    }
}
