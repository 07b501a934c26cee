//! Something that may fail for a while and be tried again: how long until the next try, and what is said about it.
//!
//! What holds: the wait grows from try to try up to a bound, and what the log gets is one line when an outage begins
//! and one when it is over, however many tries lie between.
//!
//! What must never happen: a failed sync waited for like this. After one nobody knows what is on disk.

use std::time::{Duration, Instant};
use tokio::sync::watch;

const WAIT_FIRST: Duration = Duration::from_millis(100);
const WAIT_LONGEST: Duration = Duration::from_secs(10);

/// The pace of the tries.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    next: Option<(Instant, Duration)>,
}

impl Outage {
    /// After a failed try. Returns how long to wait for the next.
    #[expect(clippy::disallowed_methods, reason = "measures its own waits, which decide nothing but when to try again")]
    pub fn failed(&mut self) -> Duration {
        let wait = self.next.map_or(WAIT_FIRST, |(_, wait)| (2 * wait).min(WAIT_LONGEST));
        self.next = Some((Instant::now() + wait, wait));
        wait
    }

    pub fn is_over(&mut self) {
        self.next = None;
    }

    pub fn is_on(&self) -> bool {
        self.next.is_some()
    }

    /// How long the next try is still away; nothing if it may be made now.
    #[expect(clippy::disallowed_methods, reason = "measures its own waits, which decide nothing but when to try again")]
    pub fn left(&self) -> Option<Duration> {
        let (at, _) = self.next?;
        Some(at.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }
}

/// What keeps the store from some of its work just now, for whoever asks.
#[derive(Debug)]
pub(crate) struct Hindrance {
    cause: watch::Sender<Option<String>>,
}

impl Default for Hindrance {
    fn default() -> Self {
        Self { cause: watch::Sender::new(None) }
    }
}

impl Hindrance {
    /// `true`: it is there since now.
    pub fn begins(&self, cause: &str) -> bool {
        self.cause.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert_with(|| cause.to_owned());
            is_first
        })
    }

    /// `true`: it was there until now.
    pub fn ends(&self) -> bool {
        self.cause.send_if_modified(|known| known.take().is_some())
    }

    pub fn cause(&self) -> Option<String> {
        self.cause.borrow().clone()
    }

    #[cfg(test)]
    pub fn watch(&self) -> watch::Receiver<Option<String>> {
        self.cause.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_the_outage() {
        let mut outage = Outage::default();
        assert!(!outage.is_on() && outage.left().is_none());
        let waits: Vec<_> = (0..10).map(|_| outage.failed().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]);
        assert!(outage.is_on() && outage.left().is_some_and(|left| left > Duration::from_secs(5)));
        outage.is_over();
        assert!(!outage.is_on() && outage.left().is_none());
        assert_eq!(outage.failed(), WAIT_FIRST);
    }

    #[test]
    fn a_hindrance_is_news_once_when_it_begins_and_once_when_it_ends() {
        let hindrance = Hindrance::default();
        assert!(!hindrance.ends());
        assert!(hindrance.begins("full") && !hindrance.begins("still full"));
        assert_eq!(hindrance.cause().as_deref(), Some("full"));
        assert!(hindrance.ends() && !hindrance.ends());
        assert!(hindrance.begins("again"));
    }
}
