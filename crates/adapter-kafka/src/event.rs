//! A message as it travels: a CloudEvent 1.0 in binary mode.
//!
//! What holds: the value is the message's stored form, byte for byte what the journal, the local message table and a
//! dead letter hold, so there is one schema to keep and a message is read from its value alone. The headers repeat what
//! routers and tracing want to see without parsing it; none of them is ever needed to read a message.
//!
//! What must never happen: a field of the stored form renamed or removed. `schemas/` holds a sample of each kind, and a
//! test that all of them are still read and still written.

use doos_domain::message::Message;
use rdkafka::message::{Header, OwnedHeaders};

/// Goes up only if old readers could not read new messages any more, which "only add" rules out.
const SCHEMA: &str = "urn:doos:message:1";
const SOURCE: &str = "/doos/orders";

/// A record for the broker.
pub(crate) struct Record {
    pub(crate) topic: String,
    /// Orders keep their order within a partition, and the key chooses it.
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: OwnedHeaders,
}

impl Record {
    /// What the queue's bound counts.
    pub(crate) const fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

pub(crate) fn record(topic: String, message: &Message) -> Result<Record, serde_json::Error> {
    let order = message.order_id.to_string();
    let value = serde_json::to_vec(message)?;
    let kind = format!("doos.{}", message.body.event());
    let mut pairs = vec![
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", message.id.as_str()),
        ("ce_source", SOURCE),
        ("ce_type", &kind),
        ("ce_subject", &order),
        ("ce_partitionkey", &order),
        ("ce_dataschema", SCHEMA),
    ];
    let time = jiff::Timestamp::from_millisecond(message.at.as_millis()).map(|at| at.to_string()).ok();
    pairs.extend(time.as_deref().map(|time| ("ce_time", time)));
    if let Some(trace) = &message.trace {
        // Once as the event's attribute, once where instrumented clients look for it.
        pairs.extend([("ce_traceparent", trace.as_str()), ("traceparent", trace)]);
    }
    let headers = with_headers(OwnedHeaders::new_with_capacity(pairs.len()), &pairs);
    Ok(Record { topic, key: order.into_bytes(), value, headers })
}

pub(crate) fn with_headers(headers: OwnedHeaders, pairs: &[(&str, &str)]) -> OwnedHeaders {
    pairs.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }))
}

/// Reads a value; the cause says what is wrong with one that is none of ours.
pub(crate) fn message(value: Option<&[u8]>) -> Result<Message, String> {
    let value = value.ok_or("it has no value")?;
    serde_json::from_slice(value).map_err(|error| error.to_string())
}
