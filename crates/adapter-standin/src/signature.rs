//! How a callback proves that it comes from the provider and is fresh.
//!
//! The header is `Doos-Signature: t=<ms since 1970>,v1=<hex>`, where the hex is HMAC-SHA256 under the shared secret
//! over the digits of `t`, a full stop and the body as sent. The time is signed, so an old callback cannot be given a
//! new one. Parts with other names are skipped, so that a `v2` may one day stand beside `v1`.
//!
//! What must never happen: a comparison that ends at the first wrong byte, for its duration would tell the forger how
//! far the guess was right; or a body that is parsed before it is verified.

use doos_domain::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub const HEADER: &str = "Doos-Signature";

/// How far the signed time may lie from the receiver's clock, either way.
pub const TOLERANCE_MS: i64 = 5 * 60_000;

/// A header that is longer was not made by us.
const HEADER_LEN_MAX: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("the signature header is not of the form t=<ms>,v1=<hex>")]
    Malformed,
    #[error("the signature is not the secret's")]
    Mismatch,
    #[error("the signature's time is {off_ms} ms from ours")]
    Stale { off_ms: i64 },
}

/// The header's value for this body.
pub fn sign(secret: &[u8], at: Timestamp, body: &[u8]) -> String {
    let mut header = format!("t={},v1=", at.as_millis());
    for byte in code_of(secret, at.as_millis(), body).finalize().into_bytes() {
        for digit in [byte >> 4, byte & 15] {
            header.push(char::from_digit(u32::from(digit), 16).expect("four bits are one hex digit"));
        }
    }
    header
}

/// Tells when the body was signed, if the secret's holder signed it and not too long ago.
pub fn verify(
    secret: &[u8],
    header: &str,
    body: &[u8],
    now: Timestamp,
    tolerance_ms: i64,
) -> Result<Timestamp, Rejected> {
    let (at_ms, code) = parse(header).ok_or(Rejected::Malformed)?;
    // `verify_slice` compares in constant time.
    code_of(secret, at_ms, body).verify_slice(&code).map_err(|_| Rejected::Mismatch)?;
    let off_ms = now.as_millis().saturating_sub(at_ms);
    if off_ms.saturating_abs() > tolerance_ms {
        Err(Rejected::Stale { off_ms })
    } else {
        Ok(Timestamp::from_millis(at_ms))
    }
}

fn code_of(secret: &[u8], at_ms: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut code = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
    code.update(at_ms.to_string().as_bytes());
    code.update(b".");
    code.update(body);
    code
}

fn parse(header: &str) -> Option<(i64, [u8; 32])> {
    if header.len() > HEADER_LEN_MAX {
        return None;
    }
    let (mut at_ms, mut code) = (None, None);
    for part in header.split(',') {
        let (name, value) = part.trim().split_once('=')?;
        let twice = match name {
            "t" => at_ms.replace(parse_millis(value)?).is_some(),
            "v1" => code.replace(parse_hex(value)?).is_some(),
            _ => false,
        };
        if twice {
            return None;
        }
    }
    at_ms.zip(code)
}

fn parse_millis(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).expect("two hex digits are one byte");
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"only for this test";
    const BODY: &[u8] = br#"{"amount_minor":19998}"#;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_code_is_the_one_that_other_programs_compute() {
        // printf '7.what do ya want for nothing?' | openssl dgst -sha256 -hmac Jefe
        let expected = "t=7,v1=239f4b39fd23f4376db46b239fae471e7c6824b3931bc60f4c0b745bef8de34f";
        assert_eq!(sign(b"Jefe", at(7), b"what do ya want for nothing?"), expected);
    }

    #[test]
    fn what_was_signed_is_verified_and_tells_its_time() {
        let header = sign(SECRET, at(1_000), BODY);
        assert_eq!(verify(SECRET, &header, BODY, at(1_500), 500), Ok(at(1_000)));
        let with_more = format!("{header}, v2=whatever");
        assert_eq!(verify(SECRET, &with_more, BODY, at(1_500), 500), Ok(at(1_000)));
    }

    #[test]
    fn another_secret_body_or_time_is_a_mismatch() {
        let header = sign(SECRET, at(1_000), BODY);
        let other_body = br#"{"amount_minor":19999}"#;
        let later = header.replace("t=1000", "t=1001");
        assert_eq!(verify(b"another", &header, BODY, at(1_000), 0), Err(Rejected::Mismatch));
        assert_eq!(verify(SECRET, &header, other_body, at(1_000), 0), Err(Rejected::Mismatch));
        assert_eq!(verify(SECRET, &later, BODY, at(1_001), 0), Err(Rejected::Mismatch));
    }

    #[test]
    fn any_flipped_digit_of_the_code_is_found() {
        let header = sign(SECRET, at(1_000), BODY);
        for place in "t=1000,v1=".len()..header.len() {
            let digit = if &header[place..=place] == "0" { "1" } else { "0" };
            let forged = format!("{}{digit}{}", &header[..place], &header[place + 1..]);
            assert_eq!(verify(SECRET, &forged, BODY, at(1_000), 0), Err(Rejected::Mismatch), "{forged}");
        }
    }

    #[test]
    fn what_was_signed_too_long_ago_or_ahead_is_stale() {
        let header = sign(SECRET, at(10_000), BODY);
        assert_eq!(verify(SECRET, &header, BODY, at(10_501), 500), Err(Rejected::Stale { off_ms: 501 }));
        assert_eq!(verify(SECRET, &header, BODY, at(9_499), 500), Err(Rejected::Stale { off_ms: -501 }));
    }

    #[test]
    fn a_header_of_another_form_is_malformed() {
        let code = "0".repeat(64);
        for header in [
            String::new(),
            "t=1".into(),
            format!("v1={code}"),
            format!("t=1;v1={code}"),
            format!("t=-1,v1={code}"),
            format!("t=+1,v1={code}"),
            format!("t=,v1={code}"),
            format!("t=99999999999999999999,v1={code}"),
            format!("t=1,t=2,v1={code}"),
            format!("t=1,v1={code},v1={code}"),
            format!("t=1,v1={code}0"),
            format!("t=1,v1={}g", &code[1..]),
            format!("t=1,v1={}é", &code[2..]),
            format!("t=1,v1={code},v2={}", "0".repeat(HEADER_LEN_MAX)),
        ] {
            assert_eq!(verify(SECRET, &header, BODY, at(1), 0), Err(Rejected::Malformed), "{header}");
        }
    }
}
