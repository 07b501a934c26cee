//! `POST /v1/payments/callback`: what the payment provider tells us by itself.
//!
//! What holds: nothing of the body is believed before its signature is checked, in constant time, over the bytes as they
//! came. The header is `Doos-Signature: t=<ms since 1970>,v1=<hex of HMAC-SHA-256 over "t.body">`; several `v1` may
//! stand in it while a key is exchanged. A signature that is too old or too new is none.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::{HeaderMap, Response, StatusCode};
use doos_app::payment::{Callback, CallbackEvent};
use doos_domain::ids::{AttemptId, OrderId, RefundId};
use doos_domain::money::{Currency, Money};
use doos_domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;
use std::sync::Arc;

use crate::json::{self, Faults, Object};
use crate::payload::Payload;
use crate::problem::{Problem, Result};
use crate::rest;
use crate::state::{Scope, State};

pub const SIGNATURE: &str = "doos-signature";
const TEXT_CHARS_MAX: usize = 200;
const SIGNATURES_MAX: usize = 4;

pub async fn callback(
    FromState(state): FromState<Arc<State>>,
    axum::Extension(scope): axum::Extension<Arc<Scope>>,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Response<Body>> {
    state.limits.admit_any()?;
    if let Err(refused) = check_signature(&headers, &payload.body, &state) {
        state.admit_stranger(&headers, &scope).await?;
        return Err(refused);
    }
    state.shed()?;
    let callback = Callback { trace: Some(scope.traceparent.clone()), ..read(&payload.body)? };
    let app = Arc::clone(&state.app);
    let news = state.finish(async move { app.payment_callback(callback).await }).await?;
    Ok(rest::json(StatusCode::OK, format!("{{\"accepted\":true,\"news\":{news}}}")))
}

fn check_signature(headers: &HeaderMap, body: &[u8], state: &State) -> Result<()> {
    let invalid = |detail: &str| Problem::new("signature_invalid", detail);
    let sent = headers.get(SIGNATURE).ok_or_else(|| invalid("send `Doos-Signature: t=…,v1=…`"))?;
    let sent = sent.to_str().map_err(|_| invalid("the signature header cannot be read"))?;
    let key = state.callback_key.expose_secret().as_bytes();
    let signed_at = verify(key, sent, body).ok_or_else(|| invalid("the signature does not match"))?;
    let now = state.app.ports.clock.now();
    let apart = now.millis_since(signed_at).max(signed_at.millis_since(now));
    if apart > i64::try_from(state.options.callback_tolerance_ms).unwrap_or(i64::MAX) {
        return Err(invalid("the signature is too old or too new"));
    }
    Ok(())
}

/// When it was signed, if one of the signatures is right.
fn verify(key: &[u8], header: &str, body: &[u8]) -> Option<Timestamp> {
    let pairs = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let (_, time) = pairs().find(|(name, _)| *name == "t")?;
    let signed_at: i64 = time.parse().ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let signatures = pairs().filter(|(name, _)| *name == "v1").take(SIGNATURES_MAX);
    let is_right =
        |(_, hex): (&str, &str)| unhex(hex).is_some_and(|signature| mac.clone().verify_slice(&signature).is_ok());
    signatures.into_iter().any(is_right).then_some(Timestamp::from_millis(signed_at))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 || text.len() > 128 {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok().filter(|_| !text[at..].starts_with('+'));
    (0..text.len()).step_by(2).map(byte).collect()
}

fn read(body: &[u8]) -> Result<Callback> {
    let mut faults = Faults::default();
    let mut object = json::parse(body, &mut faults)?;
    let order_id = object.require("order_id", &mut faults).and_then(|value| value.id::<OrderId>(&mut faults));
    let attempt_id = short(&mut object, "attempt_id", &mut faults);
    let amount = object.require("amount_minor", &mut faults).and_then(|value| value.whole(0, i64::MAX, &mut faults));
    let currency = short(&mut object, "currency", &mut faults).and_then(|code| {
        let known = Currency::from_code(&code);
        if known.is_none() {
            faults.add("#/currency", "is not a currency we charge in");
        }
        known
    });
    let event = short(&mut object, "event", &mut faults);
    let refund_id = object.take("refund_id").and_then(|value| value.string(&mut faults));
    let reference = object.take("provider_reference").and_then(|value| value.string(&mut faults)).unwrap_or_default();
    let event = match (event.as_deref(), refund_id) {
        (Some("captured"), _) => Some(CallbackEvent::Captured),
        (Some("closed"), _) => Some(CallbackEvent::Closed),
        (Some("refunded"), Some(id)) => Some(CallbackEvent::Refunded { refund_id: RefundId::from_text(id) }),
        (Some("refunded"), None) => {
            faults.add("#/refund_id", "is missing");
            None
        }
        (Some(_), _) => {
            faults.add("#/event", "expected captured, closed or refunded");
            None
        }
        (None, _) => None,
    };
    if reference.chars().count() > TEXT_CHARS_MAX {
        faults.add("#/provider_reference", format!("has at most {TEXT_CHARS_MAX} characters"));
    }
    // Fields we do not know are the provider's own affair (a nonce, a time); refusing them would refuse its next release.
    faults.check()?;
    let whole = order_id.zip(attempt_id).zip(amount.zip(currency)).zip(event);
    let (((order_id, attempt_id), (amount, currency)), event) =
        whole.ok_or_else(|| Problem::invalid_at("#", "is not a callback"))?;
    Ok(Callback {
        order_id,
        attempt_id: AttemptId::from_text(attempt_id),
        amount: Money::new(amount, currency),
        event,
        provider_reference: reference,
        trace: None,
    })
}

fn short(object: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> Option<String> {
    let value = object.require(name, faults)?;
    let text = value.string(faults)?;
    if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX {
        faults.add(&value.pointer, format!("expected 1 to {TEXT_CHARS_MAX} characters"));
        return None;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn sign(key: &[u8], time: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    }

    #[test]
    fn one_right_signature_among_several_is_enough_and_covers_time_and_body() {
        let right = sign(b"key", "1000", b"{}");
        let header = format!("t=1000,v1={},v1={right}", "00".repeat(32));
        assert_eq!(verify(b"key", &header, b"{}"), Some(Timestamp::from_millis(1000)));
        for (key, header, body) in [
            (b"kez", header.clone(), b"{}"),
            (b"key", header.replace("t=1000", "t=1001"), b"{}"),
            (b"key", header.clone(), b"[]"),
            (b"key", format!("t=1000,v1={}", &right[..62]), b"{}"),
            (b"key", format!("v1={right}"), b"{}"),
            (b"key", "t=1000,v1=".to_owned(), b"{}"),
            (b"key", "t=1000,v1=zz".to_owned(), b"{}"),
            (b"key", String::new(), b"{}"),
        ] {
            assert_eq!(verify(key, &header, body), None, "{header}");
        }
    }
}
