//! Issues order ids: lock-free, one counter a bucket, unique over restarts, pauses and clock steps.
//!
//! What holds: an id's time part lies below the mark that its worker has stored durably, so whoever takes the worker
//! number next starts above everything issued before. A clock that steps back changes nothing: each bucket's counter
//! only grows. A burst may borrow at most one second from the future; then [`Exhausted::Ahead`] asks for a pause.
//!
//! What must never happen: issuing at or above the mark. Storing the mark is the owner's work (see `IdMarks` in ports).

use std::sync::atomic::{AtomicU64, Ordering};

use super::{BUCKET_COUNT, Bucket, EPOCH_MILLIS, OrderId, SEQUENCE_BITS, TIME_SHIFT, WORKER_BITS, WORKER_COUNT};
use crate::time::Timestamp;

/// How far the sequence may run ahead of the clock.
pub const BORROW_MAX_MS: u64 = 1_000;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Exhausted {
    #[error("this bucket's ids run a full second ahead of the clock")]
    Ahead,
    #[error("ids up to the stored mark are used up; the mark must be raised first")]
    MarkReached,
}

/// The ids of one worker number under one epoch.
pub struct Generator {
    worker: u64,
    /// Per bucket, `ms since 2026 << 6 | sequence` of the next id.
    next: Vec<AtomicU64>,
    /// The highest time any caller came with, and the tenure's start at first (after a restart it lies ahead of the
    /// clock by as much as the last mark did): a clock that steps back does not make us run ahead.
    highest_now_ms: AtomicU64,
    /// First millisecond (since 2026) that may not be issued yet.
    mark_ms: AtomicU64,
}

impl Generator {
    /// Starts above `start` (the mark of the number's previous holder, or now) and may issue below `mark`.
    pub fn new(worker: u8, start: Timestamp, mark: Timestamp) -> Self {
        assert!(worker < WORKER_COUNT, "worker numbers have six bits");
        let start_ms = since_epoch_ms(start);
        let first = start_ms << SEQUENCE_BITS;
        let next = (0..BUCKET_COUNT).map(|_| AtomicU64::new(first)).collect();
        Self {
            worker: u64::from(worker),
            next,
            highest_now_ms: AtomicU64::new(start_ms),
            mark_ms: AtomicU64::new(since_epoch_ms(mark)),
        }
    }

    /// The mark below which ids may be issued.
    pub fn mark(&self) -> Timestamp {
        Timestamp::from_millis(self.mark_ms.load(Ordering::Acquire) as i64 + EPOCH_MILLIS)
    }

    /// To be called once the higher mark is durable; a lower one is ignored.
    pub fn raise_mark(&self, mark: Timestamp) {
        self.mark_ms.fetch_max(since_epoch_ms(mark), Ordering::AcqRel);
    }

    pub fn next(&self, bucket: Bucket, now: Timestamp) -> Result<OrderId, Exhausted> {
        let now_ms = since_epoch_ms(now);
        let highest_now_ms = self.highest_now(now_ms);
        let mark_ms = self.mark_ms.load(Ordering::Acquire);
        let counter = &self.next[usize::from(bucket.get())];
        let mut seen = counter.load(Ordering::Relaxed);
        loop {
            let candidate = seen.max(now_ms << SEQUENCE_BITS);
            let (time_ms, sequence) = (candidate >> SEQUENCE_BITS, candidate & ((1 << SEQUENCE_BITS) - 1));
            if time_ms >= mark_ms {
                return Err(Exhausted::MarkReached);
            }
            if time_ms > highest_now_ms + BORROW_MAX_MS {
                return Err(Exhausted::Ahead);
            }
            match counter.compare_exchange_weak(seen, candidate + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(self.compose(time_ms, bucket, sequence)),
                Err(current) => seen = current,
            }
        }
    }

    /// Written only when time has moved on, so that threads do not fight over it.
    fn highest_now(&self, now_ms: u64) -> u64 {
        let highest = self.highest_now_ms.load(Ordering::Relaxed);
        if now_ms <= highest {
            return highest;
        }
        self.highest_now_ms.fetch_max(now_ms, Ordering::Relaxed);
        now_ms
    }

    fn compose(&self, time_ms: u64, bucket: Bucket, sequence: u64) -> OrderId {
        let number = time_ms << TIME_SHIFT
            | u64::from(bucket.get()) << (WORKER_BITS + SEQUENCE_BITS)
            | self.worker << SEQUENCE_BITS
            | sequence;
        OrderId::new(number).expect("time starts above zero and 41 bits of it last until 2095")
    }
}

/// At least one, so that no id is ever zero even on a clock that stands before 2026.
fn since_epoch_ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis() - EPOCH_MILLIS).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;
    use std::collections::BTreeSet;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(EPOCH_MILLIS + millis)
    }

    fn user(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    #[test]
    fn an_id_tells_its_bucket_worker_and_time() {
        let ids = Generator::new(5, at(0), at(1_000_000));
        let id = ids.next(user(1_025).bucket(), at(77_000)).unwrap();
        assert_eq!((id.bucket(), id.worker(), id.issued_at()), (user(1).bucket(), 5, at(77_000)));
    }

    #[test]
    fn ids_grow_and_never_repeat_when_the_clock_steps_back() {
        let ids = Generator::new(1, at(10_000), at(1_000_000));
        let bucket = user(7).bucket();
        let mut seen = BTreeSet::new();
        let mut last = 0;
        for now in [50_000, 50_001, 49_900, 49_500, 50_002] {
            for _ in 0..500 {
                let id = ids.next(bucket, at(now)).unwrap();
                assert!(id.get() > last && seen.insert(id));
                last = id.get();
            }
        }
    }

    #[test]
    fn a_bucket_borrows_one_second_and_then_asks_for_a_pause() {
        let ids = Generator::new(1, at(0), at(1_000_000));
        let bucket = user(7).bucket();
        let issued = std::iter::from_fn(|| ids.next(bucket, at(5_000)).ok()).count();
        assert_eq!(issued, 64 * 1_001);
        assert_eq!(ids.next(bucket, at(5_000)), Err(Exhausted::Ahead));
        assert!(ids.next(bucket, at(5_002)).is_ok());
    }

    #[test]
    fn a_clock_stepped_far_back_stops_nobody() {
        let ids = Generator::new(1, at(0), at(100_000_000));
        let bucket = user(7).bucket();
        let before = ids.next(bucket, at(3_600_000)).unwrap();
        for _ in 0..1_000 {
            assert!(ids.next(bucket, at(10_000)).unwrap().get() > before.get());
        }
    }

    #[test]
    fn nothing_is_issued_at_or_above_the_mark_until_it_is_raised() {
        let ids = Generator::new(1, at(0), at(5_000));
        let bucket = user(7).bucket();
        assert!(ids.next(bucket, at(4_999)).is_ok());
        assert_eq!(ids.next(bucket, at(5_000)), Err(Exhausted::MarkReached));
        ids.raise_mark(at(6_000));
        ids.raise_mark(at(5_500));
        assert_eq!(ids.next(bucket, at(5_999)).unwrap().issued_at(), at(5_999));
    }

    #[test]
    fn the_next_holder_of_a_number_starts_above_the_mark_of_the_last() {
        let first = Generator::new(3, at(0), at(9_000));
        let bucket = user(7).bucket();
        let last = std::iter::from_fn(|| first.next(bucket, at(8_500)).ok()).last().unwrap();
        let second = Generator::new(3, first.mark(), at(20_000));
        // Its clock stands an hour behind; it still issues above everything before.
        let id = second.next(bucket, at(8_500)).unwrap();
        assert!(id.get() > last.get());
    }

    #[test]
    fn threads_never_get_the_same_id() {
        let ids = Generator::new(1, at(0), at(1_000_000));
        let bucket = user(7).bucket();
        let all: Vec<OrderId> = std::thread::scope(|scope| {
            let issue = || (0..10_000).map(|_| ids.next(bucket, at(30_000)).unwrap()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(issue)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
