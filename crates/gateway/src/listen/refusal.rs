//! What cannot be read as a request is refused before there is one, by the HTTP library, with an empty reply. Here that
//! reply gets the body that every other refusal has.
//!
//! What holds: only a whole, empty reply with one of three statuses is replaced, and never one of ours: those carry a
//! `trace-id`.

use crate::problem::{CONTENT, Problem};

const HEAD_ENDS: &[u8] = b"\r\n\r\n";

/// Whether these bytes may be such a reply; cheap, for every write is asked.
pub fn may_be(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.") && problem_of(bytes).is_some()
}

/// The reply in full, if these bytes are an empty one of the library's own.
pub fn in_full(bytes: &[u8], trace_id: &str) -> Option<Vec<u8>> {
    let problem = problem_of(bytes)?;
    let head = std::str::from_utf8(bytes.strip_suffix(HEAD_ENDS)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?;
    let named = |line: &&str, name: &str| line.split(':').next().is_some_and(|given| given.eq_ignore_ascii_case(name));
    let headers: Vec<&str> = lines.collect();
    let is_empty = headers.iter().any(|line| named(line, "content-length") && line.ends_with(" 0"));
    if !is_empty || headers.iter().any(|line| line.is_empty() || named(line, "trace-id")) {
        return None;
    }
    let body = problem.to_json("/", trace_id);
    let mut reply = format!("{status}\r\n");
    for line in headers.iter().filter(|line| !named(line, "content-length")) {
        reply += line;
        reply += "\r\n";
    }
    let length = body.len();
    reply += &format!("content-type: {CONTENT}\r\ncontent-length: {length}\r\ntrace-id: {trace_id}\r\n");
    reply += "x-content-type-options: nosniff\r\n\r\n";
    let mut reply = reply.into_bytes();
    reply.extend_from_slice(&body);
    Some(reply)
}

fn problem_of(reply: &[u8]) -> Option<Problem> {
    let (code, detail) = match reply.get("HTTP/1.1 ".len().."HTTP/1.1 400".len())? {
        b"400" => ("malformed_request", "this is no HTTP request: its first line or one of its headers cannot be read"),
        b"414" => ("uri_too_long", "the path with its query is too long"),
        b"431" => ("header_too_large", "the header is larger than this node takes"),
        _ => return None,
    };
    Some(Problem::new(code, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\
        date: Sat, 21 Nov 2026 07:00:00 GMT\r\n\r\n";

    #[test]
    fn an_empty_reply_of_the_library_gets_a_body_of_the_length_it_says() {
        assert!(may_be(EMPTY.as_bytes()));
        let reply = String::from_utf8(in_full(EMPTY.as_bytes(), "abc").unwrap()).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(!head.contains("content-length: 0") && head.contains("\r\nconnection: close\r\n"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["code"], &body["trace_id"]), (&"header_too_large".into(), &"abc".into()));
    }

    #[test]
    fn replies_of_ours_and_parts_of_them_stay_as_they_are() {
        let ours = EMPTY.replace("connection: close", "trace-id: 5");
        let full = EMPTY.replace("content-length: 0", "content-length: 10");
        let part = &EMPTY[..EMPTY.len() - 1];
        let two = format!("{EMPTY}{EMPTY}");
        for bytes in [ours.as_str(), &full, part, &two, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", "HTTP/1."] {
            assert_eq!(in_full(bytes.as_bytes(), "abc"), None, "{bytes}");
        }
        assert!(!may_be(b"{\"status\":431}") && !may_be(b"HTTP/1.1 200 OK\r\n\r\n"));
    }
}
