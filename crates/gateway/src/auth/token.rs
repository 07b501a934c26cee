//! Bearer tokens: JWT, HMAC-SHA-256 and nothing else.
//!
//! What holds: the algorithm is fixed, every claim is required, the clock is the application's. A token says who
//! somebody is (`kind` and `sub`), never what they may do.
//!
//! What must never happen: a token of another algorithm, or of none, accepted; a token in a log.

use doos_app::Principal;
use doos_domain::ids::UserId;
use doos_domain::time::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const LEEWAY_SECONDS: i64 = 60;
const NAME_CHARS_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Customer,
    Service,
    Operator,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    kind: Kind,
    /// Seconds since 1970.
    iat: i64,
    exp: i64,
    jti: String,
}

#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("the demo principal has no token")]
    Demo,
    #[error("a service's or operator's name has 1 to {NAME_CHARS_MAX} letters, digits and _-.@+")]
    Name,
    #[error("the token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

/// Why a token is not accepted; told to nobody but the debug log.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("not a token signed with our key")]
    Unverified(#[source] jsonwebtoken::errors::Error),
    #[error("the token has expired")]
    Expired,
    #[error("the token was issued in the future")]
    Early,
    #[error("the token names nobody")]
    Subject,
}

/// A verified token's bearer, and until when it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub principal: Principal,
    pub expires_at: Timestamp,
}

/// Makes a token; `number` makes its id unique.
pub fn issue_token(
    key: &SecretString,
    principal: &Principal,
    now: Timestamp,
    ttl: Duration,
    number: u64,
) -> Result<String, IssueError> {
    install_provider();
    let (kind, sub) = match principal {
        Principal::Customer(user) => (Kind::Customer, user.to_string()),
        Principal::Service(name) => (Kind::Service, name.clone()),
        Principal::Operator(name) => (Kind::Operator, name.clone()),
        Principal::Demo => return Err(IssueError::Demo),
    };
    if kind != Kind::Customer && !is_name(&sub) {
        return Err(IssueError::Name);
    }
    let iat = now.as_millis().div_euclid(1_000);
    let exp = iat.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX));
    let claims = Claims { sub, kind, iat, exp, jti: format!("{number:016x}") };
    let key = EncodingKey::from_secret(key.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(IssueError::Signing)
}

/// Checks tokens against one key.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    pub fn new(key: &SecretString) -> Self {
        install_provider();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["sub", "exp"]);
        // Compared below, with the application's clock.
        validation.validate_exp = false;
        Self { key: DecodingKey::from_secret(key.expose_secret().as_bytes()), validation }
    }

    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Bearer, TokenError> {
        let token = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation);
        let claims = token.map_err(TokenError::Unverified)?.claims;
        let now_s = now.as_millis().div_euclid(1_000);
        if claims.iat > now_s.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Early);
        }
        if claims.exp <= now_s {
            return Err(TokenError::Expired);
        }
        let principal = match claims.kind {
            Kind::Customer => Principal::Customer(claims.sub.parse::<UserId>().map_err(|_| TokenError::Subject)?),
            _ if !is_name(&claims.sub) => return Err(TokenError::Subject),
            Kind::Service => Principal::Service(claims.sub),
            Kind::Operator => Principal::Operator(claims.sub),
        };
        Ok(Bearer { principal, expires_at: Timestamp::from_millis(claims.exp.saturating_mul(1_000)) })
    }
}

fn is_name(name: &str) -> bool {
    let nameable = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '+');
    !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && name.chars().all(nameable)
}

/// Named once, so that a second provider pulled in by some other crate cannot make it ambiguous.
fn install_provider() {
    // A second call finds it installed, which is what it wants.
    let _ = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn key() -> SecretString {
        SecretString::from("a key that is only used here")
    }

    fn principals() -> [Principal; 3] {
        let user = Principal::Customer(UserId::new(42).unwrap());
        [user, Principal::Service("pos".to_owned()), Principal::Operator("amy".to_owned())]
    }

    #[test]
    fn a_token_brings_back_whom_it_was_issued_to_until_it_expires() {
        for principal in principals() {
            let token = issue_token(&key(), &principal, NOW, HOUR, 1).unwrap();
            let verifier = Verifier::new(&key());
            let bearer = verifier.verify(&token, NOW.plus_millis(3_599_000)).unwrap();
            assert_eq!(bearer, Bearer { principal, expires_at: NOW.plus_millis(3_600_000) });
            assert!(matches!(verifier.verify(&token, NOW.plus_millis(3_600_000)), Err(TokenError::Expired)));
            assert!(matches!(verifier.verify(&token, NOW.plus_millis(-61_000)), Err(TokenError::Early)));
        }
    }

    #[test]
    fn another_key_another_algorithm_and_a_changed_byte_are_refused() {
        let token = issue_token(&key(), &principals()[0], NOW, HOUR, 1).unwrap();
        let other = Verifier::new(&SecretString::from("another key"));
        assert!(other.verify(&token, NOW).is_err());
        let verifier = Verifier::new(&key());
        let claims = Claims { sub: "42".to_owned(), kind: Kind::Customer, iat: 0, exp: i64::MAX, jti: String::new() };
        let secret = EncodingKey::from_secret(key().expose_secret().as_bytes());
        let hs384 = jsonwebtoken::encode(&Header::new(Algorithm::HS384), &claims, &secret).unwrap();
        assert!(verifier.verify(&hs384, NOW).is_err());
        // {"alg":"none"}
        let none = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
        assert!(verifier.verify(&none, NOW).is_err());
        let at = token.len() - 5;
        let changed = format!("{}{}{}", &token[..at], if &token[at..=at] == "A" { "B" } else { "A" }, &token[at + 1..]);
        assert!(verifier.verify(&changed, NOW).is_err());
    }

    #[test]
    fn every_claim_is_required() {
        let secret = EncodingKey::from_secret(key().expose_secret().as_bytes());
        let full = serde_json::json!({"sub": "42", "kind": "customer", "iat": 1, "exp": 4_000_000_000_i64, "jti": "1"});
        let sign = |claims: &serde_json::Value| jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &secret);
        assert!(Verifier::new(&key()).verify(&sign(&full).unwrap(), NOW).is_ok());
        for claim in ["sub", "kind", "iat", "exp", "jti"] {
            let mut less = full.clone();
            less.as_object_mut().unwrap().remove(claim);
            assert!(Verifier::new(&key()).verify(&sign(&less).unwrap(), NOW).is_err(), "{claim}");
        }
    }

    #[test]
    fn nobody_gets_a_token_for_the_demo_principal_or_without_a_name() {
        assert!(matches!(issue_token(&key(), &Principal::Demo, NOW, HOUR, 1), Err(IssueError::Demo)));
        let nameless = Principal::Operator(String::new());
        assert!(matches!(issue_token(&key(), &nameless, NOW, HOUR, 1), Err(IssueError::Name)));
    }
}
