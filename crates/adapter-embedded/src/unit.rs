//! A unit: what is stored together or not at all, with what must hold for it to be stored.
//!
//! Records are encoded here, by the caller, so that the writer's one thread only checks and copies. A unit may carry
//! locks: they are released when the writer is done with it, also if the caller has stopped waiting, so that nobody
//! decides on rows that a unit on its way is about to change.

use doos_domain::answer::Answer;
use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::{Consumer, Message};
use doos_domain::order::Order;
use doos_ports::inbox::{DeadLetter, Progress, Waiting};
use doos_ports::order_store::Change;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

use crate::record;
use crate::table::{Key, Table};

/// The domain value behind a record just written, so that readers need not parse it.
#[derive(Clone, Debug)]
pub(crate) enum Live {
    Nothing,
    Order(Arc<Order>),
    Message(Arc<Message>),
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub bytes: Vec<u8>,
    pub live: Live,
}

#[derive(Clone, Debug)]
pub(crate) struct AnswerCheck {
    pub hash: u64,
    pub answer: Arc<Answer>,
    /// Every answer synced before this position was seen by the caller, who found none.
    pub absent_until: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// The order stands at this version (0: neither an order nor void), and goes to the next.
    Version { id: u64, expected: u32, next: u32 },
    /// No answer is stored under this key.
    NoAnswer(AnswerCheck),
    /// The id is neither an order nor void, and becomes void.
    Unused { id: u64 },
}

#[derive(Debug, Default)]
pub(crate) struct Unit {
    pub checks: Vec<Check>,
    pub entries: Vec<Entry>,
    pub locks: Vec<OwnedMutexGuard<()>>,
}

/// Why a unit was not stored.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    Conflict { expected: u32 },
    Void,
    Order,
    Answered(Arc<Answer>),
    Engine(doos_ports::Error),
}

impl Unit {
    pub fn of_change(change: Change, absent_until: u64) -> Self {
        let mut unit = Self::default();
        unit.change(change, absent_until);
        unit
    }

    pub fn change(&mut self, change: Change, absent_until: u64) {
        // One process has store and gate; nobody can have taken the gate over.
        let Change { expected_version, order, messages, answer, gate_epoch: _ } = change;
        if let Some(answer) = answer {
            self.answer(answer, absent_until);
        }
        self.checks.push(Check::Version { id: order.id.get(), expected: expected_version, next: order.version });
        self.entries.push(Entry { bytes: record::encode_order(&order), live: Live::Order(order) });
        for message in messages {
            self.put_message(message, true);
        }
    }

    pub fn answer(&mut self, answer: Answer, absent_until: u64) {
        let hash = record::key_hash(&answer.key);
        self.entries.push(Entry { bytes: record::encode_answer(&answer, hash), live: Live::Nothing });
        self.checks.push(Check::NoAnswer(AnswerCheck { hash, answer: Arc::new(answer), absent_until }));
    }

    pub fn void(id: OrderId) -> Self {
        let entry = Entry { bytes: record::encode_void(id), live: Live::Nothing };
        Self { checks: vec![Check::Unused { id: id.get() }], entries: vec![entry], locks: Vec::new() }
    }

    /// A message that one context writes about an order of another.
    pub fn message(&mut self, message: Message) {
        self.put_message(message, false);
    }

    fn put_message(&mut self, message: Message, with_order: bool) {
        let bytes = record::encode_message(&message, with_order);
        self.entries.push(Entry { bytes, live: Live::Message(Arc::new(message)) });
    }

    pub fn doc(&mut self, table: Table, owner: u64, key: &Key, value: &impl Serialize) {
        let value = serde_json::to_string(value).expect("stored types have string keys, so they have a JSON form");
        let bytes = record::encode_doc(table, owner, key, Some(&value));
        self.entries.push(Entry { bytes, live: Live::Nothing });
    }

    pub fn delete_doc(&mut self, table: Table, owner: u64, key: &Key) {
        let bytes = record::encode_doc(table, owner, key, None);
        self.entries.push(Entry { bytes, live: Live::Nothing });
    }

    /// A consumer's progress: a message is either waiting or parked or neither, whatever it was before.
    pub fn progress(&mut self, progress: Progress) {
        // What is done is known from the position here.
        let Progress { consumer, position, wait, park, settled, done: _, outgoing } = progress;
        for id in &settled {
            self.delete_doc(Table::Waiting, 0, &waiting_key(consumer, id));
            self.delete_doc(Table::DeadLetter, 0, &dead_letter_key(id));
        }
        for waiting in &wait {
            self.wait(consumer, waiting);
        }
        for letter in &park {
            self.park(letter);
        }
        for message in outgoing {
            self.message(message);
        }
        if let Some(position) = position {
            self.doc(Table::Progress, 0, &Key::text(consumer.name()), &position);
        }
    }

    fn wait(&mut self, consumer: Consumer, waiting: &Waiting) {
        let Message { id, order_id, .. } = &waiting.message;
        self.delete_doc(Table::DeadLetter, 0, &dead_letter_key(id));
        self.doc(Table::Waiting, order_id.get(), &waiting_key(consumer, id), waiting);
    }

    fn park(&mut self, letter: &DeadLetter) {
        let Message { id, order_id, .. } = &letter.message;
        self.delete_doc(Table::Waiting, 0, &waiting_key(letter.consumer, id));
        self.doc(Table::DeadLetter, order_id.get(), &dead_letter_key(id), letter);
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.bytes.len()).sum()
    }
}

pub(crate) fn waiting_key(consumer: Consumer, id: &MessageId) -> Key {
    Key::text(consumer.name()).and_text(id.as_str())
}

pub(crate) fn dead_letter_key(id: &MessageId) -> Key {
    Key::text(id.as_str())
}
