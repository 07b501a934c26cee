//! A browser's session: a token in a cookie that scripts cannot read.
//!
//! What holds: the cookie is the same token as a bearer's, checked in the same way. A browser attaches it by itself, so
//! it counts only for calls of this node's own pages; and one that does not count, or is no longer valid, is as if it
//! had not been sent, since nobody chose to send it.
//!
//! What must never happen: a session lent to the page of another site, a WebSocket's handshake included.

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, Uri};
use std::time::Duration;

const NAME: &str = "doos_session";

/// The token that a page of this node sent along.
pub(super) fn token<'a>(headers: &'a HeaderMap, uri: &Uri) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let token = pairs.find_map(|(name, value)| (name == NAME).then_some(value))?;
    is_own_page(headers, uri).then_some(token)
}

/// The header that opens a session, or ends it when there is no token.
pub fn set_cookie(token: Option<&str>, ttl: Duration, secure: bool) -> String {
    let seconds = token.map_or(0, |_| ttl.as_secs());
    let secure = if secure { "; Secure" } else { "" };
    format!("{NAME}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", token.unwrap_or_default())
}

/// Whether a page of this node made the call, or no page at all. Where the browser says nothing of the kind, `Origin`
/// decides; a handshake of a WebSocket always has one.
pub(super) fn is_own_page(headers: &HeaderMap, uri: &Uri) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.get_all(HOST).iter().count() > 1 {
        return false;
    }
    if let Some(origin) = text(ORIGIN) {
        let addressed = uri.authority().map(|authority| authority.as_str()).or_else(|| text(HOST));
        let origin = origin.split_once("://").map(|(_, authority)| authority);
        return origin.is_some() && origin == addressed;
    }
    matches!(headers.get("sec-fetch-site").map(|value| value.as_bytes()), None | Some(b"same-origin" | b"none"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn sent(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        headers.iter().map(pair).collect()
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let headers = sent(&[("host", "shop.example"), ("cookie", "a=b; doos_session=t.o.k; doos_session2=x")]);
        assert_eq!(token(&headers, &Uri::from_static("/")), Some("t.o.k"));
        assert_eq!(token(&sent(&[("cookie", "xdoos_session=1")]), &Uri::from_static("/")), None);
    }

    #[test]
    fn a_session_counts_only_for_pages_of_this_node() {
        let host = ("host", "shop.example:8080");
        let cookie = ("cookie", "doos_session=t");
        for (more, counts) in [
            (("origin", "http://shop.example:8080"), true),
            (("origin", "http://shop.example"), false),
            (("origin", "https://evil.example"), false),
            (("origin", "null"), false),
            (("sec-fetch-site", "same-origin"), true),
            (("sec-fetch-site", "none"), true),
            (("sec-fetch-site", "same-site"), false),
            (("sec-fetch-site", "cross-site"), false),
            (("accept", "*/*"), true),
        ] {
            let found = token(&sent(&[host, cookie, more]), &Uri::from_static("/v1/stream")).is_some();
            assert_eq!(found, counts, "{more:?}");
        }
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let opened = set_cookie(Some("t"), Duration::from_secs(60), true);
        assert_eq!(opened, "doos_session=t; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure");
        assert!(set_cookie(None, Duration::from_secs(60), false).contains("doos_session=; "));
        assert!(set_cookie(None, Duration::from_secs(60), false).ends_with("Max-Age=0"));
    }
}
