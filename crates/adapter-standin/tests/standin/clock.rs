//! A clock that only a test moves, or a sleeper; its random numbers are written down beforehand, then
//! well mixed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;

pub const START_MS: i64 = 1_790_000_000_000;

pub struct HandClock(Mutex<Hands>);

struct Hands {
    elapsed_ms: u64,
    draws: VecDeque<u64>,
    draw_count: u64,
    stands_still: bool,
}

impl HandClock {
    pub fn new() -> Arc<Self> {
        Self::drawing([])
    }

    pub fn drawing(draws: impl IntoIterator<Item = u64>) -> Arc<Self> {
        let draws = draws.into_iter().collect();
        Arc::new(Self(Mutex::new(Hands { elapsed_ms: 0, draws, draw_count: 0, stands_still: false })))
    }

    /// From now on a sleep has no end.
    pub fn stand_still(&self) {
        self.0.lock().unwrap().stands_still = true;
    }

    pub fn advance_ms(&self, ms: u64) {
        self.0.lock().unwrap().elapsed_ms += ms;
    }

    pub fn elapsed_ms(&self) -> u64 {
        self.0.lock().unwrap().elapsed_ms
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(START_MS + i64::try_from(self.elapsed_ms()).unwrap())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms())
    }

    async fn sleep(&self, duration: Duration) {
        if self.0.lock().unwrap().stands_still {
            std::future::pending::<()>().await;
        }
        self.advance_ms(u64::try_from(duration.as_millis()).unwrap());
    }

    fn random(&self) -> u64 {
        let mut hands = self.0.lock().unwrap();
        hands.draw_count += 1;
        let mixed = hands.draw_count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        hands.draws.pop_front().unwrap_or(mixed)
    }
}
