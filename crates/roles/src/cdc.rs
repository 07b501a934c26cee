//! Cdc: carries the change feed into statistics and search.
//!
//! What holds: it takes the feed in groups of bounded length, and lets callers go first between two of them. A change is
//! put off a moment, so that the next changes of its order are counted with it. A read model whose engine is away rests,
//! longer each time, while the others go on; it is asked again by itself.

use async_trait::async_trait;
use doos_app::App;
use doos_app::projecting::{Patience, Round};
use doos_domain::time::Timestamp;
use doos_ports::bus::Position;
use futures::future::{Either, select};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::courtesy::give_way;
use crate::{Ran, Role};

/// Without a change it looks all the same: somebody else may have begun a read model anew, and its place in the feed
/// must not grow old.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const FORGET_EVERY_MS: i64 = 60_000;
const PAUSE_MOST: Duration = Duration::from_millis(500);
const REST_FIRST: Duration = Duration::from_millis(100);
const REST_MOST: Duration = Duration::from_secs(5);

pub struct Cdc {
    app: Arc<App>,
    reached: Position,
    forgot_at: Option<Timestamp>,
    /// Read models that could not be brought on, by their names.
    resting: BTreeMap<&'static str, Rest>,
}

#[derive(Clone, Copy)]
struct Rest {
    /// By the monotonic clock.
    until: Duration,
    length: Duration,
}

impl Cdc {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app, reached: Position(0), forgot_at: None, resting: BTreeMap::new() }
    }

    fn patience(&self, name: &str, at: Duration) -> Patience {
        match self.resting.get(name) {
            Some(rest) if at < rest.until => Patience::None,
            Some(_) => Patience::Little,
            None => Patience::Full,
        }
    }

    /// Who failed rests, and is told of once for each outage.
    fn take_note(&mut self, round: &Round) {
        for name in &round.brought_on {
            if self.resting.remove(name).is_some() {
                tracing::info!(projection = name, "a read model is brought on again");
            }
        }
        let now = self.app.ports.clock.monotonic();
        for (name, error) in &round.failed {
            let length = match self.resting.get(name) {
                Some(rest) => (rest.length * 2).min(REST_MOST),
                None => {
                    let cause = error.cause().unwrap_or_default();
                    tracing::warn!(projection = name, error = %error, cause, "a read model cannot be brought on");
                    REST_FIRST
                }
            };
            self.resting.insert(name, Rest { until: now + length, length });
        }
    }

    /// The moment at which somebody has rested.
    async fn until_rested(&self) {
        let clock = &self.app.ports.clock;
        let now = clock.monotonic();
        let first = self.resting.values().map(|rest| rest.until.saturating_sub(now)).min();
        clock.sleep(first.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)).await;
    }
}

#[async_trait]
impl Role for Cdc {
    fn name(&self) -> &'static str {
        "cdc"
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        let begun = self.app.ports.clock.monotonic();
        let mut round = self.app.follow_feed_with(now, |name| self.patience(name, begun)).await;
        self.take_note(&round);
        let Some(followed) = round.followed else {
            return round.failed.pop().map_or(Ok(Ran::Idle), |(_, error)| Err(error));
        };
        self.reached = followed.reached;
        // A clock that steps back makes it due, too.
        if self.forgot_at.is_none_or(|then| (now.as_millis() - then.as_millis()).abs() >= FORGET_EVERY_MS) {
            self.forgot_at = Some(now);
            self.app.forget_old_figures(now).await?;
        }
        let took = self.app.ports.clock.monotonic().saturating_sub(begun);
        let is_late = followed.lag_ms > i64::try_from(self.app.options.yielding_feed_lag_max_ms).unwrap_or(i64::MAX);
        give_way(&self.app, took, is_late, PAUSE_MOST).await;
        Ok(if followed.is_behind { Ran::Worked } else { Ran::Idle })
    }

    async fn ready(&mut self) {
        let clock = &self.app.ports.clock;
        let change = select(self.app.ports.feed.ready(self.reached), Box::pin(self.until_rested()));
        if let Either::Right(_) = select(change, Box::pin(self.app.until_begun_anew())).await {
            return;
        }
        clock.sleep(Duration::from_millis(self.app.options.feed_gather_ms)).await;
    }
}
