//! All behaviour suites on the simulated engines, in a calm world, with one shard and with four.

use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_domain::ids::EPOCH_MILLIS;
use doos_domain::time::Timestamp;
use doos_ports::suites::Case;
use futures::executor::block_on;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Virtual time that a sleep moves on, and no executor of its own: a case is one task.
#[derive(Default)]
struct OneTask {
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

fn run_on(shards: usize, case: Case) {
    let options = SimOptions { shards, ..SimOptions::default() };
    let engines = SimEngines::new(options, Arc::new(OneTask::default()));
    block_on(case(engines.ports(1, engines.clock(), engines.gate())));
}

mod one_shard {
    fn run(case: super::Case) {
        super::run_on(1, case);
    }

    doos_ports::all_suites!(run);
}

mod four_shards {
    fn run(case: super::Case) {
        super::run_on(4, case);
    }

    doos_ports::all_suites!(run);
}
