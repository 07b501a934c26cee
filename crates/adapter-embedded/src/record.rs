//! The records of the journal: one kind byte, one format byte, a small binary header, then the domain's JSON.
//!
//! What holds: header and kind say all that an index or a table's columns need, so nobody but a reader of the value
//! itself parses JSON. Records that belong together stand next to each other in one group, and a group is there
//! whole or not at all.
//!
//! What must never happen: a kind or a header read wrongly by an older program. A kind or format this program does
//! not know is refused by name, never skipped.

use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::OrderId;
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::order::Order;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::table::{Key, Table};

/// How far an order's id may run ahead of the time it was created at and still tell that time. Ids are issued at most
/// a second ahead, and after a restart as far as the last stored mark was.
pub(crate) const ID_AHEAD_MAX_MS: i64 = 60_000;

/// Whether an order's id says nothing about when it was created: a clock was far ahead once, and ids never go back.
pub(crate) fn runs_ahead(id: u64, created_ms: i64) -> bool {
    OrderId::new(id).is_some_and(|id| id.issued_at().as_millis().saturating_sub(created_ms) > ID_AHEAD_MAX_MS)
}

const FORMAT: u8 = 1;
const ORDER: u8 = 1;
const MESSAGE: u8 = 2;
const ANSWER: u8 = 3;
const VOID: u8 = 4;
const DOC: u8 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderHead {
    pub id: u64,
    pub user: u64,
    pub created_ms: i64,
    pub version: u32,
    pub status: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageHead {
    pub to: Consumer,
    /// Whether it is the message that asks inventory for an order's stock.
    pub asks_for_stock: bool,
    /// Whether it was written together with a change of its order, and not by another context about the order.
    pub with_order: bool,
    pub order: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerHead<'a> {
    pub hash: u64,
    pub at_ms: i64,
    pub scope: &'a str,
    pub key: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocHead {
    pub table: Table,
    pub owner: u64,
    pub key: Key,
    pub deleted: bool,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Order(OrderHead, &'a str),
    Message(MessageHead, &'a str),
    Answer(AnswerHead<'a>, &'a str),
    Void(u64),
    Doc(DocHead, &'a str),
}

/// The hash under which an answer is found: not to be steered by whoever chooses keys.
pub(crate) fn key_hash(key: &AnswerKey) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update((key.scope.len() as u64).to_le_bytes());
    hasher.update(key.scope.as_bytes());
    hasher.update(key.key.as_bytes());
    let digest = hasher.finalize();
    let (first, _) = digest.split_first_chunk::<8>().expect("the digest has 32 bytes");
    u64::from_le_bytes(*first)
}

const fn consumer_number(consumer: Consumer) -> u8 {
    match consumer {
        Consumer::Inventory => 1,
        Consumer::Order => 2,
        Consumer::Payment => 3,
        Consumer::Shipping => 4,
    }
}

fn consumer_of(number: u8) -> Option<Consumer> {
    Consumer::ALL.into_iter().find(|consumer| consumer_number(*consumer) == number)
}

/// Consumers as an index into arrays of four.
pub(crate) const fn slot(consumer: Consumer) -> usize {
    consumer_number(consumer) as usize - 1
}

/// `expected` bytes are made room for; most records of that kind fit.
fn begin(kind: u8, expected: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(expected);
    bytes.extend([kind, FORMAT]);
    bytes
}

fn append_json(mut bytes: Vec<u8>, value: &impl Serialize) -> Vec<u8> {
    serde_json::to_writer(&mut bytes, value).expect("domain types have string keys and writing to memory cannot fail");
    bytes
}

fn append_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u32::try_from(text.len()).expect("far shorter than 4 GiB").to_le_bytes());
    bytes.extend(text.as_bytes());
}

pub(crate) fn encode_order(order: &Order) -> Vec<u8> {
    let mut bytes = begin(ORDER, 1_024);
    bytes.extend(order.id.get().to_le_bytes());
    bytes.extend(order.user_id.get().to_le_bytes());
    bytes.extend(order.created_at.as_millis().to_le_bytes());
    bytes.extend(order.version.to_le_bytes());
    bytes.push(order.status.number());
    append_json(bytes, order)
}

pub(crate) fn encode_message(message: &Message, with_order: bool) -> Vec<u8> {
    let asks_for_stock = matches!(message.body, Body::DeductStock { .. });
    let mut bytes = begin(MESSAGE, 512);
    bytes.push(consumer_number(message.to));
    bytes.push(u8::from(asks_for_stock) | u8::from(with_order) << 1);
    bytes.extend(message.order_id.get().to_le_bytes());
    append_json(bytes, message)
}

pub(crate) fn encode_answer(answer: &Answer, hash: u64) -> Vec<u8> {
    let mut bytes = begin(ANSWER, 256 + answer.body.len() * 5 / 4);
    bytes.extend(hash.to_le_bytes());
    bytes.extend(answer.at.as_millis().to_le_bytes());
    append_text(&mut bytes, &answer.key.scope);
    append_text(&mut bytes, &answer.key.key);
    append_json(bytes, answer)
}

pub(crate) fn encode_void(id: OrderId) -> Vec<u8> {
    let mut bytes = begin(VOID, 10);
    bytes.extend(id.get().to_le_bytes());
    bytes
}

pub(crate) fn encode_doc(table: Table, owner: u64, key: &Key, value: Option<&str>) -> Vec<u8> {
    let mut bytes = begin(DOC, 64 + key.as_bytes().len() + value.map_or(0, str::len));
    bytes.push(table as u8);
    bytes.push(u8::from(value.is_none()));
    bytes.extend(owner.to_le_bytes());
    let length = u32::try_from(key.as_bytes().len()).expect("a key is far shorter than 4 GiB");
    bytes.extend(length.to_le_bytes());
    bytes.extend(key.as_bytes());
    bytes.extend(value.unwrap_or_default().as_bytes());
    bytes
}

/// Takes the parts off the front of a record.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (part, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*part)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn rest(self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }
}

/// Reads a record's header; the text says what is wrong, as a clause.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record<'_>, String> {
    let [kind, format, rest @ ..] = bytes else {
        return Err("it is shorter than any record".to_owned());
    };
    if format != &FORMAT {
        return Err(format!("its format is {format}, this program knows {FORMAT}: use the newer program"));
    }
    let parts = Parts(rest);
    let record = match *kind {
        ORDER => decode_order(parts),
        MESSAGE => decode_message(parts),
        ANSWER => decode_answer(parts),
        VOID => decode_void(parts),
        DOC => return decode_doc(parts),
        unknown => return Err(format!("its kind {unknown} is not known to this program: use the newer program")),
    };
    record.ok_or_else(|| format!("its header of kind {kind} is not whole"))
}

fn decode_order(mut parts: Parts<'_>) -> Option<Record<'_>> {
    let (id, user, created_ms) = (parts.u64()?, parts.u64()?, parts.i64()?);
    let (version, status) = (parts.u32()?, parts.byte()?);
    Some(Record::Order(OrderHead { id, user, created_ms, version, status }, parts.rest()?))
}

fn decode_message(mut parts: Parts<'_>) -> Option<Record<'_>> {
    let to = consumer_of(parts.byte()?)?;
    let flags = parts.byte()?;
    let (asks_for_stock, with_order) = (flags & 1 != 0, flags & 2 != 0);
    let order = parts.u64()?;
    Some(Record::Message(MessageHead { to, asks_for_stock, with_order, order }, parts.rest()?))
}

fn decode_answer(mut parts: Parts<'_>) -> Option<Record<'_>> {
    let (hash, at_ms, scope, key) = (parts.u64()?, parts.i64()?, parts.text()?, parts.text()?);
    Some(Record::Answer(AnswerHead { hash, at_ms, scope, key }, parts.rest()?))
}

fn decode_void(mut parts: Parts<'_>) -> Option<Record<'_>> {
    parts.u64().map(Record::Void)
}

fn decode_doc(mut parts: Parts<'_>) -> Result<Record<'_>, String> {
    let broken = || "its header is not whole".to_owned();
    let number = parts.byte().ok_or_else(broken)?;
    let table = Table::from_number(number)
        .ok_or_else(|| format!("its table {number} is not known to this program: use the newer program"))?;
    let deleted = parts.byte().ok_or_else(broken)? == 1;
    let owner = parts.u64().ok_or_else(broken)?;
    let key = Key::from_bytes(parts.bytes().ok_or_else(broken)?);
    let value = parts.rest().ok_or_else(broken)?;
    Ok(Record::Doc(DocHead { table, owner, key, deleted }, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use doos_domain::time::Timestamp;

    fn answer() -> Answer {
        let key = AnswerKey { scope: "customer:1".to_owned(), key: "k".to_owned() };
        Answer { key, fingerprint: u64::MAX, status: 201, body: "\"€\"".to_owned(), at: Timestamp::from_millis(-5) }
    }

    #[test]
    fn a_record_says_what_was_written() {
        let (answer, hash) = (answer(), key_hash(&answer().key));
        let bytes = encode_answer(&answer, hash);
        let Record::Answer(head, json) = decode(&bytes).unwrap() else { panic!("it is an answer") };
        assert_eq!(head, AnswerHead { hash, at_ms: -5, scope: "customer:1", key: "k" });
        assert_eq!(serde_json::from_str::<Answer>(json).unwrap(), answer);

        let key = Key::text("amy");
        let head = DocHead { table: Table::UserName, owner: 9, key: key.clone(), deleted: false };
        assert_eq!(decode(&encode_doc(Table::UserName, 9, &key, Some("7"))), Ok(Record::Doc(head.clone(), "7")));
        let deleted = DocHead { deleted: true, ..head };
        assert_eq!(decode(&encode_doc(Table::UserName, 9, &key, None)), Ok(Record::Doc(deleted, "")));
    }

    #[test]
    fn a_header_that_is_cut_short_is_refused() {
        let bytes = encode_answer(&answer(), 7);
        let header = bytes.len() - serde_json::to_string(&answer()).unwrap().len();
        for length in 0..header {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        let bytes = encode_void(OrderId::new(1).unwrap());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn kinds_formats_and_tables_of_a_newer_program_are_refused_by_name() {
        for (bytes, named) in [(&[99, 1][..], "kind 99"), (&[1, 2], "format is 2"), (&[5, 1, 77, 0], "table 77")] {
            let refusal = decode(bytes).unwrap_err();
            assert!(refusal.contains(named) && refusal.contains("newer program"), "{refusal}");
        }
    }

    #[test]
    fn the_hash_of_a_key_never_changes_and_keeps_scopes_apart() {
        let key = |scope: &str, key: &str| key_hash(&AnswerKey { scope: scope.to_owned(), key: key.to_owned() });
        assert_ne!(key("customer:1", "2"), key("customer:12", ""));
        // Stored journals hold it.
        assert_eq!(key("customer:1", "k"), 10_682_033_850_902_799_654);
    }
}
