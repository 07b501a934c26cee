//! How what the domain knows becomes columns, and back.
//!
//! What holds: every field of an order is stored, or this does not compile. An order read back equals the one written.
//! The change feed decodes the same columns with the same function.

use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{BUCKET_COUNT, OrderId, UserId};
use doos_domain::message::Message;
use doos_domain::money::{Currency, Money};
use doos_domain::order::{CancelReason, Order, Status};
use doos_domain::payment::OrderMoney;
use doos_domain::time::Timestamp;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use mysql_async::prelude::FromValue;
use mysql_async::{FromValueError, Value, from_value_opt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};

use crate::error::Fault;
use crate::session::Statement;

/// What every reader of orders selects, in the order of [`OrderRow`].
pub(crate) const ORDER_COLUMNS: &str =
    "id, user_id, status, version, total_amount, currency, items, address, detail, history, created_at, updated_at";

pub(crate) const NEW_ORDERS: Statement = Statement {
    head: "INSERT INTO t_order (id, user_id, bucket, status, version, total_amount, currency, items, address, detail, \
           history, created_at, updated_at)",
    columns: 13,
    tail: "",
};

/// Their rows are locked and known to exist.
pub(crate) const NEXT_VERSIONS: Statement = Statement {
    head: NEW_ORDERS.head,
    columns: 13,
    tail: "ON DUPLICATE KEY UPDATE status = VALUES(status), version = VALUES(version), items = VALUES(items), \
           total_amount = VALUES(total_amount), address = VALUES(address), detail = VALUES(detail), \
           history = VALUES(history), updated_at = VALUES(updated_at)",
};

pub(crate) const NEW_ANSWERS: Statement = Statement {
    head: "INSERT INTO t_answer (id, bucket, scope, idempotency_key, fingerprint, status, body, created_at)",
    columns: 8,
    tail: "",
};

/// The first answer under a key stays.
pub(crate) const FIRST_ANSWERS: Statement =
    Statement { head: NEW_ANSWERS.head, columns: 8, tail: "ON DUPLICATE KEY UPDATE id = t_answer.id" };

pub(crate) const NEW_MESSAGES: Statement = Statement {
    head: "INSERT INTO t_local_message (message_id, tx_id, bucket, topic, payload, next_retry, created_at)",
    columns: 7,
    tail: "",
};

/// One that was sent before goes out again; one that is still open stays as it is.
pub(crate) const MESSAGES_AGAIN: Statement = Statement {
    head: NEW_MESSAGES.head,
    columns: 7,
    tail: "ON DUPLICATE KEY UPDATE next_retry = IF(t_local_message.status = 0, t_local_message.next_retry, \
           VALUES(next_retry)), status = 0",
};

/// An archived order in the columns of [`OrderRow`], so that one statement can read both tables: of one instant, since
/// an order goes from one to the other. Its body stands for its items, and no currency tells it apart.
pub(crate) const ARCHIVED_COLUMNS: &str = "id, user_id, status, version, 0, '', body, NULL, '', '', created_at, 0";

pub(crate) const ARCHIVED_ORDERS: Statement = Statement {
    head: "INSERT INTO t_order_archive (id, user_id, bucket, status, version, created_at, body)",
    columns: 7,
    tail: "ON DUPLICATE KEY UPDATE user_id = VALUES(user_id), bucket = VALUES(bucket), status = VALUES(status), \
           version = VALUES(version), created_at = VALUES(created_at), body = VALUES(body)",
};

pub(crate) type OrderRow = (u64, u64, u8, u32, i64, String, Vec<u8>, Option<String>, Vec<u8>, Vec<u8>, i64, i64);

/// The columns that nobody searches by.
#[derive(Serialize, Deserialize)]
struct Detail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<CancelReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracking: Option<String>,
    #[serde(default)]
    goods_out: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recalled: Vec<String>,
    money: OrderMoney,
}

pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("stored types have string keys, so they have a JSON form")
}

pub(crate) fn parse<T: DeserializeOwned>(what: &str, json: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|error| Fault::row(what, error))
}

pub(crate) fn order_values(order: &Order) -> Vec<Value> {
    let Order {
        id,
        user_id,
        version,
        status,
        lines,
        total,
        address,
        cancel_reason,
        tracking,
        goods_out,
        recalled,
        money,
        history,
        created_at,
        updated_at,
    } = order;
    let detail = Detail {
        cancel_reason: *cancel_reason,
        tracking: tracking.clone(),
        goods_out: *goods_out,
        recalled: recalled.clone(),
        money: money.clone(),
    };
    vec![
        id.get().into(),
        user_id.get().into(),
        u64::from(id.bucket().get()).into(),
        i64::from(status.number()).into(),
        u64::from(*version).into(),
        total.amount_minor.into(),
        total.currency.code().into(),
        json(lines).into(),
        address.as_deref().into(),
        json(&detail).into(),
        json(history).into(),
        created_at.as_millis().into(),
        updated_at.as_millis().into(),
    ]
}

pub(crate) fn order_of(row: OrderRow) -> Result<Order, Fault> {
    let (id, user_id, status, version, total, currency, items, address, detail, history, created_at, updated_at) = row;
    if currency.is_empty() {
        return unpack(id, &items);
    }
    let unreadable = |what: &str| Fault::row("t_order", format!("order {id} has {what}"));
    let Detail { cancel_reason, tracking, goods_out, recalled, money } = parse("t_order.detail", &detail)?;
    Ok(Order {
        id: OrderId::new(id).ok_or_else(|| unreadable("an id out of range"))?,
        user_id: UserId::new(user_id).ok_or_else(|| unreadable("a user out of range"))?,
        version,
        status: Status::from_number(status).ok_or_else(|| unreadable("an unknown status"))?,
        lines: parse("t_order.items", &items)?,
        total: Money::new(total, Currency::from_code(&currency).ok_or_else(|| unreadable("an unknown currency"))?),
        address,
        cancel_reason,
        tracking,
        goods_out,
        recalled,
        money,
        history: parse("t_order.history", &history)?,
        created_at: Timestamp::from_millis(created_at),
        updated_at: Timestamp::from_millis(updated_at),
    })
}

/// The form of an archived body: the order's JSON, deflated. A byte in front of it, so that others can follow.
const DEFLATED_JSON: u8 = 1;
/// Far above what an order can be; a body that claims more is damaged.
const BODY_BYTES_MAX: u64 = 64 << 20;

pub(crate) fn archived_values(order: &Order) -> Vec<Value> {
    vec![
        order.id.get().into(),
        order.user_id.get().into(),
        u64::from(order.id.bucket().get()).into(),
        i64::from(order.status.number()).into(),
        u64::from(order.version).into(),
        order.created_at.as_millis().into(),
        Value::Bytes(pack(order)),
    ]
}

fn pack(order: &Order) -> Vec<u8> {
    let mut packed = DeflateEncoder::new(vec![DEFLATED_JSON], Compression::default());
    packed.write_all(json(order).as_bytes()).and_then(|()| packed.finish()).expect("memory takes all that is written")
}

fn unpack(id: u64, body: &[u8]) -> Result<Order, Fault> {
    let unreadable = |what: String| Fault::row("t_order_archive", format!("order {id}: {what}"));
    let Some((&DEFLATED_JSON, deflated)) = body.split_first() else {
        return Err(unreadable(format!("this program does not know form {:?}", body.first())));
    };
    let mut json = Vec::new();
    DeflateDecoder::new(deflated)
        .take(BODY_BYTES_MAX)
        .read_to_end(&mut json)
        .map_err(|error| unreadable(error.to_string()))?;
    let order: Order = parse("t_order_archive.body", &json)?;
    if order.id.get() == id { Ok(order) } else { Err(unreadable(format!("its body is of order {}", order.id))) }
}

/// The names of the columns that make an order, as [`order_of_values`] wants their values.
pub fn order_columns() -> impl Iterator<Item = &'static str> {
    ORDER_COLUMNS.split(", ")
}

/// The order in a row that came another way than by a query, such as the binlog; what is wrong with it otherwise.
pub fn order_of_values(values: [Value; 12]) -> Result<Order, String> {
    fn cell<T: FromValue>(name: &str, value: Value) -> Result<T, String> {
        from_value_opt(value)
            .map_err(|FromValueError(value)| format!("t_order.{name} cannot be {:.40}", value.as_sql(true)))
    }
    let [id, user_id, status, version, total, currency, items, address, detail, history, created_at, updated_at] =
        values;
    let row = (
        cell("id", id)?,
        cell("user_id", user_id)?,
        cell("status", status)?,
        cell("version", version)?,
        cell("total_amount", total)?,
        cell("currency", currency)?,
        cell("items", items)?,
        cell("address", address)?,
        cell("detail", detail)?,
        cell("history", history)?,
        cell("created_at", created_at)?,
        cell("updated_at", updated_at)?,
    );
    order_of(row).map_err(|fault| fault.to_string())
}

pub(crate) fn message_values(message: &Message, next_retry: Timestamp) -> Vec<Value> {
    vec![
        message.id.as_str().into(),
        message.order_id.to_string().into(),
        u64::from(message.order_id.bucket().get()).into(),
        message.to.name().into(),
        json(message).into(),
        next_retry.as_millis().into(),
        message.at.as_millis().into(),
    ]
}

/// The name of an answer's row.
pub(crate) fn key_hash(key: &AnswerKey) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update((key.scope.len() as u64).to_le_bytes());
    hasher.update(key.scope.as_bytes());
    hasher.update(key.key.as_bytes());
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finalize()[..16]);
    hash
}

/// Written out, for a list of keys.
pub(crate) fn hash_literal(hash: &[u8; 16]) -> String {
    format!("x'{:032x}'", u128::from_be_bytes(*hash))
}

/// The user whose keys these are, if it is a user's scope: its answers then live with its orders.
pub(crate) fn user_of_scope(scope: &str) -> Option<UserId> {
    scope.strip_prefix("customer:").unwrap_or(scope).parse().ok()
}

/// Any other scope has a bucket by its name.
pub(crate) fn bucket_of_scope(scope: &str) -> u16 {
    match user_of_scope(scope) {
        Some(user) => user.bucket().get(),
        None => {
            let hash = Sha256::digest(scope.as_bytes());
            u16::from_le_bytes([hash[0], hash[1]]) % BUCKET_COUNT
        }
    }
}

pub(crate) fn answer_values(answer: &Answer, bucket: u16) -> Vec<Value> {
    vec![
        Value::Bytes(key_hash(&answer.key).to_vec()),
        u64::from(bucket).into(),
        answer.key.scope.as_str().into(),
        answer.key.key.as_str().into(),
        answer.fingerprint.into(),
        u64::from(answer.status).into(),
        answer.body.as_str().into(),
        answer.at.as_millis().into(),
    ]
}

pub(crate) const ANSWER_COLUMNS: &str = "id, scope, idempotency_key, fingerprint, status, body, created_at";

pub(crate) type AnswerRow = (Vec<u8>, String, String, u64, u16, String, i64);

pub(crate) fn answer_of(row: AnswerRow) -> ([u8; 16], Answer) {
    let (id, scope, key, fingerprint, status, body, at) = row;
    let mut hash = [0; 16];
    for (to, from) in hash.iter_mut().zip(id) {
        *to = from;
    }
    let key = AnswerKey { scope, key };
    (hash, Answer { key, fingerprint, status, body, at: Timestamp::from_millis(at) })
}

/// The order that a message's id begins with, if it is one that an order sent, or an answer to one.
pub(crate) fn order_in_id(message_id: &str) -> Option<OrderId> {
    message_id.split_once('.')?.0.parse().ok()
}

/// The message that this one answers.
pub(crate) fn asked_by(message_id: &str) -> Option<&str> {
    message_id.rsplit_once('/').map(|(asked, _)| asked)
}

/// The event in a message's id.
pub(crate) fn event_in_id(message_id: &str) -> &str {
    message_id.rsplit(['.', '/']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_scopes_have_different_rows() {
        let key = |scope: &str, key: &str| AnswerKey { scope: scope.to_owned(), key: key.to_owned() };
        assert_ne!(key_hash(&key("customer:1", "k")), key_hash(&key("customer:", "1k")));
        assert_eq!(key_hash(&key("a", "b")), key_hash(&key("a", "b")));
        assert_eq!(hash_literal(&[0xab; 16]), format!("x'{}'", "ab".repeat(16)));
    }

    #[test]
    fn a_user_s_keys_live_with_the_user() {
        assert_eq!(bucket_of_scope("1025"), 1);
        assert_eq!(bucket_of_scope("customer:1025"), 1);
        assert!(user_of_scope("operator:amy").is_none() && user_of_scope("demo").is_none());
        assert!(bucket_of_scope("operator:amy") < BUCKET_COUNT);
    }

    #[test]
    fn an_id_tells_order_event_and_what_it_answers() {
        let id = "4711.2.DeductStock/StockDecided";
        assert_eq!(order_in_id(id).map(OrderId::get), Some(4711));
        assert_eq!((asked_by(id), event_in_id(id)), (Some("4711.2.DeductStock"), "StockDecided"));
        assert_eq!((asked_by("4711.2.DeductStock"), event_in_id("4711.2.DeductStock")), (None, "DeductStock"));
        assert_eq!(order_in_id("pay_4711_1/PaymentCaptured"), None);
    }
}
