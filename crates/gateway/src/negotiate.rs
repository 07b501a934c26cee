//! What a client wants to be answered with: the page or JSON, which language, whether it has it already.

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};

/// Whether a page is wanted more than JSON. Programs that say nothing get JSON.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let sent: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let page = quality(&sent, &["text/html"]);
    let json = quality(&sent, &["application/json", "application/*", "*/*"]);
    page > 0.0 && page > json
}

/// Whether the client can unpack this encoding.
pub fn takes_encoding(headers: &HeaderMap, encoding: &str) -> bool {
    let sent: Vec<&str> = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
    quality(&sent, &[encoding]) > 0.0
}

/// The weight given to a type or encoding by the most exact range that speaks of it.
fn quality(sent: &[&str], ranges: &[&str]) -> f32 {
    for range in ranges {
        let named = sent.iter().flat_map(|value| value.split(',')).find_map(|part| {
            let mut pieces = part.split(';').map(str::trim);
            let is_it = pieces.next()?.eq_ignore_ascii_case(range);
            is_it.then(|| {
                let weight = pieces.find_map(|piece| piece.strip_prefix("q=").or_else(|| piece.strip_prefix("Q=")));
                weight.and_then(|weight| weight.parse().ok()).unwrap_or(1.0)
            })
        });
        if let Some(weight) = named {
            return weight;
        }
    }
    0.0
}

/// The language asked for by parameter, else the first one the browser names that we know.
pub fn language(parameter: Option<&str>, headers: &HeaderMap) -> &'static str {
    let known = |tag: &str| match tag.trim().get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("zh") => Some("zh"),
        Some("en") => Some("en"),
        _ => None,
    };
    if let Some(asked) = parameter {
        return known(asked).unwrap_or("en");
    }
    let sent = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    sent.split(',').find_map(known).unwrap_or("en")
}

/// Whether the client's copy, named by `If-None-Match`, is this one.
pub fn has_already(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let ours = etag.to_str().unwrap_or_default();
    let sent = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    sent.flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn browsers_get_the_page_and_programs_get_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, page) in [
            (browser, true),
            ("text/html", true),
            ("TEXT/HTML;q=0.5", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html", false),
            ("application/json;q=0.5, text/html;q=0.6", true),
            ("text/html;q=0", false),
            ("text/html;q=0.5, */*", false),
            ("", false),
        ] {
            assert_eq!(wants_page(&with(ACCEPT, accept)), page, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }

    #[test]
    fn the_parameter_goes_before_the_header() {
        let chinese = with(ACCEPT_LANGUAGE, "fr, zh-CN;q=0.9, en;q=0.8");
        assert_eq!(language(None, &chinese), "zh");
        assert_eq!(language(Some("en"), &chinese), "en");
        assert_eq!(language(Some("fr"), &chinese), "en");
        assert_eq!(language(None, &HeaderMap::new()), "en");
    }

    #[test]
    fn an_encoding_is_used_if_it_is_named_and_not_refused() {
        for (sent, takes) in
            [("gzip, deflate, br", true), ("br;q=0", false), ("gzip", false), ("*", false), ("BR", true)]
        {
            assert_eq!(takes_encoding(&with(ACCEPT_ENCODING, sent), "br"), takes, "{sent}");
        }
    }

    #[test]
    fn a_copy_is_recognised_by_its_tag() {
        let ours = HeaderValue::from_static("\"7\"");
        for (sent, same) in [("\"7\"", true), ("\"6\", W/\"7\"", true), ("*", true), ("\"77\"", false), ("7", false)] {
            assert_eq!(has_already(&with(IF_NONE_MATCH, sent), &ours), same, "{sent}");
        }
    }
}
