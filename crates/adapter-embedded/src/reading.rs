//! Reading orders, answers and messages: the tail first, the database second, the higher version wins. One order that
//! was written or read lately is found without either.
//!
//! A row of the tail is read from the journal by its position. Should its segment be gone by then, it has been folded
//! meanwhile, and the look-up starts again; each round finds it further along, so a few rounds are enough.

use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::OrderId;
use doos_domain::message::{Consumer, Message};
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use doos_ports::order_store::{MessageState, Page, Query};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::database::ListSpan;
use crate::error::{Error, Result};
use crate::live::Unread;
use crate::locks::{lock, read};
use crate::record::{ID_AHEAD_MAX_MS, Record, decode, key_hash};
use crate::shared::{Shared, parse_order};
use crate::tail::{OrderEntry, Tail};

/// How often a reader that was overtaken by the folder starts again.
pub(crate) const ROUNDS_MAX: usize = 8;
/// Tail entries looked at under one lock.
const SCAN_CHUNK: usize = 1_024;

/// A journal record's JSON, or `None` if it has been dropped, which means it is folded.
pub(crate) fn journal_json(shared: &Shared, position: u64) -> Result<Option<String>> {
    let bytes = match shared.reader.read(position) {
        Ok(bytes) => bytes,
        Err(doos_journal::Error::Dropped { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let record = decode(&bytes).map_err(|found| Error::Record { position, found })?;
    let json = match record {
        Record::Order(_, json) | Record::Message(_, json) | Record::Answer(_, json) | Record::Doc(_, json) => json,
        Record::Void(_) => "",
    };
    Ok(Some(json.to_owned()))
}

/// What a reader says that was overtaken again and again.
pub(crate) fn overtaken(what: String) -> Error {
    Error::Row { what, found: "it moved on faster than it could be read".to_owned() }
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::Row { what: what.to_owned(), found: error.to_string() })
}

impl Shared {
    pub fn load(&self, id: u64) -> Result<Option<Arc<Order>>> {
        let begun = match lock(&self.recent).find(id) {
            Ok(newest) => return Ok(Some(newest)),
            Err(begun) => begun,
        };
        for _ in 0..ROUNDS_MAX {
            let entry = read(&self.tail).order(id);
            let found = match entry {
                Some(entry) => self.load_entry(id, entry)?,
                None => match self.pool.read(|rows| rows.order(id))? {
                    Some(row) => Some(parse_order(id, &row.doc)?),
                    None => return Ok(None),
                },
            };
            if let Some(order) = found {
                lock(&self.recent).put_read(&order, begun);
                return Ok(Some(order));
            }
        }
        Err(overtaken(format!("order {id}")))
    }

    /// The order behind a tail's entry, or `None` if it has been folded and dropped meanwhile.
    fn load_entry(&self, id: u64, entry: OrderEntry) -> Result<Option<Arc<Order>>> {
        if let Some(order) = lock(&self.recent).get(id, entry.version) {
            return Ok(Some(order));
        }
        let json = journal_json(self, entry.position)?;
        json.map(|json| parse_order(id, &json)).transpose()
    }

    pub fn find_answer(&self, hash: u64, key: &AnswerKey) -> Result<Option<Answer>> {
        let absent_until = self.applied();
        let found = self.look_for_answer(hash, key)?;
        if found.is_none() {
            lock(&self.absences).put(hash, key, absent_until);
        }
        Ok(found)
    }

    fn look_for_answer(&self, hash: u64, key: &AnswerKey) -> Result<Option<Answer>> {
        for _ in 0..ROUNDS_MAX {
            let positions = read(&self.tail).answers(hash);
            let mut overtaken = false;
            for position in positions {
                match journal_json(self, position)? {
                    Some(json) => {
                        let answer: Answer = parse("an answer", &json)?;
                        if answer.key == *key {
                            return Ok(Some(answer));
                        }
                    }
                    None => overtaken = true,
                }
            }
            if !overtaken {
                let json = self.pool.read(|rows| rows.answer(hash, &key.scope, &key.key))?;
                return json.map(|json| parse("an answer", &json)).transpose();
            }
        }
        Err(overtaken("an answer".to_owned()))
    }

    /// An answer, or up to where there was none, for the writer's own check. Mostly the caller has just looked.
    pub fn answer_or_absence(&self, key: &AnswerKey) -> Result<std::result::Result<Answer, u64>> {
        let hash = key_hash(key);
        if let Some(absent_until) = lock(&self.absences).find(hash, key) {
            return Ok(Err(absent_until));
        }
        let absent_until = self.applied();
        Ok(self.find_answer(hash, key)?.ok_or(absent_until))
    }

    pub fn list(&self, query: &Query) -> Result<Page> {
        if query.limit == 0 {
            return Ok(Page::default());
        }
        // While this is held no entry leaves the tail, so what is not in it has its last version in the database.
        let _gate = read(&self.fold_gate);
        let before = query.before.map_or(u64::MAX, |id| id.get());
        let user = query.user_id.map(|id| id.get());
        let wanted = query.limit.saturating_add(1);
        let is_asked_for =
            |status: u8| query.statuses.is_empty() || query.statuses.iter().any(|wanted| wanted.number() == status);
        let mut found = self.newest_of_tail(user, before, wanted, is_asked_for)?;
        let statuses: Vec<Option<u8>> = match (query.statuses.as_slice(), user) {
            ([], _) => vec![None],
            (statuses, _) => statuses.iter().map(|status| Some(status.number())).collect(),
        };
        for status in statuses {
            let span = ListSpan::Newest { user, status, before };
            self.merge_folded(span, wanted, is_asked_for, &mut found)?;
        }
        let has_more = found.len() > query.limit;
        let orders: Vec<_> = found.into_values().rev().take(query.limit).collect();
        let next = orders.last().filter(|_| has_more).map(|order| order.id);
        Ok(Page { orders, next })
    }

    fn newest_of_tail(
        &self,
        user: Option<u64>,
        mut before: u64,
        wanted: usize,
        is_asked_for: impl Fn(u8) -> bool,
    ) -> Result<BTreeMap<u64, Arc<Order>>> {
        let mut found = BTreeMap::new();
        loop {
            let chunk = read(&self.tail).newest(user, before, SCAN_CHUNK);
            let Some((last, _)) = chunk.last() else { return Ok(found) };
            before = *last;
            for (id, entry) in chunk.into_iter().filter(|(_, entry)| is_asked_for(entry.status)) {
                // The fold gate is held: what is in the tail is in the journal.
                found.extend(self.load_entry(id, entry)?.map(|order| (id, order)));
                if found.len() >= wanted {
                    return Ok(found);
                }
            }
        }
    }

    /// Adds folded orders until `wanted` of this span were seen. A row that the tail has a newer version of is judged
    /// by that version.
    fn merge_folded(
        &self,
        span: ListSpan,
        wanted: usize,
        is_asked_for: impl Fn(u8) -> bool,
        found: &mut BTreeMap<u64, Arc<Order>>,
    ) -> Result<()> {
        let mut seen = 0;
        self.pool.read(|rows| {
            rows.orders(span, |row| {
                if found.contains_key(&row.id) {
                    return Ok(true);
                }
                let entry = read(&self.tail).order(row.id);
                let order = match entry {
                    Some(entry) if !is_asked_for(entry.status) => None,
                    Some(entry) => self.load_entry(row.id, entry)?,
                    None => {
                        let recent = lock(&self.recent).get(row.id, row.version);
                        Some(recent.map_or_else(|| parse_order(row.id, &row.doc), Ok)?)
                    }
                };
                if let Some(order) = order {
                    found.insert(row.id, order);
                    seen += 1;
                }
                Ok(seen < wanted)
            })
        })
    }

    pub fn oldest(
        &self,
        statuses: &[Status],
        created_before_ms: i64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        // Ids carry their time, so what is far too young need not be looked at one by one. Ids issued by a clock that
        // was far ahead, and those that had to go on above them, tell no time; they are known and looked at apart.
        let below = match OrderId::floor_at(Timestamp::from_millis(created_before_ms).plus_millis(ID_AHEAD_MAX_MS)) {
            0 => u64::MAX,
            below => below,
        };
        let _gate = read(&self.fold_gate);
        let is_asked_for = |status: u8| statuses.iter().any(|wanted| wanted.number() == status);
        let is_due = |entry: &OrderEntry| is_asked_for(entry.status) && entry.created_ms < created_before_ms;
        let mut found =
            self.oldest_of_tail(after, limit, is_due, |tail, after| tail.oldest(after, below, SCAN_CHUNK))?;
        found.extend(self.oldest_of_tail(after, limit, is_due, |tail, after| tail.oldest_ahead(after, SCAN_CHUNK))?);
        for status in statuses.iter().map(|status| status.number()) {
            let span = ListSpan::Oldest { status, created_before_ms, after, below };
            self.merge_folded(span, limit, is_asked_for, &mut found)?;
            let span = ListSpan::OldestAhead { status, created_before_ms, after };
            self.merge_folded(span, limit, is_asked_for, &mut found)?;
        }
        Ok(found.into_values().take(limit).collect())
    }

    fn oldest_of_tail(
        &self,
        mut after: u64,
        wanted: usize,
        is_due: impl Fn(&OrderEntry) -> bool,
        chunk_after: impl Fn(&Tail, u64) -> Vec<(u64, OrderEntry)>,
    ) -> Result<BTreeMap<u64, Arc<Order>>> {
        let mut found = BTreeMap::new();
        loop {
            let chunk = chunk_after(&read(&self.tail), after);
            let Some((last, _)) = chunk.last() else { return Ok(found) };
            after = *last;
            for (id, entry) in chunk.into_iter().filter(|(_, entry)| is_due(entry)) {
                found.extend(self.load_entry(id, entry)?.map(|order| (id, order)));
                if found.len() >= wanted {
                    return Ok(found);
                }
            }
        }
    }

    /// The message itself, from memory, the database or the journal.
    pub fn message(&self, unread: &Unread) -> Result<Message> {
        if let Some(message) = &unread.message {
            return Ok(Message::clone(message));
        }
        let position = unread.position;
        if position >= self.folded()
            && let Some(json) = journal_json(self, position)?
        {
            return parse("a message", &json);
        }
        match self.pool.read(|rows| rows.message_at(position))? {
            Some(json) => parse("a message", &json),
            None => Err(Error::Record { position, found: "its message is in no table".to_owned() }),
        }
    }

    /// Every message written with an order once, in the order of writing, with what became of it.
    pub fn messages_of(&self, order: u64) -> Result<Vec<(Message, MessageState)>> {
        let mut positioned: BTreeMap<u64, Message> = BTreeMap::new();
        {
            let _gate = read(&self.fold_gate);
            for position in read(&self.tail).messages_of(order) {
                if let Some(json) = journal_json(self, position)? {
                    positioned.insert(position, parse("a message", &json)?);
                }
            }
            for (position, json) in self.pool.read(|rows| rows.messages_of(order))? {
                positioned.insert(position, parse("a message", &json)?);
            }
        }
        // A message that was sent again stands in the journal again; its first place is the one that counts.
        let mut listed: Vec<(Message, MessageState)> = Vec::new();
        let mut places: HashMap<doos_domain::ids::MessageId, usize> = HashMap::new();
        for (position, message) in positioned {
            if let std::collections::hash_map::Entry::Vacant(place) = places.entry(message.id.clone()) {
                place.insert(listed.len());
                let state = self.state_of(position, &message);
                listed.push((message, state));
            }
        }
        Ok(listed)
    }

    fn state_of(&self, position: u64, message: &Message) -> MessageState {
        let inbox = read(&self.inbox);
        if inbox.is_parked(&message.id) {
            MessageState::Failed
        } else if inbox.is_waiting(message.to, &message.id) || position > lock(self.mailbox(message.to)).progress() {
            MessageState::Published
        } else {
            MessageState::Consumed
        }
    }

    /// Orders whose stock inventory may still have to decide: it has an unread message of theirs, or one that waits
    /// or is parked.
    pub fn possibly_undecided(&self) -> Vec<u64> {
        let mut orders: Vec<u64> = lock(self.mailbox(Consumer::Inventory))
            .asking_for_stock()
            .into_iter()
            .map(|(_, order)| order)
            .chain(read(&self.inbox).orders(Consumer::Inventory))
            .collect();
        orders.sort_unstable();
        orders.dedup();
        orders
    }
}
