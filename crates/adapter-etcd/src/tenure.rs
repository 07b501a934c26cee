//! How long this process may believe in its lease, by its own clock, and the marks of the names held under it.
//!
//! What holds: the time left is counted from before the question that prolonged the lease was sent, and a tenth of it is
//! never used, for clocks that run apart. Nothing has to run for the belief to end: whoever asks compares with the
//! clock, so a process that was stopped knows it at its first instruction.
//!
//! What must never happen here: a belief that is prolonged by an answer whose question's time is not known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Of the time that a lease was given, the part that is not believed in.
const UNUSED_ONE_IN: u32 = 10;
/// A lease is prolonged when this part of it has passed.
const PROLONG_AT_ONE_IN: u32 = 3;

/// One lease of etcd, from its grant to its end.
#[derive(Debug)]
pub(crate) struct Tenure {
    pub id: i64,
    sure_until_us: AtomicU64,
    due_us: AtomicU64,
    is_over: AtomicBool,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Tenure {
    pub fn new(id: i64, ttl: Duration, asked_at: Duration) -> Self {
        let never = AtomicU64::new(0);
        let tenure = Self { id, sure_until_us: never, due_us: AtomicU64::new(0), is_over: AtomicBool::new(false) };
        tenure.prolong(ttl, asked_at);
        tenure
    }

    pub fn prolong(&self, ttl: Duration, asked_at: Duration) {
        let sure_until = asked_at + (ttl - ttl / UNUSED_ONE_IN);
        self.sure_until_us.fetch_max(micros(sure_until), Ordering::AcqRel);
        self.due_us.fetch_max(micros(asked_at + ttl / PROLONG_AT_ONE_IN), Ordering::AcqRel);
    }

    pub fn is_sure(&self, now: Duration) -> bool {
        !self.is_over() && micros(now) < self.sure_until_us.load(Ordering::Acquire)
    }

    /// When it should be prolonged again.
    pub fn due(&self) -> Duration {
        Duration::from_micros(self.due_us.load(Ordering::Acquire))
    }

    /// etcd has said that there is no such lease any more, or it was given back.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }
}

/// That a name is held, from the revision at which it was got until it is lost.
#[derive(Debug)]
pub(crate) struct Mark {
    pub fence: i64,
    pub tenure: Arc<Tenure>,
    lost: watch::Sender<bool>,
}

impl Mark {
    pub fn new(fence: i64, tenure: Arc<Tenure>) -> Self {
        Self { fence, tenure, lost: watch::Sender::new(false) }
    }

    pub fn lose(&self) {
        self.lost.send_replace(true);
    }

    pub fn is_lost(&self) -> bool {
        self.tenure.is_over() || *self.lost.borrow()
    }

    /// The end of a tenure loses every mark under it, so this hears of that too.
    pub async fn until_lost(&self) {
        let mut lost = self.lost.subscribe();
        // The sender lives in this mark.
        let _ = lost.wait_for(|lost| *lost).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn it_is_believed_in_from_the_question_on_and_not_to_the_last() {
        let tenure = Tenure::new(1, at(5_000), at(1_000));
        assert!(tenure.is_sure(at(1_000)) && tenure.is_sure(at(5_499)));
        assert!(!tenure.is_sure(at(5_500)));
    }

    #[test]
    fn a_late_answer_to_an_early_question_shortens_nothing() {
        let tenure = Tenure::new(1, at(5_000), at(1_000));
        tenure.prolong(at(5_000), at(3_000));
        tenure.prolong(at(5_000), at(2_000));
        assert!(tenure.is_sure(at(7_499)) && !tenure.is_sure(at(7_500)));
        assert_eq!(tenure.due(), Duration::from_micros(4_666_666));
    }

    #[test]
    fn after_its_end_nothing_prolongs_it() {
        let tenure = Tenure::new(1, at(5_000), at(1_000));
        tenure.end();
        tenure.prolong(at(5_000), at(2_000));
        assert!(!tenure.is_sure(at(2_000)));
        assert!(Mark::new(7, Arc::new(tenure)).is_lost());
    }
}
