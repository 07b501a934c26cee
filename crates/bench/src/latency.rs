//! Latencies: a histogram of microseconds with three significant digits, so that the slowest one in ten thousand is
//! seen as exactly as the middle.
//!
//! What holds: nothing is averaged and nothing is thrown away; what is longer than an hour counts as an hour.

use hdrhistogram::Histogram;
use serde::Serialize;

const LONGEST_US: u64 = 3_600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

/// What is printed of a histogram, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, SIGNIFICANT_DIGITS);
        Self { histogram: histogram.expect("the bounds are constants that the histogram accepts") }
    }
}

impl Latencies {
    pub fn record_ns(&mut self, latency_ns: u64) {
        self.histogram.saturating_record((latency_ns / 1_000).clamp(1, LONGEST_US));
    }

    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all histograms have the same bounds");
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// How many took so long or longer.
    #[cfg(test)]
    pub fn count_from_ms(&self, least_ms: u64) -> u64 {
        self.histogram.count_between(least_ms * 1_000, LONGEST_US)
    }

    /// None if nothing was recorded: a percentile of nothing is not zero.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        let max_ms = self.histogram.max() as f64 / 1_000.0;
        (self.count() > 0).then(|| Percentiles { p50_ms: at(0.5), p99_ms: at(0.99), p999_ms: at(0.999), max_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(milliseconds: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        milliseconds.into_iter().for_each(|ms| latencies.record_ns(ms * 1_000_000));
        latencies
    }

    #[test]
    fn percentiles_are_those_of_the_values_within_a_thousandth() {
        let found = of(1..=1_000).percentiles().unwrap();
        for (got, want) in
            [(found.p50_ms, 500.0), (found.p99_ms, 990.0), (found.p999_ms, 999.0), (found.max_ms, 1000.0)]
        {
            assert!((got - want).abs() <= want / 500.0, "{got} for {want}");
        }
    }

    #[test]
    fn merged_halves_are_the_whole() {
        let mut merged = of(1..=500);
        merged.merge(&of(501..=1_000));
        assert_eq!(merged.percentiles(), of(1..=1_000).percentiles());
        assert_eq!(merged.count(), 1_000);
    }

    #[test]
    fn nothing_has_no_percentiles_and_the_extremes_are_kept_in_bounds() {
        assert_eq!(Latencies::default().percentiles(), None);
        let mut extreme = Latencies::default();
        extreme.record_ns(0);
        extreme.record_ns(u64::MAX);
        assert_eq!(extreme.count(), 2);
        assert!(extreme.percentiles().unwrap().max_ms >= 3_600_000.0);
    }
}
