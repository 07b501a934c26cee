//! The limits of everything a client touches, each with its unit in its name. Defaults are those of the design's table.
//!
//! What holds: a rate of zero means no limit; nothing else is unbounded, and zero elsewhere is refused by
//! [`Options::check`] before anything listens.

use serde::{Deserialize, Serialize};

use crate::network::Network;

/// What a missing token means, and how much is said about the inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    #[default]
    Dev,
    Prod,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    pub profile: Profile,
    /// In profile dev, ask for a token on loopback too.
    pub require_auth: bool,
    /// Networks whose `X-Forwarded-For` is believed; nobody else's is.
    pub trusted_proxies: Vec<Network>,
    /// The next connection is told to come back, and closed.
    pub connections_max: usize,
    /// From the first byte of a request to the end of its header.
    pub header_timeout_ms: u64,
    /// From the header to the end of the body.
    pub body_timeout_ms: u64,
    /// A connection without a request is closed after this time.
    pub idle_timeout_ms: u64,
    /// A client that takes nothing of its answer for so long is cut off.
    pub write_timeout_ms: u64,
    /// From the signal to stop until whatever is still open is cut off.
    pub drain_timeout_ms: u64,
    /// From the signal to stop until a request that has not arrived whole is given up.
    pub drain_receive_timeout_ms: u64,
    pub header_bytes_max: usize,
    /// Also the largest gRPC message.
    pub body_bytes_max: usize,
    pub http2_streams_max: u32,
    pub http2_ping_every_ms: u64,
    pub http2_ping_timeout_ms: u64,
    pub streams_max: usize,
    /// Events that may wait in one live stream; at the next one it is closed with a resume token.
    pub stream_events_max: usize,
    pub stream_ping_every_ms: u64,
    /// How often a live stream over everything carries the counters.
    pub stream_counters_every_ms: u64,
    pub page_size_default: usize,
    pub page_size_max: usize,
    pub token_cache_len_max: usize,
    /// How long a browser stays logged in by name.
    pub session_ttl_s: u64,
    /// Unanswered orders of one bulk stream; the stream waits at the next.
    pub bulk_in_flight_max: usize,
    /// Changes in one call of `UpdateOrderStatus`.
    pub bulk_changes_max: usize,
    /// Requests a second over all callers; 0: no limit.
    pub global_rate_per_s: u32,
    pub global_burst: u32,
    /// Requests a second of one caller; 0: no limit.
    pub principal_rate_per_s: u32,
    pub principal_burst: u32,
    /// Requests a second without a valid token, of one address; 0: no limit.
    pub address_rate_per_s: u32,
    pub address_burst: u32,
    /// How far a payment callback's time may lie from ours.
    pub callback_tolerance_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: Profile::Dev,
            require_auth: false,
            trusted_proxies: Vec::new(),
            connections_max: 20_000,
            header_timeout_ms: 10_000,
            body_timeout_ms: 15_000,
            idle_timeout_ms: 75_000,
            write_timeout_ms: 30_000,
            drain_timeout_ms: 10_000,
            drain_receive_timeout_ms: 2_000,
            header_bytes_max: 32 << 10,
            body_bytes_max: 64 << 10,
            http2_streams_max: 1_024,
            http2_ping_every_ms: 20_000,
            http2_ping_timeout_ms: 10_000,
            streams_max: 10_000,
            stream_events_max: 64,
            stream_ping_every_ms: 15_000,
            stream_counters_every_ms: 2_000,
            page_size_default: 20,
            page_size_max: 100,
            token_cache_len_max: 100_000,
            session_ttl_s: 12 * 3_600,
            bulk_in_flight_max: 256,
            bulk_changes_max: 256,
            global_rate_per_s: 0,
            global_burst: 0,
            principal_rate_per_s: 0,
            principal_burst: 0,
            address_rate_per_s: 0,
            address_burst: 0,
            callback_tolerance_ms: 5 * 60_000,
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the gateway's option `{name}` must not be {value}: {advice}")]
pub struct InvalidOption {
    name: &'static str,
    value: u64,
    advice: &'static str,
}

impl Options {
    /// The defaults of profile prod: the same limits, with rates that one caller alone should not pass.
    pub fn prod() -> Self {
        Self {
            profile: Profile::Prod,
            require_auth: true,
            global_rate_per_s: 50_000,
            global_burst: 50_000,
            principal_rate_per_s: 500,
            principal_burst: 1_000,
            address_rate_per_s: 20,
            address_burst: 100,
            ..Self::default()
        }
    }

    /// Refuses what would leave something unbounded, or let nothing through.
    pub fn check(&self) -> Result<(), InvalidOption> {
        let bounds = [
            ("connections_max", self.connections_max as u64, 1),
            ("header_timeout_ms", self.header_timeout_ms, 1),
            ("body_timeout_ms", self.body_timeout_ms, 1),
            ("idle_timeout_ms", self.idle_timeout_ms, 1),
            ("write_timeout_ms", self.write_timeout_ms, 1),
            ("drain_timeout_ms", self.drain_timeout_ms, 1),
            ("drain_receive_timeout_ms", self.drain_receive_timeout_ms, 1),
            // What hyper itself asks for.
            ("header_bytes_max", self.header_bytes_max as u64, 8_192),
            ("body_bytes_max", self.body_bytes_max as u64, 1),
            ("http2_streams_max", u64::from(self.http2_streams_max), 1),
            ("http2_ping_every_ms", self.http2_ping_every_ms, 1),
            ("http2_ping_timeout_ms", self.http2_ping_timeout_ms, 1),
            ("streams_max", self.streams_max as u64, 1),
            ("stream_events_max", self.stream_events_max as u64, 1),
            ("stream_ping_every_ms", self.stream_ping_every_ms, 1),
            ("stream_counters_every_ms", self.stream_counters_every_ms, 1),
            ("page_size_default", self.page_size_default as u64, 1),
            ("page_size_max", self.page_size_max as u64, 1),
            ("token_cache_len_max", self.token_cache_len_max as u64, 2),
            ("session_ttl_s", self.session_ttl_s, 1),
            ("bulk_in_flight_max", self.bulk_in_flight_max as u64, 1),
            ("bulk_changes_max", self.bulk_changes_max as u64, 1),
        ];
        for (name, value, least) in bounds {
            if value < least {
                return Err(InvalidOption { name, value, advice: "it is smaller than the least that works" });
            }
        }
        if self.page_size_default > self.page_size_max {
            let value = self.page_size_default as u64;
            return Err(InvalidOption { name: "page_size_default", value, advice: "it is above page_size_max" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_both_profiles_pass_their_own_check() {
        assert_eq!(Options::default().check(), Ok(()));
        assert_eq!(Options::prod().check(), Ok(()));
    }

    #[test]
    fn a_limit_of_zero_is_refused_and_named() {
        let refused = Options { streams_max: 0, ..Options::default() }.check().unwrap_err();
        assert_eq!(refused.name, "streams_max");
        let refused = Options { page_size_default: 101, ..Options::default() }.check().unwrap_err();
        assert_eq!(refused.name, "page_size_default");
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert!(serde_json::from_str::<Options>(r#"{"stream_max": 5}"#).is_err());
        let read: Options = serde_json::from_str(r#"{"profile": "prod", "trusted_proxies": ["10.0.0.0/8"]}"#).unwrap();
        assert_eq!((read.profile, read.trusted_proxies.len()), (Profile::Prod, 1));
    }
}
