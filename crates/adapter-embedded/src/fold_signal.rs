//! How the folder's thread learns that there is work, that others need the disk more, or that it must end.
//!
//! It parks on a condition: woken by every group the writer has written, with a deadline for how long it may be put
//! off. Somebody counts as needing the disk while a group is being written and for as long as groups follow each other
//! closely; how many callers wait in the queue says less, since callers that wait for their answers are in no queue.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::locks::lock;

/// Without a group for so long, nobody is in a hurry.
const QUIET: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
struct State {
    /// End of what is visible to readers.
    end: u64,
    /// Groups begun and groups written.
    begun: u64,
    written: u64,
    is_closed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct FoldSignal {
    state: Mutex<State>,
    changed: Condvar,
}

impl FoldSignal {
    /// The writer's word before each group. Wakes nobody: who parks here waits for the group's end.
    pub fn begun(&self) {
        lock(&self.state).begun += 1;
    }

    /// The writer's word after each group.
    pub fn written(&self, end: u64) {
        let mut state = lock(&self.state);
        state.end = state.end.max(end);
        state.written = state.begun;
        drop(state);
        self.changed.notify_all();
    }

    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    /// Waits until there is something after `folded`, but not longer than `longest` if that is given. `false`: end.
    pub fn wait_for_work(&self, folded: u64, longest: Option<Duration>) -> bool {
        self.wait_while(longest, |state| state.end <= folded)
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

    /// Waits until no group is being written and none has followed the last one for a moment, at most `longest`.
    /// Whether groups still follow.
    #[expect(
        clippy::disallowed_methods,
        reason = "measures its own pause, which decides nothing but when work goes on"
    )]
    pub fn pause(&self, longest: Duration) -> bool {
        let begun = Instant::now();
        let mut state = lock(&self.state);
        loop {
            let left = longest.saturating_sub(begun.elapsed());
            if state.is_closed || left.is_zero() {
                return true;
            }
            let is_writing = state.begun != state.written;
            let (seen, patience) = (state.written, if is_writing { left } else { QUIET });
            let (after, waited) = self
                .changed
                .wait_timeout_while(state, patience, |state| !state.is_closed && state.written == seen)
                .unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() && after.begun == after.written {
                return false;
            }
            state = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn work_is_waited_for_until_it_is_there_or_the_end() {
        let signal = FoldSignal::default();
        std::thread::scope(|scope| {
            let folder = scope.spawn(|| signal.wait_for_work(0, None));
            signal.written(8);
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
        signal.written(16);
        std::thread::scope(|scope| {
            let folder = scope.spawn(|| signal.wait_out(Duration::from_secs(3_600)));
            signal.close();
            assert!(!folder.join().unwrap());
        });
    }

    #[test]
    fn a_pause_ends_when_nothing_follows_and_at_its_longest_when_something_does() {
        let signal = FoldSignal::default();
        assert!(!signal.pause(Duration::from_secs(60)), "nobody writes");
        signal.begun();
        assert!(signal.pause(Duration::from_millis(5)), "a group is being written, however long it takes");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    signal.begun();
                    signal.written(1);
                    std::thread::yield_now();
                }
            });
            // On a loaded machine the other thread may stand still for a moment; once is enough.
            let busy = (0..1_000).any(|_| signal.pause(Duration::from_millis(5)));
            done.store(true, Ordering::Release);
            assert!(busy, "groups follow each other");
        });
    }
}
