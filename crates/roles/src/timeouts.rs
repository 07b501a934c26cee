//! Timeouts: ends unpaid orders and asks after holds without an order.
//!
//! What holds: a wall clock that leaps against the monotonic one is not believed: that sweep is skipped, and said.

use async_trait::async_trait;
use doos_app::App;
use doos_domain::ids::OrderId;
use doos_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

use crate::{Ran, Role};

const EVERY: Duration = Duration::from_secs(1);
const LEAP_MS_MAX: i64 = 60_000;
/// A notice to the gate that got lost may cost so much time, and never a piece.
const REFRESH_EVERY: Duration = Duration::from_secs(30);

pub struct Timeouts {
    app: Arc<App>,
    /// Where the pass over unpaid orders goes on.
    after: Option<OrderId>,
    last: Option<(Timestamp, Duration)>,
    refreshed: Duration,
}

impl Timeouts {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app, after: None, last: None, refreshed: Duration::ZERO }
    }

    /// Compares how far both clocks have moved since the last look.
    fn clock_leapt(&mut self, now: Timestamp) -> bool {
        let monotonic = self.app.ports.clock.monotonic();
        let Some((then, since)) = self.last.replace((now, monotonic)) else { return false };
        let wall_ms = now.as_millis() - then.as_millis();
        let real_ms = i64::try_from(monotonic.saturating_sub(since).as_millis()).unwrap_or(i64::MAX);
        (wall_ms - real_ms).abs() > LEAP_MS_MAX
    }
}

#[async_trait]
impl Role for Timeouts {
    fn name(&self) -> &'static str {
        "timeouts"
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        if self.clock_leapt(now) {
            tracing::error!(now_ms = now.as_millis(), "the wall clock leapt; this sweep is skipped");
            return Ok(Ran::Idle);
        }
        let ended = self.app.sweep_holds(now).await?;
        self.after = self.app.sweep_unpaid(now, self.after).await?;
        let monotonic = self.app.ports.clock.monotonic();
        if monotonic.saturating_sub(self.refreshed) >= REFRESH_EVERY {
            self.app.refresh_gate().await?;
            self.refreshed = monotonic;
        }
        Ok(if ended > 0 || self.after.is_some() { Ran::Worked } else { Ran::Idle })
    }

    async fn ready(&mut self) {
        self.app.ports.clock.sleep(EVERY).await;
    }
}
