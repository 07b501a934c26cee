//! The limits of the use cases, each with its unit in its name. Defaults are those of the design's table.

use doos_domain::order::PaymentLimits;
use doos_domain::pricing;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// This process's number among all that issue order ids, 0 to 63.
    pub worker: u8,
    pub order_lines_max: usize,
    pub line_quantity_max: u32,
    /// Changes that may wait for their group, per shard; the next is refused.
    pub order_queue_len_max: usize,
    pub order_group_len_max: usize,
    pub order_group_bytes_max: usize,
    /// Load is shed once the group in flight has been waiting for so long.
    pub queue_age_max_ms: u64,
    /// A hold without an order is asked about after this time.
    pub hold_deadline_ms: u64,
    pub unpaid_deadline_ms: u64,
    /// How long an unreachable payment provider may keep an overdue order alive.
    pub payment_closing_ms: u64,
    /// How long after its delivery a customer may return an order. Later it is closed, and may be archived.
    pub return_window_ms: u64,
    /// How long `:pay` waits for the provider's word before it answers 202.
    pub pay_wait_ms: u64,
    /// Deadline of one call to the payment provider or the carrier.
    pub outside_deadline_ms: u64,
    pub payment_calls_max: usize,
    pub carrier_calls_max: usize,
    pub message_pull_len_max: usize,
    /// Messages that a consumer may be behind by while it lets callers go first; beyond, it takes an equal share.
    pub yielding_messages_max: u64,
    /// The same of the read models, by the age of the oldest change that they lack.
    pub yielding_feed_lag_max_ms: u64,
    pub retry_first_ms: u64,
    pub retry_most_ms: u64,
    pub retry_tries_max: u32,
    /// How often a decision is taken anew because the order had moved on.
    pub conflict_tries_max: u32,
    /// Changes that the read models take from the feed at a time.
    pub feed_group_len_max: usize,
    /// How long a change may wait for the next ones before the read models take it.
    pub feed_gather_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            worker: 0,
            order_lines_max: 100,
            line_quantity_max: 100_000,
            order_queue_len_max: 4_096,
            order_group_len_max: 256,
            order_group_bytes_max: 1 << 20,
            queue_age_max_ms: 200,
            hold_deadline_ms: 30_000,
            unpaid_deadline_ms: 30 * 60_000,
            payment_closing_ms: 15 * 60_000,
            return_window_ms: 30 * 86_400_000,
            pay_wait_ms: 3_000,
            outside_deadline_ms: 3_000,
            payment_calls_max: 64,
            carrier_calls_max: 10,
            message_pull_len_max: 200,
            yielding_messages_max: 500_000,
            yielding_feed_lag_max_ms: 10_000,
            retry_first_ms: 100,
            retry_most_ms: 60_000,
            retry_tries_max: 12,
            conflict_tries_max: 5,
            feed_group_len_max: 1_024,
            feed_gather_ms: 100,
        }
    }
}

impl Options {
    pub fn pricing(&self) -> pricing::Limits {
        pricing::Limits { lines_max: self.order_lines_max, quantity_max: self.line_quantity_max }
    }

    /// In milliseconds, as the domain counts.
    pub fn return_window(&self) -> i64 {
        i64::try_from(self.return_window_ms).unwrap_or(i64::MAX)
    }

    pub fn payment(&self) -> PaymentLimits {
        PaymentLimits {
            unpaid_ms: i64::try_from(self.unpaid_deadline_ms).unwrap_or(i64::MAX),
            closing_ms: i64::try_from(self.payment_closing_ms).unwrap_or(i64::MAX),
        }
    }
}
