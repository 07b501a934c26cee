//! A breaker: stops calling what has just failed several times in a row, and tries one call after a pause.

use doos_domain::time::Timestamp;
use std::sync::Mutex;
use std::sync::PoisonError;

const FAILURES_MAX: u32 = 5;
const PAUSE_MS: i64 = 5_000;

#[derive(Default)]
pub struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures_in_a_row: u32,
    /// While open: when the next trial call may go.
    trial_at: Option<Timestamp>,
}

impl Breaker {
    /// Whether a call may go now. While open, one trial may go each pause.
    pub fn admits(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.trial_at {
            Some(trial_at) if now < trial_at => false,
            Some(_) => {
                state.trial_at = Some(now.plus_millis(PAUSE_MS));
                true
            }
            None => true,
        }
    }

    pub fn note(&self, succeeded: bool, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if succeeded {
            *state = State::default();
            return;
        }
        state.failures_in_a_row += 1;
        if state.failures_in_a_row >= FAILURES_MAX {
            state.trial_at = Some(now.plus_millis(PAUSE_MS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_admits_one_trial_a_pause() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            breaker.note(false, at(0));
        }
        assert!(breaker.admits(at(1)));
        breaker.note(false, at(1));
        assert!(!breaker.admits(at(2)) && !breaker.admits(at(5_000)));
        assert!(breaker.admits(at(5_001)));
        assert!(!breaker.admits(at(5_002)), "only one trial a pause");
        breaker.note(true, at(5_003));
        assert!(breaker.admits(at(5_003)));
    }

    #[test]
    fn a_success_between_failures_keeps_it_closed() {
        let breaker = Breaker::default();
        for round in 0..20 {
            breaker.note(round % 4 == 3, at(round));
        }
        assert!(breaker.admits(at(20)));
    }
}
