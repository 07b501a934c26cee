//! What a subscription has in hand: its partitions, and what was read from them and is not settled.
//!
//! What holds: positions grow in the order of handing out, over all partitions, so that "everything up to here" is a set
//! of offsets, one a partition. A message that could not be read counts as settled as soon as all before it are. What
//! belongs to a partition that is taken away is forgotten at once: its next owner reads it again from the stored offset.
//!
//! What must never happen: an offset settled while a message before it, of the same partition, is not.

use doos_domain::message::Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A record taken from the client.
pub(crate) struct Fetched {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) content: Result<Message, Unreadable>,
}

/// A record that is no message, whole, so that it can be put aside.
pub(crate) struct Unreadable {
    pub(crate) record: rdkafka::message::OwnedMessage,
    pub(crate) cause: String,
}

struct Open {
    position: u64,
    partition: i32,
    offset: i64,
    /// Nobody will acknowledge it.
    is_passed_over: bool,
}

#[derive(Default)]
pub(crate) struct Ledger {
    assigned: BTreeSet<i32>,
    open: VecDeque<Open>,
    /// Read while waiting for readiness, handed out by the next poll.
    pub(crate) waiting: Option<Fetched>,
}

/// Offsets by partition: the next one to read.
pub(crate) type Offsets = BTreeMap<i32, i64>;

impl Ledger {
    pub(crate) fn assign(&mut self, partitions: impl IntoIterator<Item = i32>) {
        self.assigned.extend(partitions);
    }

    pub(crate) fn revoke(&mut self, partitions: impl IntoIterator<Item = i32>) {
        for partition in partitions {
            self.assigned.remove(&partition);
        }
        let assigned = &self.assigned;
        self.open.retain(|open| assigned.contains(&open.partition));
        self.waiting.take_if(|waiting| !assigned.contains(&waiting.partition));
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Notes a record as handed out. False for one of a partition that is not ours any more: it is somebody else's.
    pub(crate) fn hand_out(&mut self, position: u64, partition: i32, offset: i64) -> bool {
        self.note(Open { position, partition, offset, is_passed_over: false })
    }

    pub(crate) fn pass_over(&mut self, position: u64, partition: i32, offset: i64) -> bool {
        self.note(Open { position, partition, offset, is_passed_over: true })
    }

    fn note(&mut self, open: Open) -> bool {
        let is_ours = self.assigned.contains(&open.partition);
        if is_ours {
            self.open.push_back(open);
        }
        is_ours
    }

    /// Settles everything up to a position, and says which offsets may be stored for it.
    pub(crate) fn settle(&mut self, up_to: u64) -> Offsets {
        let mut offsets = Offsets::new();
        while let Some(open) = self.open.pop_front_if(|open| open.position <= up_to || open.is_passed_over) {
            offsets.insert(open.partition, open.offset + 1);
        }
        offsets
    }

    /// Forgets what is open, and says where each partition must be read again.
    pub(crate) fn rewind(&mut self) -> Offsets {
        let mut offsets = Offsets::new();
        for open in self.open.drain(..) {
            offsets.entry(open.partition).or_insert(open.offset);
        }
        if let Some(waiting) = self.waiting.take() {
            offsets.entry(waiting.partition).or_insert(waiting.offset);
        }
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(pairs: &[(i32, i64)]) -> Offsets {
        pairs.iter().copied().collect()
    }

    fn ledger_of(partitions: &[i32]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.assign(partitions.iter().copied());
        ledger
    }

    #[test]
    fn settling_stores_the_offset_behind_the_last_settled_of_each_partition() {
        let mut ledger = ledger_of(&[0, 1]);
        for (position, partition, offset) in [(1, 0, 10), (2, 1, 70), (3, 0, 11), (4, 1, 71)] {
            assert!(ledger.hand_out(position, partition, offset));
        }
        assert_eq!(ledger.settle(3), offsets(&[(0, 12), (1, 71)]));
        assert_eq!(ledger.settle(3), Offsets::new());
        assert_eq!(ledger.settle(9), offsets(&[(1, 72)]));
    }

    #[test]
    fn a_rewind_goes_back_to_the_first_unsettled_of_each_partition() {
        let mut ledger = ledger_of(&[0, 1, 2]);
        for (position, partition, offset) in [(1, 0, 10), (2, 1, 70), (3, 0, 11), (4, 0, 12)] {
            ledger.hand_out(position, partition, offset);
        }
        ledger.settle(2);
        assert_eq!(ledger.rewind(), offsets(&[(0, 11)]));
        assert_eq!(ledger.settle(9), Offsets::new(), "what was rewound is not settled by an old position");
    }

    #[test]
    fn what_waits_to_be_handed_out_is_rewound_too() {
        let mut ledger = ledger_of(&[3]);
        let record = rdkafka::message::OwnedMessage::new(
            None,
            None,
            "t".to_owned(),
            rdkafka::Timestamp::NotAvailable,
            3,
            40,
            None,
        );
        let content = Err(Unreadable { record, cause: "none".to_owned() });
        ledger.waiting = Some(Fetched { partition: 3, offset: 40, content });
        assert_eq!(ledger.rewind(), offsets(&[(3, 40)]));
        assert!(ledger.waiting.is_none());
    }

    #[test]
    fn what_was_passed_over_is_settled_with_what_is_before_it_and_not_earlier() {
        let mut ledger = ledger_of(&[0]);
        ledger.hand_out(1, 0, 10);
        ledger.pass_over(2, 0, 11);
        ledger.hand_out(3, 0, 12);
        assert_eq!(ledger.settle(0), Offsets::new(), "the message before it is not settled");
        assert_eq!(ledger.settle(1), offsets(&[(0, 12)]));
        assert_eq!(ledger.settle(3), offsets(&[(0, 13)]));
    }

    #[test]
    fn a_revoked_partition_leaves_nothing_behind() {
        let mut ledger = ledger_of(&[0, 1]);
        ledger.hand_out(1, 0, 10);
        ledger.hand_out(2, 1, 70);
        ledger.revoke([1]);
        assert!(!ledger.hand_out(3, 1, 71), "it is somebody else's");
        assert_eq!(ledger.settle(9), offsets(&[(0, 11)]));
    }
}
