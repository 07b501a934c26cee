//! Cdc: carries the change feed into statistics and search.
//!
//! What holds: it takes the feed in groups of bounded length, and lets callers go first between two of them. A change is put off a moment, so that the next changes of its order are counted with it.

use async_trait::async_trait;
use doos_app::App;
use doos_domain::time::Timestamp;
use doos_ports::bus::Position;
use futures::future::{Either, select};
use std::sync::Arc;
use std::time::Duration;

use crate::courtesy::give_way;
use crate::{Ran, Role};

/// Without a change it looks all the same, so that its place in the feed does not grow old.
const LOOK_EVERY: Duration = Duration::from_secs(30);
const FORGET_EVERY_MS: i64 = 60_000;
const PAUSE_MOST: Duration = Duration::from_millis(500);

pub struct Cdc {
    app: Arc<App>,
    reached: Position,
    forgot_at: Option<Timestamp>,
}

impl Cdc {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app, reached: Position(0), forgot_at: None }
    }
}

#[async_trait]
impl Role for Cdc {
    fn name(&self) -> &'static str {
        "cdc"
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        let begun = self.app.ports.clock.monotonic();
        let followed = self.app.follow_feed(now).await?;
        self.reached = followed.reached;
        // A clock that steps back makes it due, too.
        if self.forgot_at.is_none_or(|then| (now.as_millis() - then.as_millis()).abs() >= FORGET_EVERY_MS) {
            self.app.forget_old_figures(now).await?;
            self.forgot_at = Some(now);
        }
        let took = self.app.ports.clock.monotonic().saturating_sub(begun);
        let is_late = followed.lag_ms > i64::try_from(self.app.options.yielding_feed_lag_max_ms).unwrap_or(i64::MAX);
        give_way(&self.app, took, is_late, PAUSE_MOST).await;
        Ok(if followed.is_behind { Ran::Worked } else { Ran::Idle })
    }

    async fn ready(&mut self) {
        let clock = &self.app.ports.clock;
        let change = select(self.app.ports.feed.ready(self.reached), clock.sleep(LOOK_EVERY));
        if let Either::Right(_) = select(change, Box::pin(self.app.until_begun_anew())).await {
            return;
        }
        clock.sleep(Duration::from_millis(self.app.options.feed_gather_ms)).await;
    }
}
