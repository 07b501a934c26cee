//! What the connections of a load do: read orders, place them, or both.
//!
//! What holds: requests are put together from prepared bytes; every order placed is another user's, so that two orders
//! of one user are one order placed twice.
//!
//! What must never happen: an answer believed without a look at it, or a promise that is not noted.

mod both;
mod payer;
mod place;
mod products;
mod read;

pub use both::Both;
pub use payer::Payer;
pub use place::{Buyer, Buyers, Expected};
pub use products::Products;
pub use read::{Reader, requests, requests_of};

use crate::http::Answer;
use crate::load::Outcome;

/// What is neither done nor known: told to come later, or refused with the code of its problem.
fn refused(answer: Answer<'_>) -> Outcome {
    match answer.status {
        429 | 503 => Outcome::Shed { with_retry_after: answer.has_retry_after },
        status => Outcome::Failed(format!("{status} {}", text_of(answer.body, "code").unwrap_or("without a code"))),
    }
}

/// The text of the first member of this name; enough for the flat places that are looked at here.
pub fn text_of<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let body = std::str::from_utf8(body).ok()?;
    let mut rest = body;
    while let Some(found) = rest.find(name) {
        let (before, after) = (&rest[..found], &rest[found + name.len()..]);
        rest = after;
        if before.ends_with('"')
            && let Some(value) = after.strip_prefix('"').map(str::trim_start).and_then(|after| after.strip_prefix(':'))
            && let Some(value) = value.trim_start().strip_prefix('"')
        {
            return value.split('"').next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_by_its_whole_name() {
        let body = br#"{"xorder_id":"1","order_id" : "42","status":"pending","n":3}"#;
        assert_eq!(text_of(body, "order_id"), Some("42"));
        assert_eq!(text_of(body, "status"), Some("pending"));
        assert_eq!(text_of(body, "n"), None);
        assert_eq!(text_of(b"\xff", "n"), None);
    }

    #[test]
    fn a_refusal_is_counted_under_its_code() {
        let answer = |status, body| Answer { status, replayed: false, has_retry_after: true, body };
        assert_eq!(refused(answer(503, b"{}")), Outcome::Shed { with_retry_after: true });
        assert_eq!(refused(answer(422, br#"{"code":"x"}"#)), Outcome::Failed("422 x".to_owned()));
    }
}
