//! How the node is doing, as far as the application itself can say.

use doos_domain::message::Consumer;
use doos_domain::time::Timestamp;

use crate::projecting::Lag;
use crate::recent_times::Percentiles;
use crate::{App, Principal, Result};

pub struct System {
    pub at: Timestamp,
    pub started_at: Timestamp,
    pub consumers: Vec<ConsumerState>,
    pub projections: Vec<Lag>,
    pub queue_depth: usize,
    pub queue_max: usize,
    /// How long the oldest group in flight has been waiting for the disk.
    pub queue_age_ms: u64,
    /// How long the last group took to become durable.
    pub commit_ms_last: i64,
    pub commit_len_last: i64,
    /// How long the last groups took to become durable.
    pub commit_times: Percentiles,
    pub dead_letters: usize,
    pub holds: usize,
}

pub struct ConsumerState {
    pub consumer: Consumer,
    /// Messages it has not settled.
    pub lag: u64,
    /// Messages of it that wait for another try.
    pub waiting: usize,
}

impl App {
    pub async fn system_state(&self, principal: &Principal) -> Result<System> {
        principal.check_operator_or_demo()?;
        let mut consumers = Vec::new();
        for consumer in Consumer::ALL {
            let lag = self.ports.bus.lag(consumer).await?;
            let waiting = self.ports.inbox.waiting_count(consumer).await?;
            consumers.push(ConsumerState { consumer, lag, waiting });
        }
        Ok(System {
            at: self.ports.clock.now(),
            started_at: self.started_at,
            consumers,
            projections: self.feed_lags().await?,
            queue_depth: self.queue_depth(),
            queue_max: self.options.order_queue_len_max,
            queue_age_ms: self.queue_age_ms(),
            commit_ms_last: self.counters.commit_group_ms_last.get(),
            commit_len_last: self.counters.commit_group_len_last.get(),
            commit_times: self.counters.commit_times.percentiles(),
            dead_letters: self.ports.inbox.dead_letter_count().await?,
            holds: self.ports.gate.hold_count().await?,
        })
    }
}
