//! A comparison: ours and theirs, round by round, and what is reported of it.

use anyhow::Result;

use crate::clock::Clock;
use crate::load::Tally;
use crate::report::{Against, Goal, Row, median};
use crate::session::Session;

const WARM_UP_S: f64 = 0.5;

/// What a comparison found, round by round.
#[derive(Default)]
pub struct Rounds {
    pub tally: Tally,
    pub per_s: Vec<f64>,
}

impl Rounds {
    pub fn add(&mut self, tally: &Tally) {
        self.per_s.push(tally.per_s());
        self.tally.merge(tally);
    }

    pub fn median_per_s(&self) -> f64 {
        median(&self.per_s)
    }
}

/// The load of a scenario, for so many seconds.
type Run<'r, 'a> = &'r mut dyn FnMut(&mut Session<'a>, f64) -> Result<Tally>;

impl<'a> Session<'a> {
    /// Ours, theirs, ours, theirs …, each for the seconds of the run, after a warm-up of both.
    pub fn compare(
        &mut self,
        name: &str,
        ours: Run<'_, 'a>,
        theirs: Option<Run<'_, 'a>>,
    ) -> Result<(Rounds, Option<Rounds>)> {
        let seconds = self.options.seconds as f64;
        let mut theirs = theirs;
        // With a count, a warm-up would be a whole run.
        if self.options.count.is_none() && self.options.rate_per_s.is_none() {
            self.progress.say(&format!("{name}: warming up"));
            ours(self, WARM_UP_S)?;
            if let Some(theirs) = theirs.as_deref_mut() {
                theirs(self, WARM_UP_S)?;
            }
        }
        let (mut found, mut bare) = (Rounds::default(), Rounds::default());
        for round in 1..=self.options.rounds {
            let clock = Clock::start();
            found.add(&ours(self, seconds)?);
            let mut words = format!("{name}: round {round} of {}, {:.0}/s", self.options.rounds, last(&found));
            if let Some(theirs) = theirs.as_deref_mut() {
                bare.add(&theirs(self, seconds)?);
                words = format!("{words} next to {:.0}/s", last(&bare));
            }
            self.progress.say(&format!("{words} ({:.0} s)", clock.seconds()));
        }
        Ok((found, theirs.is_some().then_some(bare)))
    }

    /// Adds what a comparison found to the report.
    pub fn report(
        &mut self,
        scenario: &'static str,
        what: &str,
        found: &Rounds,
        against: Option<(&str, &Rounds)>,
    ) -> &mut Row {
        let mut numbers = found.tally.numbers();
        numbers.per_s = found.median_per_s();
        let against = against.map(|(name, theirs)| {
            let ratios: Vec<f64> = found.per_s.iter().zip(&theirs.per_s).map(|(ours, theirs)| ours / theirs).collect();
            Against {
                name: name.to_owned(),
                per_s: theirs.median_per_s(),
                latency: theirs.tally.latency.percentiles(),
                ratio: median(&ratios),
                rounds_per_s: theirs.per_s.clone(),
            }
        });
        let mut row = Row {
            scenario,
            what: what.to_owned(),
            rounds_per_s: found.per_s.clone(),
            numbers,
            against,
            goal: None,
            remarks: Vec::new(),
        };
        row.remark_failures();
        self.rows.push(row);
        self.rows.last_mut().expect("it was pushed just now")
    }
}

fn last(rounds: &Rounds) -> f64 {
    rounds.per_s.last().copied().unwrap_or_default()
}

impl Row {
    /// What a rate alone would hide.
    fn remark_failures(&mut self) {
        let numbers = &self.numbers;
        if numbers.unsent > 0 {
            self.remarks.push(format!("{} arrivals were never sent: the load had to end", numbers.unsent));
        }
        for (cause, times) in &numbers.causes {
            self.remarks.push(format!("{times} calls failed: {cause}"));
        }
    }

    /// The goal for the ratio, where there is one.
    pub fn expect_ratio(&mut self, least: f64) {
        self.goal = self.against.as_ref().map(|against| Goal::at_least(least, against.ratio));
    }

    pub fn expect_p99(&mut self, most_ms: f64) {
        self.goal = self.numbers.latency.map(|latency| Goal::below_ms("p99", most_ms, latency.p99_ms));
    }
}
