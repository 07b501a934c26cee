//! What is counted, under the names the source documents give.
//!
//! Counting is a relaxed atomic add; the gateway renders the numbers for Prometheus.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::recent_times::RecentTimes;

#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub struct Counters {
    /// `app_order_placed_total`
    pub orders_placed: Counter,
    /// `app_stock_charge_success_total`: holds granted by the gate.
    pub stock_held: Counter,
    /// `app_shipping_success_total{source="normal"}`
    pub shipped_at_once: Counter,
    /// `app_shipping_success_total{source="retry"}`
    pub shipped_on_retry: Counter,
    /// `app_forwarder_lag_ms`: from commit to the bus's acknowledgement, of the last message seen.
    pub forwarder_lag_ms: Gauge,
    /// `repo_flush_success_total`: stock decisions written by inventory.
    pub stock_flushed: Counter,
    pub orders_refused: Counter,
    pub orders_cancelled: Counter,
    pub conflicts: Counter,
    pub messages_retried: Counter,
    pub messages_parked: Counter,
    pub holds_ended_by_timeout: Counter,
    pub carrier_recalls: Counter,
    pub commit_groups: Counter,
    pub commit_group_len_last: Gauge,
    pub commit_group_ms_last: Gauge,
    /// How long groups took to become durable.
    pub commit_times: RecentTimes,
}
