//! When requests arrive in an open loop: fixed before the first one is sent, and never moved by an answer.

/// Arrivals of one lane: the first after `offset_ns`, then one every `interval_ns`.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    offset_ns: f64,
    interval_ns: f64,
    pub count: u64,
}

impl Schedule {
    /// Lane `number` of `lanes`: they take turns, so that together they keep the rate evenly.
    pub fn new(rate_per_s: f64, count: u64, number: usize, lanes: usize) -> Self {
        let one_ns = 1e9 / rate_per_s;
        let (number_u64, lanes_u64) = (number as u64, lanes as u64);
        let own = count / lanes_u64 + u64::from(number_u64 < count % lanes_u64);
        Self { offset_ns: one_ns * number as f64, interval_ns: one_ns * lanes as f64, count: own }
    }

    /// When the arrival with this index should be sent, from the load's start.
    pub fn intended_ns(&self, index: u64) -> u64 {
        (self.offset_ns + self.interval_ns * index as f64) as u64
    }

    /// How many arrivals should have been sent by now.
    pub fn due(&self, now_ns: u64) -> u64 {
        let since_first = now_ns as f64 - self.offset_ns;
        if since_first < 0.0 { 0 } else { ((since_first / self.interval_ns) as u64 + 1).min(self.count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_evenly_spaced_and_due_when_their_time_has_come() {
        let schedule = Schedule::new(1_000.0, 5, 0, 1);
        let times: Vec<_> = (0..5).map(|index| schedule.intended_ns(index)).collect();
        assert_eq!(times, [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]);
        for (now_ns, due) in [(0, 1), (999_999, 1), (1_000_000, 2), (3_999_999, 4), (4_000_000, 5), (u64::MAX, 5)] {
            assert_eq!(schedule.due(now_ns), due, "{now_ns}");
        }
    }

    #[test]
    fn lanes_together_are_the_whole_schedule() {
        let whole = Schedule::new(700.0, 1_003, 0, 1);
        let mut together: Vec<u64> = (0..3)
            .flat_map(|number| {
                let lane = Schedule::new(700.0, 1_003, number, 3);
                (0..lane.count).map(move |index| lane.intended_ns(index))
            })
            .collect();
        together.sort_unstable();
        assert_eq!(together.len(), 1_003);
        for (index, at) in together.iter().enumerate() {
            assert!(at.abs_diff(whole.intended_ns(index as u64)) <= 1, "{index}");
        }
    }
}
