//! The smallest runtime: a case is one task, and a sleep moves virtual time on at once.

use doos_adapter_sim::{Pause, SimRuntime};
use doos_domain::ids::EPOCH_MILLIS;
use doos_domain::time::Timestamp;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Virtual time that a sleep moves on, and no executor of its own: a case is one task.
#[derive(Default)]
pub struct OneTask {
    elapsed_ms: AtomicU64,
    drawn: AtomicU64,
}

impl SimRuntime for OneTask {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(EPOCH_MILLIS + 86_400_000).plus_millis(self.monotonic().as_millis() as i64)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> Pause {
        self.elapsed_ms.fetch_add(duration.as_millis() as u64, Ordering::Relaxed);
        self.yield_now()
    }

    fn random(&self) -> u64 {
        self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    fn yield_now(&self) -> Pause {
        let mut yielded = false;
        Box::pin(poll_fn(move |context| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }))
    }
}
