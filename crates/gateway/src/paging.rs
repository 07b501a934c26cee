//! Keyset pages: an opaque token says after what the next page begins, and for which question.
//!
//! What holds: a token fits only the filter it was made for; with another one it is refused, because the page would
//! silently miss or repeat rows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::options::Options;
use crate::problem::{Problem, Result};

const FILTER_BYTES: usize = 8;

/// The first bytes of the hash of what identifies a question.
pub fn fingerprint(parts: &[&str]) -> u64 {
    fingerprint_bytes(parts.iter().map(|part| part.as_bytes()))
}

/// Each part counts with its length, so that no two lists of parts read the same.
pub fn fingerprint_bytes<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let first: [u8; FILTER_BYTES] = digest[..FILTER_BYTES].try_into().expect("a SHA-256 digest has 32 bytes");
    u64::from_be_bytes(first)
}

pub fn token(after: &str, filter: u64) -> String {
    let mut bytes = filter.to_be_bytes().to_vec();
    bytes.extend_from_slice(after.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// After what the page begins; an empty token is the first page.
pub fn after<T: std::str::FromStr>(token: &str, filter: u64) -> Result<Option<T>> {
    if token.is_empty() {
        return Ok(None);
    }
    let invalid = || Problem::new("invalid_page", "this page token is not one of this list's");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let (made_for, after) = bytes.split_first_chunk::<FILTER_BYTES>().ok_or_else(invalid)?;
    if u64::from_be_bytes(*made_for) != filter {
        return Err(Problem::new("invalid_page", "this page token was made for another list or filter"));
    }
    let after = std::str::from_utf8(after).map_err(|_| invalid())?;
    after.parse().map(Some).map_err(|_| invalid())
}

/// The size asked for, or the default.
pub fn size(asked: Option<&str>, options: &Options) -> Result<usize> {
    let Some(asked) = asked else { return Ok(options.page_size_default) };
    let most = options.page_size_max;
    let size = asked.parse::<usize>().ok().filter(|size| (1..=most).contains(size));
    size.ok_or_else(|| Problem::new("invalid_page", format!("a page_size lies between 1 and {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_brings_back_its_place_and_fits_only_its_filter() {
        let filter = fingerprint(&["orders", "42", "paid"]);
        let made = token("1234", filter);
        assert_eq!(after::<u64>(&made, filter).unwrap(), Some(1234));
        assert_eq!(after::<u64>("", filter).unwrap(), None);
        let other = fingerprint(&["orders", "42paid", ""]);
        for (text, filter) in [(made.as_str(), other), ("!", filter), ("AAAA", filter), ("e30", filter)] {
            assert_eq!(after::<u64>(text, filter).unwrap_err().code, "invalid_page", "{text}");
        }
    }

    #[test]
    fn a_page_size_lies_within_its_bounds() {
        let options = Options::default();
        assert_eq!(size(None, &options).unwrap(), 20);
        assert_eq!(size(Some("100"), &options).unwrap(), 100);
        for refused in ["0", "101", "-1", "x", ""] {
            assert_eq!(size(Some(refused), &options).unwrap_err().code, "invalid_page", "{refused}");
        }
    }
}
