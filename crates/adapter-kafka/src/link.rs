//! What is known about the way to the brokers: how much is on it, and whether anybody answers at the other end.
//!
//! What holds: while nobody answers, one call at a time is let through to find out, and all others are refused at once.
//! The one that gets through opens the way again. No timer.

use doos_ports::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::failure::{self, ENGINE};

pub(crate) struct Link {
    len_max: usize,
    bytes_max: usize,
    queued: Mutex<Queued>,
    is_away: AtomicBool,
    /// The producer has met an error that it cannot recover from, and must be made anew.
    is_spent: AtomicBool,
    pub(crate) published: AtomicU64,
    pub(crate) failed: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct Queued {
    len: usize,
    bytes: usize,
}

impl Link {
    pub(crate) fn new(len_max: usize, bytes_max: usize) -> Self {
        Self {
            len_max,
            bytes_max,
            queued: Mutex::default(),
            is_away: AtomicBool::new(false),
            is_spent: AtomicBool::new(false),
            published: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that is larger than the queue goes alone.
    pub(crate) fn reserve(&self, len: usize, bytes: usize) -> Result<()> {
        let mut queued = self.lock();
        if queued.len > 0 {
            if self.is_away() {
                return Err(failure::unavailable("no broker answers"));
            }
            if queued.len + len > self.len_max || queued.bytes + bytes > self.bytes_max {
                return Err(Error::Busy { engine: ENGINE });
            }
        }
        *queued = Queued { len: queued.len + len, bytes: queued.bytes + bytes };
        Ok(())
    }

    pub(crate) fn release(&self, len: usize, bytes: usize) {
        let mut queued = self.lock();
        *queued = Queued { len: queued.len - len, bytes: queued.bytes - bytes };
    }

    pub(crate) fn queued(&self) -> (usize, usize) {
        let queued = self.lock();
        (queued.len, queued.bytes)
    }

    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    pub(crate) fn set_away(&self, is_away: bool) {
        if self.is_away.swap(is_away, Ordering::AcqRel) == is_away {
            return;
        }
        if is_away {
            tracing::warn!("no broker answers; messages wait where they are stored");
        } else {
            tracing::info!("the brokers answer again");
        }
    }

    pub(crate) fn set_spent(&self) {
        self.is_spent.store(true, Ordering::Release);
    }

    /// True once for each time that the producer was spent.
    pub(crate) fn take_spent(&self) -> bool {
        self.is_spent.load(Ordering::Acquire) && self.is_spent.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_and_takes_again_once_there_is_room() {
        let link = Link::new(10, 1_000);
        link.reserve(8, 100).unwrap();
        assert!(matches!(link.reserve(3, 1), Err(Error::Busy { .. })), "too many");
        assert!(matches!(link.reserve(1, 901), Err(Error::Busy { .. })), "too large");
        link.reserve(2, 900).unwrap();
        link.release(8, 100);
        link.reserve(8, 100).unwrap();
    }

    #[test]
    fn a_call_larger_than_the_queue_goes_alone() {
        let link = Link::new(10, 1_000);
        link.reserve(50, 5_000).unwrap();
        assert!(matches!(link.reserve(1, 1), Err(Error::Busy { .. })));
    }

    #[test]
    fn while_nobody_answers_one_call_finds_out_and_the_others_are_refused() {
        let link = Link::new(10, 1_000);
        link.set_away(true);
        link.reserve(1, 1).unwrap();
        assert!(matches!(link.reserve(1, 1), Err(Error::Unavailable { .. })));
        link.set_away(false);
        link.reserve(1, 1).unwrap();
    }
}
