//! How the provider behaves: each option by name, with its unit. By default everything succeeds at once.

use secrecy::SecretString;

/// The retry intervals that WeChat Pay documents, which end a little after 24 hours.
pub const CALLBACK_RETRY_MS: [u64; 15] = {
    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    [
        15 * SECOND,
        15 * SECOND,
        30 * SECOND,
        3 * MINUTE,
        10 * MINUTE,
        20 * MINUTE,
        30 * MINUTE,
        30 * MINUTE,
        30 * MINUTE,
        HOUR,
        3 * HOUR,
        3 * HOUR,
        3 * HOUR,
        6 * HOUR,
        6 * HOUR,
    ]
};

#[derive(Clone, Debug)]
pub struct ProviderOptions {
    /// What callbacks are signed with. There is no default: a secret that everybody knows is none.
    pub secret: SecretString,
    /// How long a call takes, half of it before the deed.
    pub latency_ms: u64,
    /// How many new attempts in a thousand are declined, for ever.
    pub decline_per_mille: u32,
    /// How many calls in a thousand end without a clear answer; in half of them the deed was done.
    pub unclear_per_mille: u32,
    /// Whether it starts unreachable; see [`super::StandinProvider::set_outage`].
    pub outage: bool,
    /// From the deed to the first sending of its callback.
    pub callback_delay_ms: u64,
    /// A first sending is put off by up to this much more, at random, so that callbacks overtake each other.
    pub callback_reorder_within_ms: u64,
    /// How often a callback is sent again although it was accepted.
    pub callback_repeats: u32,
    /// From one sending that was not accepted to the next; after the last it is given up.
    pub callback_retry_ms: Vec<u64>,
    /// How long the receiver may take to accept.
    pub callback_timeout_ms: u64,
    pub callbacks_in_flight_max: usize,
    /// Further ones are dropped, and counted.
    pub callbacks_waiting_max: usize,
    /// How many deeds in a thousand are accompanied by a callback whose signature does not fit: signed with another
    /// secret, or with its amount or order changed after signing.
    pub forge_per_mille: u32,
    /// How many deeds in a thousand are accompanied by a callback that is truly signed and wrong all the same: another
    /// amount, currency or order.
    pub mistake_per_mille: u32,
}

impl ProviderOptions {
    /// The defaults, with this secret.
    pub fn with_secret(secret: SecretString) -> Self {
        Self {
            secret,
            latency_ms: 0,
            decline_per_mille: 0,
            unclear_per_mille: 0,
            outage: false,
            callback_delay_ms: 0,
            callback_reorder_within_ms: 0,
            callback_repeats: 0,
            callback_retry_ms: CALLBACK_RETRY_MS.to_vec(),
            callback_timeout_ms: 5_000,
            callbacks_in_flight_max: 64,
            callbacks_waiting_max: 100_000,
            forge_per_mille: 0,
            mistake_per_mille: 0,
        }
    }
}
