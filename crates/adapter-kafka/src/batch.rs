//! One call's messages on their way, and what became of them.
//!
//! What holds: the call is answered when the last of its messages is, and whatever they took of the queue is free again
//! by then, also when the caller has gone away.

use doos_ports::{Error, Result};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

use crate::failure;
use crate::link::Link;

pub(crate) struct Batch {
    link: Arc<Link>,
    len: usize,
    bytes: usize,
    state: Mutex<State>,
}

struct State {
    /// Reports still to come, and one more while the caller is still handing over.
    open: usize,
    delivered: usize,
    /// The first failure that left nothing behind, and the first that may have.
    nothing: Option<KafkaError>,
    unclear: Option<KafkaError>,
    done: Option<oneshot::Sender<()>>,
}

impl Batch {
    /// Takes its share of the queue, or refuses with nothing done.
    pub(crate) fn begin(link: &Arc<Link>, len: usize, bytes: usize) -> Result<(Arc<Self>, oneshot::Receiver<()>)> {
        link.reserve(len, bytes)?;
        let (done, answered) = oneshot::channel();
        let state = State { open: 1, delivered: 0, nothing: None, unclear: None, done: Some(done) };
        let batch = Self { link: Arc::clone(link), len, bytes, state: Mutex::new(state) };
        Ok((Arc::new(batch), answered))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn expect_report(&self) {
        self.state().open += 1;
    }

    /// A report, or the end of handing over.
    pub(crate) fn close_one(&self) {
        let mut state = self.state();
        state.open -= 1;
        if state.open == 0
            && let Some(done) = state.done.take()
        {
            self.link.release(self.len, self.bytes);
            // A caller that has gone away needs no answer.
            let _ = done.send(());
        }
    }

    pub(crate) fn report(&self, failure: Option<&KafkaError>) {
        let mut state = self.state();
        match failure {
            None => state.delivered += 1,
            Some(error) if error.rdkafka_error_code().is_some_and(failure::left_nothing) => {
                state.nothing.get_or_insert_with(|| error.clone());
            }
            Some(error) => {
                state.unclear.get_or_insert_with(|| error.clone());
            }
        }
        drop(state);
        self.close_one();
    }

    /// What to tell the caller, once all reports are there; `stopped` is why handing over ended early.
    pub(crate) fn outcome(&self, stopped: Option<&KafkaError>) -> Result<()> {
        let state = self.state();
        if let Some(error) = &state.unclear {
            return Err(failure::unknown(error));
        }
        let Some(error) = state.nothing.as_ref().or(stopped) else { return Ok(()) };
        if state.delivered > 0 {
            return Err(failure::unknown(format!("{} of {} were published: {error}", state.delivered, self.len)));
        }
        Err(refusal(error))
    }
}

/// Nothing was done, by the first failure.
fn refusal(error: &KafkaError) -> Error {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::InvalidMessage | RDKafkaErrorCode::InvalidRecord) => failure::broken(error),
        _ => failure::not_taken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: KafkaError = KafkaError::MessageProduction(RDKafkaErrorCode::UnknownTopicOrPartition);
    const TIMED_OUT: KafkaError = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);

    fn outcome_of(reports: &[Option<KafkaError>], stopped: Option<&KafkaError>) -> Result<()> {
        let link = Arc::new(Link::new(100, 100));
        let (batch, mut answered) = Batch::begin(&link, reports.len(), 10).unwrap();
        reports.iter().for_each(|_| batch.expect_report());
        batch.close_one();
        for report in reports {
            assert!(answered.try_recv().is_err(), "answered before the last report");
            batch.report(report.as_ref());
        }
        answered.try_recv().unwrap();
        assert_eq!(link.queued(), (0, 0), "the queue's share is free again");
        batch.outcome(stopped)
    }

    #[test]
    fn a_batch_that_is_delivered_whole_is_done() {
        assert!(outcome_of(&[None, None], None).is_ok());
    }

    #[test]
    fn a_time_out_may_have_been_written() {
        let outcome = outcome_of(&[Some(TIMED_OUT)], None);
        assert!(matches!(outcome, Err(Error::Unknown { .. })), "{outcome:?}");
    }

    #[test]
    fn a_batch_of_which_nothing_was_written_is_unavailable() {
        let outcome = outcome_of(&[Some(MISSING), Some(MISSING)], None);
        assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
    }

    #[test]
    fn half_a_batch_is_unknown() {
        let outcome = outcome_of(&[None, Some(MISSING)], None);
        assert!(matches!(outcome, Err(Error::Unknown { .. })), "{outcome:?}");
        let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        let outcome = outcome_of(&[None], Some(&full));
        assert!(matches!(outcome, Err(Error::Unknown { .. })), "{outcome:?}");
    }

    #[test]
    fn a_full_queue_before_the_first_message_is_busy() {
        let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        let link = Arc::new(Link::new(100, 100));
        let (batch, _answered) = Batch::begin(&link, 1, 1).unwrap();
        batch.close_one();
        let outcome = batch.outcome(Some(&full));
        assert!(matches!(outcome, Err(Error::Busy { .. })), "{outcome:?}");
    }
}
