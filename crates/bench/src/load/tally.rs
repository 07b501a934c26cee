//! What came of a load's requests. Every request that counts is in exactly one of: done, shed, failed, unknown.

use serde::Serialize;
use std::collections::BTreeMap;

use crate::latency::{Latencies, Percentiles};

/// Different names of failures that are told apart; more are one.
const NAMES_MAX: usize = 20;

#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Of what was done, from the intended start.
    pub latency: Latencies,
    /// Of what was done, from the sending.
    pub service: Latencies,
    /// Of what was shed, from the sending.
    pub refusal: Latencies,
    pub shed_without_retry_after: u64,
    pub failed: u64,
    pub unknown: u64,
    /// Arrivals that were never sent, because the load had to end.
    pub unsent: u64,
    pub elapsed_ns: u64,
    /// Processor time of the server, where it is a process of the run's own.
    pub server_cpu_ns: Option<u64>,
    pub causes: BTreeMap<String, u64>,
}

/// A tally as it is printed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Numbers {
    pub done: u64,
    pub seconds: f64,
    pub per_s: f64,
    pub shed: u64,
    pub shed_without_retry_after: u64,
    pub failed: u64,
    pub unknown: u64,
    pub unsent: u64,
    /// Processor time of the server for each request that it answered, whatever it did for it later included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
    /// From the sending; differs from the latency in open loops only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Percentiles>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<String, u64>,
}

impl Tally {
    pub fn done(&mut self, latency_ns: u64, service_ns: u64) {
        self.latency.record_ns(latency_ns);
        self.service.record_ns(service_ns);
    }

    pub fn shed(&mut self, service_ns: u64, with_retry_after: bool) {
        self.refusal.record_ns(service_ns);
        self.shed_without_retry_after += u64::from(!with_retry_after);
    }

    pub fn failed(&mut self, cause: String) {
        self.failed += 1;
        self.add_cause(cause, 1);
    }

    pub fn unknown(&mut self, cause: String) {
        self.unknown += 1;
        self.add_cause(cause, 1);
    }

    fn add_cause(&mut self, cause: String, times: u64) {
        let is_new = !self.causes.contains_key(&cause);
        let name = if is_new && self.causes.len() >= NAMES_MAX { "others".to_owned() } else { cause };
        *self.causes.entry(name).or_default() += times;
    }

    pub fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
        self.refusal.merge(&other.refusal);
        self.shed_without_retry_after += other.shed_without_retry_after;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.unsent += other.unsent;
        self.elapsed_ns = self.elapsed_ns.max(other.elapsed_ns);
        self.server_cpu_ns = match (self.server_cpu_ns, other.server_cpu_ns) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
        other.causes.iter().for_each(|(cause, times)| self.add_cause(cause.clone(), *times));
    }

    /// Done a second, over the whole load.
    pub fn per_s(&self) -> f64 {
        self.latency.count() as f64 / (self.elapsed_ns as f64 / 1e9).max(1e-9)
    }

    pub fn numbers(&self) -> Numbers {
        let answered = self.latency.count() + self.refusal.count() + self.failed;
        let server_us = self.server_cpu_ns.map(|cpu_ns| cpu_ns as f64 / 1_000.0 / answered.max(1) as f64);
        Numbers {
            server_us,
            done: self.latency.count(),
            seconds: self.elapsed_ns as f64 / 1e9,
            per_s: self.per_s(),
            shed: self.refusal.count(),
            shed_without_retry_after: self.shed_without_retry_after,
            failed: self.failed,
            unknown: self.unknown,
            unsent: self.unsent,
            latency: self.latency.percentiles(),
            service: self.service.percentiles(),
            refusal: self.refusal.percentiles(),
            causes: self.causes.clone(),
        }
    }
}
