//! Schemas only grow: the samples under `schemas/` are what releases have written, and stay as they are.
//!
//! A sample of an old release must still be read, and each of its fields must still be written with the same value. A new
//! kind needs a sample; a new field may get one more, with a name of its own. `DOOS_WRITE_SAMPLES=1` writes those that
//! are missing and never touches one that is there.

use doos_domain::ids::{AttemptId, MessageId, OrderId, ProductId, RefundId, ReturnId, UserId};
use doos_domain::message::{Body, Consumer, Demand, Message};
use doos_domain::money::{Currency, Money};
use doos_domain::shipping::Parcel;
use doos_domain::stock::Decision;
use doos_domain::time::Timestamp;
use rdkafka::message::Headers;
use serde_json::Value;
use std::path::PathBuf;

use crate::event;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// One body of each kind, every optional field present.
fn bodies() -> Vec<Body> {
    let order = OrderId::new(123_456_789_012).unwrap();
    let (attempt_id, refund_id) = (AttemptId::nth(order, 1), RefundId::from_text("r-1"));
    let lines = vec![Demand { product_id: ProductId::new(101).unwrap(), qty: 2 }];
    let amount = Money::new(19_998, Currency::Cny);
    let (tracking, cause) = ("T-1".to_owned(), "why".to_owned());
    vec![
        Body::DeductStock { lines: lines.clone() },
        Body::ReleaseStock { lines: lines.clone() },
        Body::ReturnStock { return_id: ReturnId::from_text("b-1"), lines: lines.clone() },
        Body::StockDecided { decision: Decision::Deducted },
        Body::CapturePayment { attempt_id: attempt_id.clone(), amount },
        Body::ClosePayment { attempt_id: attempt_id.clone(), amount },
        Body::RefundPayment { refund_id: refund_id.clone(), attempt_id: attempt_id.clone(), amount },
        Body::PaymentCaptured { attempt_id: attempt_id.clone(), amount },
        Body::PaymentClosed { attempt_id, cause: cause.clone() },
        Body::RefundSettled { refund_id },
        Body::ShipOrder { parcel: Parcel { lines, address: Some("1 Ünder Way".to_owned()) } },
        Body::RecallShipment { tracking: tracking.clone() },
        Body::ShipmentShipped { tracking, retried: true },
        Body::ShipmentFailed { cause },
        Body::ShipmentDelivered {},
    ]
}

/// A new kind does not compile here until it is given a place, and then `bodies` lacks it.
const fn kind(body: &Body) -> usize {
    match body {
        Body::DeductStock { .. } => 0,
        Body::ReleaseStock { .. } => 1,
        Body::ReturnStock { .. } => 2,
        Body::StockDecided { .. } => 3,
        Body::CapturePayment { .. } => 4,
        Body::ClosePayment { .. } => 5,
        Body::RefundPayment { .. } => 6,
        Body::PaymentCaptured { .. } => 7,
        Body::PaymentClosed { .. } => 8,
        Body::RefundSettled { .. } => 9,
        Body::ShipOrder { .. } => 10,
        Body::RecallShipment { .. } => 11,
        Body::ShipmentShipped { .. } => 12,
        Body::ShipmentFailed { .. } => 13,
        Body::ShipmentDelivered {} => KINDS - 1,
    }
}
const KINDS: usize = 15;

fn messages() -> Vec<Message> {
    let message = |body: Body| Message {
        id: MessageId::from_text(format!("123456789012.3.{}", body.event())),
        to: Consumer::Order,
        order_id: OrderId::new(123_456_789_012).unwrap(),
        user_id: UserId::new(42).unwrap(),
        order_version: 3,
        at: Timestamp::from_millis(1_790_000_000_123),
        trace: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        body,
    };
    bodies().into_iter().map(message).collect()
}

fn samples() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let read = files.map(|path| {
        let text = std::fs::read(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), serde_json::from_slice(&text).unwrap())
    });
    read.collect()
}

/// Everything in `old` that `new` lacks or says differently.
fn missing(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                missing(&format!("{path}.{key}"), value, new.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                missing(&format!("{path}[{index}]"), old, new, found);
            }
        }
        _ if old == new => {}
        _ => found.push(path.to_owned()),
    }
}

fn written(message: &Message) -> Value {
    serde_json::from_slice(&event::record(String::new(), message).unwrap().value).unwrap()
}

#[test]
fn every_kind_of_message_has_a_sample() {
    let mut kinds: Vec<usize> = bodies().iter().map(kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, (0..KINDS).collect::<Vec<_>>(), "a kind has no body here");
    for message in messages() {
        let path = folder().join(format!("{}.json", message.body.event()));
        if !path.exists() && std::env::var("DOOS_WRITE_SAMPLES").is_ok() {
            let text = serde_json::to_string_pretty(&written(&message)).unwrap();
            std::fs::write(&path, text + "\n").unwrap();
        }
        assert!(path.exists(), "{} has no sample", message.body.event());
    }
}

#[test]
fn every_sample_is_still_read_and_each_of_its_fields_still_written() {
    let samples = samples();
    assert!(samples.len() >= KINDS);
    for (name, sample) in samples {
        let message = event::message(Some(&serde_json::to_vec(&sample).unwrap()));
        let message = message.unwrap_or_else(|cause| panic!("{name} cannot be read any more: {cause}"));
        let mut found = Vec::new();
        missing("", &sample, &written(&message), &mut found);
        assert!(found.is_empty(), "{name}: no longer written: {found:?}");
    }
}

#[test]
fn a_field_that_is_not_known_yet_is_no_obstacle() {
    for message in messages() {
        let mut newer = written(&message);
        newer["since_tomorrow"] = 1.into();
        newer["payload"]["since_tomorrow"] = "x".into();
        assert_eq!(event::message(Some(&serde_json::to_vec(&newer).unwrap())).unwrap(), message);
    }
}

#[test]
fn the_headers_repeat_what_routers_and_tracing_look_for() {
    let message = &messages()[0];
    let record = event::record("t".to_owned(), message).unwrap();
    assert_eq!(record.key, b"123456789012");
    let headers: Vec<(&str, &str)> =
        record.headers.iter().map(|header| (header.key, std::str::from_utf8(header.value.unwrap()).unwrap())).collect();
    for expected in [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", "123456789012.3.DeductStock"),
        ("ce_source", "/doos/orders"),
        ("ce_type", "doos.DeductStock"),
        ("ce_subject", "123456789012"),
        ("ce_partitionkey", "123456789012"),
        ("ce_dataschema", "urn:doos:message:1"),
        ("ce_time", "2026-09-21T14:13:20.123Z"),
        ("ce_traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ] {
        assert!(headers.contains(&expected), "{expected:?} is not among {headers:?}");
    }
    assert_eq!(headers.len(), 11);
}

#[test]
fn what_is_no_message_says_why() {
    assert_eq!(event::message(None).unwrap_err(), "it has no value");
    assert!(event::message(Some(b"{\"id\":1}")).is_err());
    let mut unknown = written(&messages()[0]);
    unknown["event"] = "SinceTomorrow".into();
    let cause = event::message(Some(&serde_json::to_vec(&unknown).unwrap())).unwrap_err();
    assert!(cause.contains("SinceTomorrow"), "{cause}");
}
