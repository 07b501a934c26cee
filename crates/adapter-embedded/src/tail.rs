//! The tail: an index in memory of everything that is in the journal and not yet folded into the database.
//!
//! What holds: an entry is put in after its record is synced and before its caller is answered, and it leaves only
//! after its fold has committed, and only if no newer one has taken its place. Who looks here first and into the
//! database afterwards therefore never misses anything. Orders, messages and large docs are held by position, the
//! rows themselves are read from the journal; the docs of small tables are kept whole.
//!
//! What must never happen: an entry for a record that is not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::record::{DocHead, OrderHead, Record, runs_ahead};
use crate::table::{Key, Table};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderEntry {
    pub position: u64,
    pub user: u64,
    pub created_ms: i64,
    pub version: u32,
    pub status: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DocValue {
    Whole(Arc<str>),
    InJournal,
    Deleted,
}

#[derive(Clone, Debug)]
pub(crate) struct DocEntry {
    pub position: u64,
    pub owner: u64,
    pub value: DocValue,
}

/// What a record was filed under, so that it can be taken out again once it is folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filed {
    Order(u64),
    Message { order: u64 },
    Answer { hash: u64 },
    Void(u64),
    Doc(Table, Key),
}

impl Filed {
    pub fn of(record: &Record<'_>) -> Self {
        match record {
            Record::Order(head, _) => Self::Order(head.id),
            Record::Message(head, _) => Self::Message { order: head.order },
            Record::Answer(head, _) => Self::Answer { hash: head.hash },
            Record::Void(id) => Self::Void(*id),
            Record::Doc(head, _) => Self::Doc(head.table, head.key.clone()),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tail {
    orders: BTreeMap<u64, OrderEntry>,
    /// Those of them whose id runs ahead of its time.
    ahead: BTreeSet<u64>,
    by_user: BTreeSet<(u64, u64)>,
    messages: BTreeSet<(u64, u64)>,
    answers: BTreeSet<(u64, u64)>,
    voids: BTreeMap<u64, u64>,
    docs: BTreeMap<(Table, Key), DocEntry>,
    owners: BTreeSet<(Table, u64, Key)>,
}

impl Tail {
    pub fn insert(&mut self, position: u64, record: &Record<'_>) {
        match record {
            Record::Order(head, _) => self.insert_order(position, head),
            Record::Message(head, _) => {
                if head.with_order {
                    self.messages.insert((head.order, position));
                }
            }
            Record::Answer(head, _) => {
                self.answers.insert((head.hash, position));
            }
            Record::Void(id) => {
                self.voids.insert(*id, position);
            }
            Record::Doc(head, value) => self.insert_doc(position, head, value),
        }
    }

    fn insert_order(&mut self, position: u64, head: &OrderHead) {
        let OrderHead { id, user, created_ms, version, status } = *head;
        self.orders.insert(id, OrderEntry { position, user, created_ms, version, status });
        self.by_user.insert((user, id));
        if runs_ahead(id, created_ms) {
            self.ahead.insert(id);
        }
    }

    fn insert_doc(&mut self, position: u64, head: &DocHead, value: &str) {
        let layout = head.table.layout();
        let value = match (head.deleted, layout.kept_whole) {
            (true, _) => DocValue::Deleted,
            (false, true) => DocValue::Whole(value.into()),
            (false, false) => DocValue::InJournal,
        };
        if layout.owner.column().is_some() {
            self.owners.insert((head.table, head.owner, head.key.clone()));
        }
        let place = (head.table, head.key.clone());
        let before = self.docs.insert(place, DocEntry { position, owner: head.owner, value });
        if let Some(before) = before.filter(|before| before.owner != head.owner) {
            self.owners.remove(&(head.table, before.owner, head.key.clone()));
        }
    }

    /// Takes out what was filed at or before the position `folded`; a newer entry under the same key stays.
    pub fn remove(&mut self, filed: &Filed, position: u64, folded: u64) {
        match filed {
            Filed::Order(id) => {
                if self.orders.get(id).is_some_and(|entry| entry.position <= folded)
                    && let Some(entry) = self.orders.remove(id)
                {
                    self.by_user.remove(&(entry.user, *id));
                    self.ahead.remove(id);
                }
            }
            Filed::Message { order } => {
                self.messages.remove(&(*order, position));
            }
            Filed::Answer { hash } => {
                self.answers.remove(&(*hash, position));
            }
            Filed::Void(id) => {
                if self.voids.get(id).is_some_and(|position| *position <= folded) {
                    self.voids.remove(id);
                }
            }
            Filed::Doc(table, key) => self.remove_doc(*table, key, folded),
        }
    }

    fn remove_doc(&mut self, table: Table, key: &Key, folded: u64) {
        let place = (table, key.clone());
        if self.docs.get(&place).is_some_and(|entry| entry.position <= folded)
            && let Some(entry) = self.docs.remove(&place)
        {
            self.owners.remove(&(table, entry.owner, place.1));
        }
    }

    pub fn order(&self, id: u64) -> Option<OrderEntry> {
        self.orders.get(&id).copied()
    }

    pub fn order_count(&self) -> usize {
        self.orders.len()
    }

    pub fn is_void(&self, id: u64) -> bool {
        self.voids.contains_key(&id)
    }

    /// Positions of the answers under that hash.
    pub fn answers(&self, hash: u64) -> Vec<u64> {
        self.answers.range((hash, 0)..=(hash, u64::MAX)).map(|(_, position)| *position).collect()
    }

    /// Positions of the messages written with an order, oldest first.
    pub fn messages_of(&self, order: u64) -> Vec<u64> {
        self.messages.range((order, 0)..=(order, u64::MAX)).map(|(_, position)| *position).collect()
    }

    /// At most `scan_max` orders with an id below `before`, newest first, of one user if one is named.
    pub fn newest(&self, user: Option<u64>, before: u64, scan_max: usize) -> Vec<(u64, OrderEntry)> {
        match user {
            Some(user) => {
                let ids = self.by_user.range((user, 0)..(user, before)).rev().take(scan_max);
                ids.filter_map(|(_, id)| self.order(*id).map(|entry| (*id, entry))).collect()
            }
            None => self.orders.range(..before).rev().take(scan_max).map(|(id, entry)| (*id, *entry)).collect(),
        }
    }

    /// At most `scan_max` orders with an id above `after` and below `below`, oldest first.
    pub fn oldest(&self, after: u64, below: u64, scan_max: usize) -> Vec<(u64, OrderEntry)> {
        if after >= below {
            return Vec::new();
        }
        let between = (Bound::Excluded(after), Bound::Excluded(below));
        self.orders.range(between).take(scan_max).map(|(id, entry)| (*id, *entry)).collect()
    }

    /// At most `scan_max` orders with an id above `after` that runs ahead of its time, oldest first.
    pub fn oldest_ahead(&self, after: u64, scan_max: usize) -> Vec<(u64, OrderEntry)> {
        let above = (Bound::Excluded(after), Bound::Unbounded);
        let ids = self.ahead.range(above).take(scan_max);
        ids.filter_map(|id| self.order(*id).map(|entry| (*id, entry))).collect()
    }

    pub fn doc(&self, table: Table, key: &Key) -> Option<&DocEntry> {
        self.docs.get(&(table, key.clone()))
    }

    pub fn docs_of(&self, table: Table) -> Vec<(Key, DocEntry)> {
        let from = (table, Key::from_bytes(&[]));
        let docs = self.docs.range(from..).take_while(|((of, _), _)| *of == table);
        docs.map(|((_, key), entry)| (key.clone(), entry.clone())).collect()
    }

    pub fn docs_beginning(&self, table: Table, prefix: &Key) -> Vec<(Key, DocEntry)> {
        let docs = self.docs.range((table, prefix.clone())..);
        docs.take_while(|((of, key), _)| *of == table && key.as_bytes().starts_with(prefix.as_bytes()))
            .map(|((_, key), entry)| (key.clone(), entry.clone()))
            .collect()
    }

    pub fn docs_owned(&self, table: Table, owner: u64) -> Vec<(Key, DocEntry)> {
        let from = (table, owner, Key::from_bytes(&[]));
        let owned = self.owners.range(from..).take_while(|(of, by, _)| *of == table && *by == owner);
        owned.filter_map(|(_, _, key)| self.doc(table, key).map(|entry| (key.clone(), entry.clone()))).collect()
    }

    /// The highest keys below `before`, highest first.
    pub fn docs_before(&self, table: Table, before: Option<&Key>, limit: usize) -> Vec<(Key, DocEntry)> {
        let from = Bound::Included((table, Key::from_bytes(&[])));
        // No text is so long that its length begins with this byte.
        let end = Bound::Excluded((table, before.cloned().unwrap_or_else(|| Key::from_bytes(&[u8::MAX]))));
        let docs = self.docs.range((from, end)).rev().take(limit);
        docs.map(|((_, key), entry)| (key.clone(), entry.clone())).collect()
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let Self { orders, ahead, by_user, messages, answers, voids, docs, owners } = self;
        orders.is_empty()
            && ahead.is_empty()
            && by_user.is_empty()
            && messages.is_empty()
            && answers.is_empty()
            && voids.is_empty()
            && docs.is_empty()
            && owners.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{AnswerHead, MessageHead};
    use doos_domain::ids::{EPOCH_MILLIS, OrderId};
    use doos_domain::message::Consumer;
    use doos_domain::time::Timestamp;

    fn order(id: u64, user: u64, version: u32) -> Record<'static> {
        Record::Order(OrderHead { id, user, created_ms: 0, version, status: 0 }, "")
    }

    #[test]
    fn an_order_whose_id_runs_ahead_is_found_by_that_until_it_is_folded() {
        let id = OrderId::floor_at(Timestamp::from_millis(EPOCH_MILLIS + 86_400_000));
        let mut tail = Tail::default();
        for (id, created_ms) in [(id, EPOCH_MILLIS), (id + 64, EPOCH_MILLIS + 86_400_000)] {
            tail.insert(id, &Record::Order(OrderHead { id, user: 1, created_ms, version: 1, status: 0 }, ""));
        }
        let ahead = |tail: &Tail, after| tail.oldest_ahead(after, 10).iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(ahead(&tail, 0), [id]);
        assert!(ahead(&tail, id).is_empty());
        tail.remove(&Filed::Order(id), id, id);
        assert!(ahead(&tail, 0).is_empty());
    }

    fn doc(table: Table, owner: u64, key: &str, value: Option<&'static str>) -> Record<'static> {
        let head = DocHead { table, owner, key: Key::text(key), deleted: value.is_none() };
        Record::Doc(head, value.unwrap_or_default())
    }

    #[test]
    fn what_is_folded_leaves_and_what_is_newer_stays() {
        let mut tail = Tail::default();
        let (first, second) = (order(7, 1, 1), order(7, 1, 2));
        tail.insert(10, &first);
        tail.insert(20, &second);
        tail.remove(&Filed::of(&first), 10, 15);
        assert_eq!(tail.order(7).map(|entry| entry.version), Some(2));
        assert_eq!(tail.newest(Some(1), u64::MAX, 10).len(), 1);
        tail.remove(&Filed::of(&second), 20, 20);
        assert!(tail.is_empty());
    }

    #[test]
    fn everything_that_is_filed_can_be_taken_out_again() {
        let message = MessageHead { to: Consumer::Payment, asks_for_stock: false, with_order: true, order: 7 };
        let answer = AnswerHead { hash: 5, at_ms: 0, scope: "s", key: "k" };
        let records = [
            order(7, 1, 1),
            Record::Message(message, ""),
            Record::Message(MessageHead { with_order: false, ..message }, ""),
            Record::Answer(answer, ""),
            Record::Void(9),
            doc(Table::Product, 0, "p", Some("{}")),
            doc(Table::Money, 7, "m", Some("{}")),
            doc(Table::Waiting, 7, "w", Some("{}")),
            doc(Table::Waiting, 0, "w", None),
        ];
        let mut tail = Tail::default();
        for (record, position) in records.iter().zip(1..) {
            tail.insert(position, record);
        }
        assert!(tail.is_void(9) && tail.answers(5) == [4] && tail.messages_of(7) == [2]);
        assert_eq!(tail.docs_owned(Table::Money, 7).len(), 1);
        assert!(tail.docs_owned(Table::Waiting, 7).is_empty(), "it was deleted");
        for (record, position) in records.iter().zip(1..) {
            tail.remove(&Filed::of(record), position, 100);
        }
        assert!(tail.is_empty(), "{tail:?}");
    }

    #[test]
    fn small_tables_are_kept_whole_and_large_ones_by_position() {
        let mut tail = Tail::default();
        tail.insert(1, &doc(Table::Product, 0, "p", Some("{}")));
        tail.insert(2, &doc(Table::Movement, 3, "m", Some("{}")));
        let value = |table, key| tail.doc(table, &Key::text(key)).map(|entry| entry.value.clone());
        assert_eq!(value(Table::Product, "p"), Some(DocValue::Whole("{}".into())));
        assert_eq!(value(Table::Movement, "m"), Some(DocValue::InJournal));
        assert_eq!(value(Table::Movement, "p"), None);
    }
}
