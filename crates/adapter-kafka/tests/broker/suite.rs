//! The bus's behaviour suite: Kafka beside simulated stores, on real time.
//!
//! One partition, since the cases speak of one order over all messages.

use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_domain::time::Timestamp;
use doos_ports::suites::Case;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine;

/// Real time from a fixed day on.
struct RealTime {
    started: tokio::time::Instant,
    drawn: AtomicU64,
}

impl SimRuntime for RealTime {
    fn now(&self) -> Timestamp {
        let since_ms = i64::try_from(self.monotonic().as_millis()).unwrap();
        Timestamp::from_millis(1_790_000_000_000).plus_millis(since_ms)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pause {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    fn yield_now(&self) -> Pause {
        Box::pin(tokio::task::yield_now())
    }
}

fn run(case: Case) {
    let Some(options) = engine::options(1) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        #[expect(clippy::disallowed_methods, reason = "the clock begins here")]
        let started = tokio::time::Instant::now();
        let clock = Arc::new(RealTime { started, drawn: AtomicU64::new(0) });
        let engines = SimEngines::new(SimOptions::default(), clock);
        let bus = Arc::new(engine::open(&options));
        bus.prepare().await.unwrap();
        let mut ports = engines.ports(1, engines.clock(), engines.gate());
        ports.bus = Arc::clone(&bus) as _;
        case(ports).await;
        bus.close().await;
        engine::clean_up(&options).await;
    });
}

doos_ports::bus_suite!(run);
