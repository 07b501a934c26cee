//! Who is calling: from the `Authorization` header to a [`Principal`].
//!
//! What holds: a bad token is refused wherever it is sent, also where none would be needed. Without one, a caller of a
//! node in profile dev that listens on loopback is the demo principal; everybody else is told that a token is missing.
//!
//! A browser's pages send the token as a cookie instead (`session.rs`).
//!
//! What must never happen: the demo principal lent to a web page from elsewhere. Browsers reach loopback too, so a call
//! of another site's page, or one addressed to a name that is not this machine, does not count as local.

mod cache;
mod session;
mod token;

pub use session::set_cookie;
pub use token::{Bearer, IssueError, issue_token};

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use doos_app::Principal;
use doos_domain::time::Timestamp;
use secrecy::SecretString;
use std::time::Duration;

use crate::problem::{Problem, Result};

pub struct Authenticator {
    key: SecretString,
    verifier: token::Verifier,
    cache: cache::TokenCache,
}

impl Authenticator {
    pub fn new(key: &SecretString, cache_len_max: usize) -> Self {
        let (verifier, cache) = (token::Verifier::new(key), cache::TokenCache::new(cache_len_max));
        Self { key: key.clone(), verifier, cache }
    }

    /// `local` says whether this listener lends the demo principal at all.
    pub fn identify(&self, headers: &HeaderMap, uri: &Uri, local: bool, now: Timestamp) -> Result<Principal> {
        if let Some(sent) = headers.get(AUTHORIZATION) {
            return self.bearer(sent, now);
        }
        let session = session::token(headers, uri).and_then(|token| self.verify(token, now).ok());
        match session {
            Some(bearer) => Ok(bearer.principal),
            None if local => demo(headers, uri),
            None => Err(missing("send `Authorization: Bearer …`")),
        }
    }

    /// Whose token this is, and until when.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Bearer> {
        if let Some(known) = self.cache.find(token, now) {
            return Ok(known);
        }
        if self.cache.is_revoked(token) {
            return Err(invalid());
        }
        let bearer = self.verifier.verify(token, now).map_err(|error| {
            tracing::debug!(%error, "token refused");
            invalid()
        })?;
        self.cache.store(token, bearer.clone());
        Ok(bearer)
    }

    /// Ends the session that the call belongs to, if it belongs to one.
    pub fn end_session(&self, headers: &HeaderMap, uri: &Uri, now: Timestamp) {
        let session = session::token(headers, uri).and_then(|token| Some((token, self.verify(token, now).ok()?)));
        if let Some((token, bearer)) = session {
            self.cache.revoke(token, bearer.expires_at);
        }
    }

    /// A token for a session; `number` makes its id unique.
    pub fn issue(
        &self,
        principal: &Principal,
        now: Timestamp,
        ttl: Duration,
        number: u64,
    ) -> std::result::Result<String, IssueError> {
        issue_token(&self.key, principal, now, ttl, number)
    }

    /// Whether this call could be the demo principal's, whatever else it sends.
    pub fn check_demo(&self, headers: &HeaderMap, uri: &Uri, local: bool) -> Result<()> {
        if !local {
            let detail = "here a token is needed to log in; names alone do in profile dev on the same machine";
            return Err(Problem::new("forbidden", detail));
        }
        demo(headers, uri).map(drop)
    }

    /// Refuses a call that the page of another site makes.
    pub fn check_own_page(&self, headers: &HeaderMap, uri: &Uri) -> Result<()> {
        if session::is_own_page(headers, uri) {
            return Ok(());
        }
        Err(Problem::new("forbidden", "a page of another site may not do that"))
    }

    fn bearer(&self, sent: &HeaderValue, now: Timestamp) -> Result<Principal> {
        let text = sent.to_str().map_err(|_| invalid())?;
        let (scheme, token) = text.split_once(' ').ok_or_else(invalid)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid());
        }
        self.verify(token.trim(), now).map(|bearer| bearer.principal)
    }
}

fn demo(headers: &HeaderMap, uri: &Uri) -> Result<Principal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.get_all(HOST).iter().count() > 1 {
        return Err(missing("a call names one host"));
    }
    let addressed = uri.authority().map(|authority| authority.as_str()).or_else(|| text(HOST));
    if addressed.is_some_and(|authority| !is_this_machine(authority)) {
        return Err(missing("without a token, address this node as localhost"));
    }
    let origin = text(ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let foreign = match (text(ORIGIN), addressed) {
        (Some(_), Some(addressed)) => origin != Some(addressed),
        _ => text(header::HeaderName::from_static("sec-fetch-site")) == Some("cross-site"),
    };
    if foreign {
        return Err(missing("a page of another site needs a token"));
    }
    Ok(Principal::Demo)
}

fn is_this_machine(authority: &str) -> bool {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_loopback = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_loopback || name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

fn missing(advice: &str) -> Problem {
    challenge(Problem::new("token_missing", advice))
}

fn invalid() -> Problem {
    challenge(Problem::new("token_invalid", "the bearer token is not valid"))
}

fn challenge(problem: Problem) -> Problem {
    problem.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identify(local: bool, headers: &[(&'static str, &'static str)]) -> Result<Principal> {
        let authenticator = Authenticator::new(&SecretString::from("key"), 100);
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        authenticator.identify(&headers, &Uri::from_static("/"), local, Timestamp::default())
    }

    #[test]
    fn without_a_token_only_local_calls_are_the_demo_principal() {
        assert_eq!(identify(false, &[]).unwrap_err().code, "token_missing");
        for host in ["localhost", "127.0.0.1:8080", "[::1]:8080", "doos.localhost:1", "LOCALHOST:8080"] {
            assert_eq!(identify(true, &[("host", host)]).unwrap(), Principal::Demo, "{host}");
        }
        let headers = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(identify(true, &headers).unwrap_err().code, "token_missing", "two hosts");
        for host in ["example.org", "localhost.example.org:8080", "10.0.0.1:8080", "[fe80::1]:80"] {
            assert_eq!(identify(true, &[("host", host)]).unwrap_err().code, "token_missing", "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_not_the_demo_principal() {
        let host = ("host", "localhost:8080");
        assert!(identify(true, &[host, ("origin", "http://localhost:8080")]).is_ok());
        assert!(identify(true, &[host, ("sec-fetch-site", "same-origin")]).is_ok());
        for foreign in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
            assert_eq!(identify(true, &[host, foreign]).unwrap_err().code, "token_missing", "{foreign:?}");
        }
    }

    #[test]
    fn a_bad_token_is_refused_where_none_is_needed() {
        for sent in ["Bearer x", "Basic abc", "Bearer", "x"] {
            assert_eq!(identify(true, &[("authorization", sent)]).unwrap_err().code, "token_invalid", "{sent}");
        }
    }
}
