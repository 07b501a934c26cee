//! Keys under which a caller has just looked for an answer and found none, so that nobody looks again when it is stored.
//!
//! What holds: an entry says up to where there was none; whether one came since is the writer's to know. Entries are
//! bounded, and one that is gone costs a look.

use doos_domain::answer::AnswerKey;
use std::collections::{HashMap, VecDeque};

/// As many as calls may wait for their group; of further ones there is nobody left.
const COUNT_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct Absences {
    /// By the key's hash; the key itself tells two of one hash apart.
    until: HashMap<u64, (AnswerKey, u64)>,
    arrivals: VecDeque<u64>,
}

impl Absences {
    pub fn put(&mut self, hash: u64, key: &AnswerKey, absent_until: u64) {
        if self.until.insert(hash, (key.clone(), absent_until)).is_none() {
            self.arrivals.push_back(hash);
        }
        if self.arrivals.len() > COUNT_MAX
            && let Some(oldest) = self.arrivals.pop_front()
        {
            self.until.remove(&oldest);
        }
    }

    pub fn find(&self, hash: u64, key: &AnswerKey) -> Option<u64> {
        self.until.get(&hash).filter(|(looked_for, _)| looked_for == key).map(|(_, until)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AnswerKey {
        AnswerKey { scope: "customer:1".to_owned(), key: text.to_owned() }
    }

    #[test]
    fn the_number_is_bounded_and_the_latest_look_counts() {
        let mut absences = Absences::default();
        absences.put(1, &key("a"), 10);
        absences.put(1, &key("a"), 20);
        assert_eq!((absences.find(1, &key("a")), absences.find(2, &key("a"))), (Some(20), None));
        for hash in 2..2 + COUNT_MAX as u64 {
            absences.put(hash, &key("a"), 30);
        }
        assert_eq!((absences.find(1, &key("a")), absences.find(2, &key("a"))), (None, Some(30)));
        assert_eq!((absences.until.len(), absences.arrivals.len()), (COUNT_MAX, COUNT_MAX));
    }

    #[test]
    fn another_key_of_the_same_hash_was_not_looked_for() {
        let mut absences = Absences::default();
        absences.put(1, &key("a"), 10);
        assert_eq!(absences.find(1, &key("b")), None);
    }
}
