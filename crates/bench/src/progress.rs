//! Tells how far a run is, on standard error, so that standard output is the result alone.

use std::io::Write;

use crate::clock::Clock;

#[derive(Clone, Copy)]
pub struct Progress {
    clock: Clock,
}

impl Progress {
    pub fn start() -> Self {
        Self { clock: Clock::start() }
    }

    pub fn seconds(self) -> f64 {
        self.clock.seconds()
    }

    pub fn say(self, words: &str) {
        // Nobody listening is no reason to stop measuring.
        let _ = writeln!(std::io::stderr(), "{:>6.1} s  {words}", self.seconds());
    }
}
