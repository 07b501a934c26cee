//! Hands some of the placed orders to whoever watches what becomes of them: one at a time, the rest is let go.

use std::sync::{Mutex, PoisonError};

use crate::clock::Clock;

#[derive(Debug)]
pub struct Sampler {
    clock: Clock,
    /// An order and when it was answered.
    waiting: Mutex<Option<(u64, u64)>>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self { clock: Clock::start(), waiting: Mutex::new(None) }
    }
}

impl Sampler {
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Never waits: an order that would have to is not sampled.
    pub fn offer(&self, order_id: u64) {
        if let Ok(mut waiting) = self.waiting.try_lock()
            && waiting.is_none()
        {
            *waiting = Some((order_id, self.now_ns()));
        }
    }

    pub fn take(&self) -> Option<(u64, u64)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
