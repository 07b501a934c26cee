//! The pages of the error codes, compiled in: what happened, what to do, whether to try again.
//!
//! They are the files of `docs/errors`; there is one for each code of `app`, which a test below compares.

macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        &[$(($code, include_str!(concat!("../../../docs/errors/", $code, ".md")))),*]
    };
}

const PAGES: &[(&str, &str)] = pages![
    "already_paid",
    "body_too_large",
    "broken_store",
    "bulk_too_large",
    "callback_rejected",
    "coupon_unknown",
    "forbidden",
    "header_too_large",
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "illegal_move",
    "in_progress",
    "internal",
    "invalid_json",
    "invalid_page",
    "invalid_request",
    "malformed_request",
    "method_not_allowed",
    "name_unknown",
    "not_enough_free",
    "not_found",
    "not_ready",
    "out_of_stock",
    "outcome_unknown",
    "overloaded",
    "payment_closing",
    "position_unknown",
    "price_changed",
    "product_conflict",
    "product_unknown",
    "rate_limited",
    "request_timeout",
    "signature_invalid",
    "stream_limit",
    "token_invalid",
    "token_missing",
    "unavailable",
    "unsupported_media_type",
    "uri_too_long",
    "user_invalid",
];

/// The page of a code, as Markdown.
pub fn find(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(name, _)| *name == code).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use doos_app::error_codes;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let codes: Vec<&str> = error_codes::ALL.iter().map(|(code, ..)| *code).collect();
        let pages: Vec<&str> = PAGES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, pages);
    }

    #[test]
    fn a_page_says_its_code_its_status_and_what_to_do() {
        for (code, status, title) in error_codes::ALL {
            let page = find(code).unwrap();
            assert!(page.starts_with(&format!("# `{code}`\n\n{title}. HTTP status {status}.")), "{code}");
            for heading in ["## What happened", "## What to do", "## Try again?"] {
                assert!(page.contains(heading), "{code}: {heading}");
            }
        }
    }
}
