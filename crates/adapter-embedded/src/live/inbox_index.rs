//! Which messages wait and which are parked, per consumer and order, in memory.
//!
//! Rebuilt at start from the stored rows. While nothing waits, asking for what is due costs nothing. Of each order
//! only the first waiting message can be due: those behind it wait for it.

use doos_domain::ids::MessageId;
use doos_domain::message::Consumer;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::record::slot;

/// Dead letters in the order they are shown: oldest first.
type ParkedKey = (i64, u64, MessageId);

#[derive(Debug, Default)]
struct Line {
    /// By order of arrival, with the time at which each is tried again.
    waiting: BTreeMap<(u64, MessageId), i64>,
    parked: BTreeSet<MessageId>,
}

impl Line {
    fn first_due(&self) -> Option<i64> {
        self.waiting.first_key_value().map(|(_, next_at)| *next_at)
    }
}

#[derive(Debug, Default)]
struct ConsumerInbox {
    lines: HashMap<u64, Line>,
    /// When each order's first waiting message is due.
    due: BTreeSet<(i64, u64)>,
    /// Where each waiting message stands.
    places: HashMap<MessageId, (u64, u64)>,
}

impl ConsumerInbox {
    fn change<T>(&mut self, order: u64, change: impl FnOnce(&mut Line) -> T) -> T {
        let line = self.lines.entry(order).or_default();
        let before = line.first_due();
        let result = change(line);
        let after = line.first_due();
        let is_empty = line.waiting.is_empty() && line.parked.is_empty();
        if let Some(before) = before {
            self.due.remove(&(before, order));
        }
        if let Some(after) = after {
            self.due.insert((after, order));
        }
        if is_empty {
            self.lines.remove(&order);
        }
        result
    }
}

#[derive(Debug, Default)]
pub(crate) struct InboxIndex {
    consumers: [ConsumerInbox; Consumer::ALL.len()],
    parked: BTreeSet<ParkedKey>,
    parked_places: HashMap<MessageId, (i64, u64, Consumer, u64)>,
}

impl InboxIndex {
    pub fn put_waiting(&mut self, consumer: Consumer, order: u64, sequence: u64, id: MessageId, next_at: i64) {
        self.remove_waiting(consumer, &id);
        let inbox = &mut self.consumers[slot(consumer)];
        inbox.places.insert(id.clone(), (order, sequence));
        inbox.change(order, |line| line.waiting.insert((sequence, id), next_at));
    }

    pub fn remove_waiting(&mut self, consumer: Consumer, id: &MessageId) {
        let inbox = &mut self.consumers[slot(consumer)];
        if let Some((order, sequence)) = inbox.places.remove(id) {
            inbox.change(order, |line| line.waiting.remove(&(sequence, id.clone())));
        }
    }

    pub fn put_parked(&mut self, consumer: Consumer, order: u64, sequence: u64, id: MessageId, parked_at: i64) {
        self.remove_parked(&id);
        self.parked.insert((parked_at, sequence, id.clone()));
        self.consumers[slot(consumer)].change(order, |line| line.parked.insert(id.clone()));
        self.parked_places.insert(id, (parked_at, sequence, consumer, order));
    }

    pub fn remove_parked(&mut self, id: &MessageId) {
        if let Some((parked_at, sequence, consumer, order)) = self.parked_places.remove(id) {
            self.parked.remove(&(parked_at, sequence, id.clone()));
            self.consumers[slot(consumer)].change(order, |line| line.parked.remove(id));
        }
    }

    pub fn is_waiting(&self, consumer: Consumer, id: &MessageId) -> bool {
        self.consumers[slot(consumer)].places.contains_key(id)
    }

    pub fn is_parked(&self, id: &MessageId) -> bool {
        self.parked_places.contains_key(id)
    }

    /// The first waiting message of each order that is due at `now`, longest due first.
    pub fn due(&self, consumer: Consumer, now: i64, limit: usize) -> Vec<MessageId> {
        let inbox = &self.consumers[slot(consumer)];
        let due = inbox.due.iter().take_while(|(next_at, _)| *next_at <= now).take(limit);
        due.filter_map(|(_, order)| inbox.lines.get(order)?.waiting.first_key_value())
            .map(|((_, id), _)| id.clone())
            .collect()
    }

    pub fn next_due(&self, consumer: Consumer) -> Option<i64> {
        self.consumers[slot(consumer)].due.first().map(|(next_at, _)| *next_at)
    }

    /// How many wait and how many are parked.
    pub fn backlog(&self, consumer: Consumer, order: u64) -> (usize, usize) {
        let line = self.consumers[slot(consumer)].lines.get(&order);
        line.map_or((0, 0), |line| (line.waiting.len(), line.parked.len()))
    }

    pub fn waiting_of(&self, consumer: Consumer, order: u64) -> Vec<MessageId> {
        let line = self.consumers[slot(consumer)].lines.get(&order);
        line.map(|line| line.waiting.keys().map(|(_, id)| id.clone()).collect()).unwrap_or_default()
    }

    /// Orders of which something waits or is parked at this consumer.
    pub fn orders(&self, consumer: Consumer) -> Vec<u64> {
        self.consumers[slot(consumer)].lines.keys().copied().collect()
    }

    pub fn waiting_count(&self, consumer: Consumer) -> usize {
        self.consumers[slot(consumer)].places.len()
    }

    /// Parked messages, oldest first, after one of them. If that one is gone, from the beginning: what a reader has
    /// not seen must not be skipped.
    pub fn parked(&self, after: Option<&MessageId>, limit: usize) -> Vec<MessageId> {
        let place = after.and_then(|id| {
            self.parked_places.get(id).map(|(parked_at, sequence, ..)| (*parked_at, *sequence, id.clone()))
        });
        let above = place.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let parked = self.parked.range((above, std::ops::Bound::Unbounded)).take(limit);
        parked.map(|(_, _, id)| id.clone()).collect()
    }

    pub fn parked_count(&self) -> usize {
        self.parked.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSUMER: Consumer = Consumer::Payment;

    fn id(text: &str) -> MessageId {
        MessageId::from_text(text)
    }

    #[test]
    fn only_the_first_of_an_order_is_due_and_the_next_follows_it() {
        let mut index = InboxIndex::default();
        index.put_waiting(CONSUMER, 7, 2, id("second"), 10);
        index.put_waiting(CONSUMER, 7, 1, id("first"), 50);
        index.put_waiting(CONSUMER, 8, 3, id("other"), 40);
        assert_eq!(index.next_due(CONSUMER), Some(40));
        assert_eq!(index.due(CONSUMER, 45, 10), [id("other")]);
        assert_eq!(index.due(CONSUMER, 50, 10), [id("other"), id("first")]);
        index.remove_waiting(CONSUMER, &id("first"));
        assert_eq!(index.due(CONSUMER, 45, 10), [id("second"), id("other")]);
        assert_eq!(index.due(CONSUMER, 45, 1), [id("second")]);
        assert_eq!((index.waiting_count(CONSUMER), index.waiting_count(Consumer::Order)), (2, 0));
    }

    #[test]
    fn a_postponed_message_is_due_at_its_new_time_only() {
        let mut index = InboxIndex::default();
        index.put_waiting(CONSUMER, 7, 1, id("m"), 10);
        index.put_waiting(CONSUMER, 7, 1, id("m"), 90);
        assert_eq!((index.next_due(CONSUMER), index.waiting_count(CONSUMER)), (Some(90), 1));
        index.remove_waiting(CONSUMER, &id("m"));
        assert_eq!((index.next_due(CONSUMER), index.backlog(CONSUMER, 7)), (None, (0, 0)));
        assert!(index.orders(CONSUMER).is_empty());
    }

    #[test]
    fn parked_messages_page_oldest_first_and_none_is_skipped_when_the_mark_is_gone() {
        let mut index = InboxIndex::default();
        for (place, parked_at) in [(1, 30), (2, 10), (3, 20)] {
            index.put_parked(CONSUMER, place, place, id(&place.to_string()), parked_at);
        }
        assert_eq!(index.parked(None, 2), [id("2"), id("3")]);
        assert_eq!(index.parked(Some(&id("3")), 2), [id("1")]);
        index.remove_parked(&id("3"));
        assert_eq!(index.parked(Some(&id("3")), 2), [id("2"), id("1")]);
        assert_eq!((index.parked_count(), index.backlog(CONSUMER, 3)), (2, (0, 0)));
    }
}
