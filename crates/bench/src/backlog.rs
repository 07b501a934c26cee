//! What a server still has to do for orders it has acknowledged, as its own numbers tell.

use anyhow::{Result, ensure};
use std::time::Duration;

use crate::api::Api;
use crate::clock::Clock;

const LOOK_EVERY: Duration = Duration::from_millis(20);
const SETTLE_DEADLINE_S: f64 = 300.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlog {
    /// The longest of: orders not folded, messages a consumer has not settled, messages waiting for another try.
    pub messages: f64,
    /// How old the oldest change is that a read model lacks.
    pub read_models_ms: f64,
}

impl Backlog {
    pub fn read(api: &mut Api) -> Result<Self> {
        let reply = api.call("GET", "/metrics", None)?;
        ensure!(reply.status == 200, "/metrics answered {}", reply.status);
        Ok(Self::of(&String::from_utf8_lossy(&reply.body)))
    }

    /// Numbers that a server does not have are none.
    fn of(metrics: &str) -> Self {
        let mut backlog = Self::default();
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let value: f64 = value.parse().unwrap_or_default();
            match name.split('{').next().unwrap_or_default() {
                "doos_tail_orders" | "doos_consumer_lag_messages" | "doos_consumer_waiting_messages" => {
                    backlog.messages = backlog.messages.max(value);
                }
                "doos_projection_lag_ms" => backlog.read_models_ms = backlog.read_models_ms.max(value),
                _ => {}
            }
        }
        backlog
    }

    fn is_settled(self) -> bool {
        self == Self::default()
    }
}

/// Waits until nothing is left to do; how long that took.
pub fn settle(api: &mut Api) -> Result<f64> {
    let clock = Clock::start();
    loop {
        let backlog = Backlog::read(api)?;
        let seconds = clock.seconds();
        if backlog.is_settled() {
            return Ok(seconds);
        }
        ensure!(seconds < SETTLE_DEADLINE_S, "after {SETTLE_DEADLINE_S} s the server still has to do: {backlog:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# TYPE doos_tail_orders gauge\ndoos_tail_orders 7.0\ndoos_consumer_lag_messages{consumer=\"order\"} 3\n\
        doos_consumer_lag_messages{consumer=\"inventory\"} 12\ndoos_projection_lag_ms{projection=\"search\"} 40\nother 99\n";

    #[test]
    fn the_longest_queue_is_the_backlog() {
        assert_eq!(Backlog::of(METRICS), Backlog { messages: 12.0, read_models_ms: 40.0 });
        assert!(!Backlog::of(METRICS).is_settled());
    }

    #[test]
    fn only_all_zero_is_settled() {
        let zero = "doos_tail_orders 0.0\ndoos_consumer_lag_messages{consumer=\"order\"} 0.0\n";
        assert!(Backlog::of(zero).is_settled());
        assert!(!Backlog::of(&format!("{zero}doos_projection_lag_ms{{projection=\"search\"}} 1.0\n")).is_settled());
        assert!(!Backlog::of(&zero.replace("orders 0", "orders 1")).is_settled());
    }
}
