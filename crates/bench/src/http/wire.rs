//! Reads the head of an HTTP/1.1 answer out of the bytes received so far.
//!
//! What holds: only what our servers say is understood: a status line, a `content-length`. Everything else is refused by
//! name, and never guessed: a chunked answer, or one whose length is not told, would make the next one unreadable.

use std::fmt;

/// Longer heads are refused; the largest of ours has a few hundred bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The largest answer that is read, a page of a hundred orders with a lot of room.
const BODY_BYTES_MAX: usize = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// Where the body begins.
    pub head_bytes: usize,
    pub body_bytes: usize,
    pub closes: bool,
    pub replayed: bool,
    pub has_retry_after: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer cannot be read: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// The head, if it is there whole; None if more bytes are needed.
pub fn parse(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some(head_bytes) = end_of_head(bytes) else {
        return if bytes.len() > HEAD_BYTES_MAX { Err(Malformed("its head does not end")) } else { Ok(None) };
    };
    let mut lines = bytes[..head_bytes].split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let status = status_of(lines.next().unwrap_or_default())?;
    let mut head = Head { status, head_bytes, body_bytes: 0, closes: false, replayed: false, has_retry_after: false };
    let mut length = None;
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed("a header without a colon"))?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // Compared by length first: most headers are none of these.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let told = length_of(value)?;
                if length.is_some_and(|known| known != told) {
                    return Err(Malformed("two different content-lengths"));
                }
                length = Some(told);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                return Err(Malformed("it is chunked, which this client does not read"));
            }
            10 if name.eq_ignore_ascii_case(b"connection") => head.closes |= value.eq_ignore_ascii_case(b"close"),
            11 if name.eq_ignore_ascii_case(b"retry-after") => head.has_retry_after = true,
            19 if name.eq_ignore_ascii_case(b"idempotent-replayed") => head.replayed = value == b"true",
            _ => {}
        }
    }
    head.body_bytes = match length {
        _ if matches!(status, 204 | 304) => 0,
        Some(length) => length,
        None => return Err(Malformed("its length is not told")),
    };
    Ok(Some(head))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    // A head ends with an empty line; looked for from line to line.
    while let Some(found) = bytes[from..].iter().position(|byte| *byte == b'\n') {
        let next = from + found + 1;
        if bytes[next..].starts_with(b"\r\n") {
            return Some(next + 2);
        }
        from = next;
    }
    None
}

fn status_of(line: &[u8]) -> Result<u16, Malformed> {
    let digits =
        line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or(Malformed("no HTTP/1.1 status"))?;
    let text = std::str::from_utf8(digits).map_err(|_| Malformed("no HTTP/1.1 status"))?;
    let status: u16 = text.parse().map_err(|_| Malformed("no HTTP/1.1 status"))?;
    // An interim answer has no length, and the real one follows it; we never ask for one.
    if status < 200 { Err(Malformed("an interim status")) } else { Ok(status) }
}

fn length_of(value: &[u8]) -> Result<usize, Malformed> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = text.and_then(|text| text.parse().ok()).ok_or(Malformed("a content-length that is no number"))?;
    if length > BODY_BYTES_MAX { Err(Malformed("its body is too large")) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello";

    #[test]
    fn a_whole_answer_is_read() {
        let head = parse(WHOLE).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, head.closes), (201, 5, false));
        assert_eq!(&WHOLE[head.head_bytes..], b"hello");
    }

    #[test]
    fn every_cut_through_the_head_asks_for_more_and_none_through_the_body_does() {
        let head_bytes = WHOLE.len() - 5;
        for cut in 0..head_bytes {
            assert_eq!(parse(&WHOLE[..cut]), Ok(None), "{cut}");
        }
        for cut in head_bytes..=WHOLE.len() {
            assert_eq!(parse(&WHOLE[..cut]).unwrap().unwrap().body_bytes, 5, "{cut}");
        }
    }

    #[test]
    fn what_is_counted_is_found_in_any_case() {
        let head = parse(b"HTTP/1.1 503 X\r\nretry-AFTER: 1\r\nConnection: Close\r\nIdempotent-Replayed: true\r\ncontent-length:0\r\n\r\n");
        let head = head.unwrap().unwrap();
        assert!(head.has_retry_after && head.closes && head.replayed);
    }

    #[test]
    fn an_answer_without_a_body_needs_no_length_and_any_other_does() {
        assert_eq!(parse(b"HTTP/1.1 304 Not Modified\r\n\r\n").unwrap().unwrap().body_bytes, 0);
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn what_would_be_guessed_is_refused() {
        for text in [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&vec![b'x'; HEAD_BYTES_MAX + 1]).is_err());
    }
}
