//! How the folder's thread learns that there is work, that it may go on, or that it must end.
//!
//! It parks on a condition, never on a clock alone: the only deadline is the longest pause it makes while callers
//! keep the journal busy.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::locks::lock;

#[derive(Debug, Default)]
struct State {
    /// End of what is synced.
    end: u64,
    /// Nobody waits for the writer.
    is_quiet: bool,
    is_closed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct FoldSignal {
    state: Mutex<State>,
    changed: Condvar,
}

impl FoldSignal {
    /// The writer's word after each group.
    pub fn written(&self, end: u64, is_quiet: bool) {
        let mut state = lock(&self.state);
        let matters = state.end == 0 || is_quiet || end > state.end;
        state.end = state.end.max(end);
        state.is_quiet = is_quiet;
        drop(state);
        if matters {
            self.changed.notify_all();
        }
    }

    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    /// Waits until there is something after `folded`. `false`: end.
    pub fn wait_for_work(&self, folded: u64) -> bool {
        let state = lock(&self.state);
        let state = self
            .changed
            .wait_while(state, |state| !state.is_closed && state.end <= folded)
            .unwrap_or_else(PoisonError::into_inner);
        !state.is_closed
    }

    /// Waits until nobody needs the journal, at most so long.
    pub fn pause(&self, longest: Duration) {
        let state = lock(&self.state);
        let paused = self.changed.wait_timeout_while(state, longest, |state| !state.is_closed && !state.is_quiet);
        drop(paused.unwrap_or_else(PoisonError::into_inner));
    }
}
