//! The callbacks that wait, in the order in which they are due.
//!
//! What holds: at most so many wait as the limit says; a further one is dropped, counted and logged, as real providers
//! lose one now and then. A callback stays in its place until it is answered, so a sender that is dropped half-way
//! sends it again.

use std::collections::BTreeMap;

use doos_domain::time::Timestamp;

use super::Receipt;
use super::notice::Notice;

/// A place in the queue: when it is due, and among those due together which was first.
pub(super) type Slot = (Timestamp, u64);

pub(super) struct Outgoing {
    waiting: BTreeMap<Slot, Notice>,
    waiting_max: usize,
    next_number: u64,
    lost: u64,
}

impl Outgoing {
    pub(super) const fn new(waiting_max: usize) -> Self {
        Self { waiting: BTreeMap::new(), waiting_max, next_number: 0, lost: 0 }
    }

    pub(super) fn push(&mut self, due: Timestamp, notice: Notice) {
        if self.waiting.len() >= self.waiting_max {
            self.lose(&notice, "too many callbacks wait; one is dropped");
            return;
        }
        self.waiting.insert((due, self.next_number), notice);
        self.next_number += 1;
    }

    pub(super) fn due(&self, now: Timestamp, len_max: usize) -> Vec<(Slot, Notice)> {
        let due = self.waiting.range(..=(now, u64::MAX)).take(len_max);
        due.map(|(slot, notice)| (*slot, notice.clone())).collect()
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn answered(&mut self, slot: Slot, receipt: Receipt, now: Timestamp, retry_ms: &[u64]) {
        let Some(mut notice) = self.waiting.remove(&slot) else { return };
        if !notice.is_genuine() {
            return;
        }
        match receipt {
            Receipt::Accepted if notice.repeats_left == 0 => {}
            Receipt::Accepted => {
                notice.repeats_left -= 1;
                self.push(now, notice);
            }
            Receipt::Refused => match retry_ms.get(notice.refusals) {
                Some(after_ms) => {
                    notice.refusals += 1;
                    self.push(now.plus_millis(i64::try_from(*after_ms).unwrap_or(i64::MAX)), notice);
                }
                None => self.lose(&notice, "nobody accepted a callback to the end of its schedule"),
            },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    fn lose(&mut self, notice: &Notice, why: &'static str) {
        self.lost += 1;
        tracing::warn!(attempt_id = %notice.attempt_id(), lost = self.lost, "{why}");
    }
}
