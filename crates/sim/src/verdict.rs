//! What came out of one run.

use crate::oracle::Finding;
use crate::site::Site;

#[derive(Clone, Debug)]
pub struct Verdict {
    pub seed: u64,
    pub findings: Vec<Finding>,
    pub orders: usize,
    pub polls: u64,
    pub elapsed_ms: u64,
    /// Number of steps and digest of all of them: equal for equal runs.
    pub digest: (u64, u64),
    pub lines: Vec<String>,
}

impl Verdict {
    pub fn of(site: &Site, orders: usize) -> Self {
        Self {
            seed: site.scenario.seed,
            findings: site.oracle.findings(),
            orders,
            polls: site.executor.polls(),
            elapsed_ms: site.executor.elapsed_ms(),
            digest: site.executor.trace.digest(),
            lines: site.executor.trace.lines(),
        }
    }

    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}
