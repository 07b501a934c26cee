//! What happened, as lines with virtual times, and the digest that says whether two runs were the same.
//!
//! What holds: every poll and every line goes into the digest; the lines kept are bounded, the oldest go first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines kept for a reader; the digest covers all of them.
const LINES_KEPT_MAX: usize = 20_000;

/// FNV-1a, 64 bits: stable over platforms and releases, which the standard hasher does not promise.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

#[derive(Default)]
pub struct Trace {
    kept: Mutex<Kept>,
}

struct Kept {
    digest: u64,
    steps: u64,
    lines: VecDeque<String>,
    silent: bool,
}

impl Default for Kept {
    fn default() -> Self {
        Self { digest: SEED, steps: 0, lines: VecDeque::new(), silent: false }
    }
}

impl Kept {
    fn eat(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }
}

impl Trace {
    /// Without lines a run is faster; it makes the same steps.
    pub fn silence(&self) {
        self.lock().silent = true;
    }

    pub(crate) fn step(&self, now_ms: u64, task: u64) {
        let mut kept = self.lock();
        kept.steps += 1;
        kept.eat(&now_ms.to_le_bytes());
        kept.eat(&task.to_le_bytes());
    }

    pub(crate) fn note(&self, now_ms: u64, line: impl FnOnce() -> String) {
        let mut kept = self.lock();
        if kept.silent {
            return;
        }
        let line = format!("{:>9.3} {}", now_ms as f64 / 1_000.0, line());
        kept.eat(line.as_bytes());
        if kept.lines.len() == LINES_KEPT_MAX {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
    }

    /// Polls so far and the digest of everything.
    pub fn digest(&self) -> (u64, u64) {
        let kept = self.lock();
        (kept.steps, kept.digest)
    }

    pub fn lines(&self) -> Vec<String> {
        self.lock().lines.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
