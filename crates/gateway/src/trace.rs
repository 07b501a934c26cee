//! W3C trace context: taken from the caller if it is well formed, made here if not.
//!
//! The trace id is random enough to be unique and not meant to be secret.

use doos_ports::clock::Clock;
use std::fmt;

/// One `traceparent`, with the id of the span that this request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    pub trace_id: u128,
    pub span_id: u64,
    pub flags: u8,
}

impl Trace {
    /// A child of what the caller sent, or the beginning of a new trace.
    pub fn arriving(sent: Option<&str>, clock: &dyn Clock) -> Self {
        let span_id = clock.random().max(1);
        match sent.and_then(Self::parse) {
            Some(parent) => Self { span_id, ..parent },
            None => {
                let trace_id = (u128::from(clock.random()) << 64 | u128::from(clock.random())).max(1);
                Self { trace_id, span_id, flags: 0 }
            }
        }
    }

    /// `00-<32 hex>-<16 hex>-<2 hex>`; later versions may carry more behind it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let extra = parts.next().is_some();
        let widths = version.len() == 2 && trace.len() == 32 && span.len() == 16 && flags.len() == 2;
        if !widths || version == "ff" || version == "00" && extra {
            return None;
        }
        let lower_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if ![version, trace, span, flags].into_iter().all(lower_hex) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        Some(Self { trace_id, span_id, flags: u8::from_str_radix(flags, 16).ok()? })
    }

    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_well_formed_parent_is_read_and_written_back() {
        assert_eq!(Trace::parse(SENT).unwrap().to_string(), SENT);
        assert!(Trace::parse(&format!("01{}-more", &SENT[2..])).is_some());
    }

    #[test]
    fn what_is_not_a_parent_is_ignored() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Trace::parse(text), None, "{text}");
        }
    }
}
