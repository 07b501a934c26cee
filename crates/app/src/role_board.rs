//! How the roles of this process are doing: since when each works or fails, and what its last failure was.
//!
//! It is for looking at only, and begins with nothing at each start.

use doos_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleState {
    /// Since when it works, or fails, without a change.
    pub since: Timestamp,
    pub is_failing: bool,
    /// When it last came to an end of its work, well or not.
    pub last_run: Option<Timestamp>,
    pub last_failure: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub at: Timestamp,
    pub code: &'static str,
    /// For operators; it may name what is inside.
    pub cause: String,
}

#[derive(Default)]
pub struct RoleBoard {
    roles: Mutex<BTreeMap<&'static str, RoleState>>,
}

impl RoleBoard {
    /// A role is about to be run for the first time.
    pub fn begins(&self, name: &'static str, now: Timestamp) {
        let state = RoleState { since: now, is_failing: false, last_run: None, last_failure: None };
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).insert(name, state);
    }

    pub fn ran(&self, name: &'static str, now: Timestamp, failure: Option<&crate::Error>) {
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || RoleState { since: now, is_failing: false, last_run: None, last_failure: None };
        let state = roles.entry(name).or_insert_with(fresh);
        if state.is_failing != failure.is_some() {
            (state.since, state.is_failing) = (now, failure.is_some());
        }
        state.last_run = Some(now);
        if let Some(error) = failure {
            let cause = error.cause().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
            state.last_failure = Some(Failure { at: now, code: error.code(), cause });
        }
    }

    pub fn find(&self, name: &str) -> Option<RoleState> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_role_fails_since_its_first_failure_and_works_since_its_first_success() {
        let board = RoleBoard::default();
        assert_eq!(board.find("relay"), None);
        board.begins("relay", at(1));
        board.ran("relay", at(2), None);
        assert_eq!(board.find("relay").map(|state| (state.since, state.is_failing)), Some((at(1), false)));
        for millis in [3, 4] {
            let away = Error::Unavailable { cause: format!("try {millis}") };
            board.ran("relay", at(millis), Some(&away));
        }
        let state = board.find("relay").unwrap();
        assert_eq!((state.since, state.is_failing, state.last_run), (at(3), true, Some(at(4))));
        let failure = state.last_failure.unwrap();
        assert_eq!((failure.at, failure.code), (at(4), "unavailable"));
        assert!(failure.cause.ends_with("try 4"), "{}", failure.cause);
        board.ran("relay", at(9), None);
        let state = board.find("relay").unwrap();
        assert_eq!((state.since, state.is_failing), (at(9), false));
        assert_eq!(state.last_failure.map(|failure| failure.at), Some(at(4)), "the last failure stays to be read");
    }
}
