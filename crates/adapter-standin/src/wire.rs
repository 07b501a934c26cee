//! The line between the shop and a company outside, on which requests and replies are late and get lost.
//!
//! What holds: half of the latency lies before the deed and half behind it, so a caller that gives up in between does
//! not know which half it was in. Half of the lost calls are lost before the deed and half after it.
//!
//! What must never happen: a loss that says which of the two it was.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use doos_ports::clock::Clock;
use doos_ports::outside::OutsideError;

pub(crate) struct Wire {
    clock: Arc<dyn Clock>,
    latency_ms: u64,
    lost_per_mille: u32,
    outage: AtomicBool,
}

enum Fate {
    Arrives,
    RequestLost,
    ReplyLost,
}

impl Wire {
    pub(crate) fn new(clock: Arc<dyn Clock>, latency_ms: u64, lost_per_mille: u32, outage: bool) -> Self {
        Self { clock, latency_ms, lost_per_mille, outage: AtomicBool::new(outage) }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn is_out(&self) -> bool {
        self.outage.load(Ordering::Acquire)
    }

    pub(crate) fn set_outage(&self, outage: bool) {
        self.outage.store(outage, Ordering::Release);
    }

    /// One call over the line. A deed that refuses may be lost like any other.
    pub(crate) async fn carry<T>(
        &self,
        deed: impl Future<Output = Result<T, OutsideError>> + Send,
    ) -> Result<T, OutsideError> {
        let fate = self.fate();
        // Whole milliseconds, for clocks that know no less.
        let before_ms = self.latency_ms / 2;
        self.reach()?;
        self.pass(before_ms).await;
        self.reach()?;
        if matches!(fate, Fate::RequestLost) {
            return Err(lost());
        }
        let reply = deed.await;
        self.pass(self.latency_ms - before_ms).await;
        self.reach()?;
        if matches!(fate, Fate::ReplyLost) {
            return Err(lost());
        }
        reply
    }

    /// Whether something that happens this often happens now.
    pub(crate) fn happens(&self, per_mille: u32) -> bool {
        // No draw for what never happens: an option that is off changes nothing in a replay.
        per_mille > 0 && self.clock.random() % 1_000 < u64::from(per_mille)
    }

    fn fate(&self) -> Fate {
        if !self.happens(self.lost_per_mille) {
            Fate::Arrives
        } else if self.clock.random().is_multiple_of(2) {
            Fate::RequestLost
        } else {
            Fate::ReplyLost
        }
    }

    fn reach(&self) -> Result<(), OutsideError> {
        if self.is_out() { Err(OutsideError::Unclear("not reachable".into())) } else { Ok(()) }
    }

    async fn pass(&self, ms: u64) {
        if ms > 0 {
            self.clock.sleep(Duration::from_millis(ms)).await;
        }
    }
}

fn lost() -> OutsideError {
    OutsideError::Unclear("the connection was lost".into())
}
