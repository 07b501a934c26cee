//! How the folder's thread learns that there is work, that callers need the machine more, or that it must end.
//!
//! It parks on a condition and is woken for work only while it waits for work: the writer has no time to wake whom it
//! need not. Callers need the machine more while they come so thick that many of them share a group; a consumer's group
//! is one caller, however much is in it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::locks::lock;

/// So many callers in one group have waited for each other. At half of what a machine can serve groups hold two or three.
const PRESSED_LEN: usize = 8;
/// How long one such group speaks for; under load the next one follows much sooner.
const PRESSED_FOR: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct State {
    /// End of what is visible to readers.
    end: u64,
    /// When the last group of many callers was written.
    pressed_at: Option<Instant>,
    waits_for_work: bool,
    is_closed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct FoldSignal {
    state: Mutex<State>,
    changed: Condvar,
}

impl FoldSignal {
    /// The writer's word after each group: how far readers see, and how many callers shared it.
    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long ago the last group was, which decides nothing but when work goes on"
    )]
    pub fn written(&self, end: u64, callers: usize) {
        let mut state = lock(&self.state);
        state.end = state.end.max(end);
        if callers >= PRESSED_LEN {
            state.pressed_at = Some(Instant::now());
        }
        if state.waits_for_work {
            self.changed.notify_all();
        }
    }

    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    /// Whether callers come so thick that they wait for each other.
    #[expect(clippy::disallowed_methods, reason = "as in `written`")]
    pub fn is_pressed(&self) -> bool {
        lock(&self.state).pressed_at.is_some_and(|at| at.elapsed() < PRESSED_FOR)
    }

    /// Waits until there is something after `folded`, but not longer than `longest` if that is given. `false`: end.
    pub fn wait_for_work(&self, folded: u64, longest: Option<Duration>) -> bool {
        lock(&self.state).waits_for_work = true;
        let goes_on = self.wait_while(longest, |state| state.end <= folded);
        lock(&self.state).waits_for_work = false;
        goes_on
    }

    /// Waits for that long, whatever is written meanwhile. `false`: end.
    pub fn wait_out(&self, duration: Duration) -> bool {
        self.wait_while(Some(duration), |_| true)
    }

    fn wait_while(&self, longest: Option<Duration>, mut goes_on: impl FnMut(&State) -> bool) -> bool {
        let state = lock(&self.state);
        let waits = |state: &mut State| !state.is_closed && goes_on(state);
        let state = match longest {
            None => self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner),
            Some(longest) => {
                self.changed.wait_timeout_while(state, longest, waits).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        !state.is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_waited_for_until_it_is_there_or_the_end() {
        let signal = FoldSignal::default();
        std::thread::scope(|scope| {
            let folder = scope.spawn(|| signal.wait_for_work(0, None));
            signal.written(8, 1);
            assert!(folder.join().unwrap());
            let folder = scope.spawn(|| signal.wait_for_work(8, None));
            signal.close();
            assert!(!folder.join().unwrap());
        });
    }

    #[test]
    fn a_wait_with_an_end_ends_without_work_and_one_that_is_to_be_sat_out_with_the_store() {
        let signal = FoldSignal::default();
        assert!(signal.wait_for_work(8, Some(Duration::from_millis(1))));
        signal.written(16, 1);
        std::thread::scope(|scope| {
            let folder = scope.spawn(|| signal.wait_out(Duration::from_secs(3_600)));
            signal.close();
            assert!(!folder.join().unwrap());
        });
    }

    #[test]
    fn callers_are_pressed_for_a_moment_after_many_have_shared_a_group() {
        let signal = FoldSignal::default();
        signal.written(8, PRESSED_LEN - 1);
        assert!(!signal.is_pressed());
        // On a loaded machine this thread may stand still between the two; once is enough.
        let is_pressed = (0..1_000).any(|_| {
            signal.written(8, PRESSED_LEN);
            signal.is_pressed()
        });
        assert!(is_pressed);
        while signal.is_pressed() {
            std::thread::yield_now();
        }
    }
}
