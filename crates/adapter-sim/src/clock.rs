//! A node's clock: the true virtual time, off by whatever it has stepped.

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::world::World;

pub struct SimClock {
    world: Arc<World>,
    off_by_ms: AtomicI64,
}

impl SimClock {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world, off_by_ms: AtomicI64::new(0) }
    }

    /// Steps the wall clock, forwards or back; the monotonic one never notices.
    pub fn step(&self, by_ms: i64) {
        self.off_by_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    pub fn off_by_ms(&self) -> i64 {
        self.off_by_ms.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.world.now().plus_millis(self.off_by_ms())
    }

    fn monotonic(&self) -> Duration {
        self.world.runtime.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        let rates = self.world.rates();
        if self.world.strikes(rates.clock_steps) {
            let most_ms = rates.clock_step_max_ms;
            self.step(self.world.up_to(2 * most_ms).cast_signed() - most_ms.cast_signed());
        }
        self.world.runtime.sleep(duration).await;
    }

    fn random(&self) -> u64 {
        self.world.runtime.random()
    }
}
