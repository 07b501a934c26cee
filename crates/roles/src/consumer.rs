//! The four consuming roles (inventory, order, payment, shipping): one shape, different handlers.

use async_trait::async_trait;
use doos_app::App;
use doos_app::consume::{self, Consumption, Handler};
use doos_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

use crate::courtesy::give_way;
use crate::{Ran, Role};

/// An order is confirmed at most about so much later because callers came first.
const PAUSE_MOST: Duration = Duration::from_millis(50);

pub(crate) struct Consumer<H: Handler + Clone> {
    app: Arc<App>,
    handler: H,
    yields: bool,
    /// Subscribed on the first run, and anew after the bus was away.
    consumption: Option<Consumption<H>>,
}

impl<H: Handler + Clone> Consumer<H> {
    pub(crate) const fn new(app: Arc<App>, handler: H) -> Self {
        Self { app, handler, yields: false, consumption: None }
    }

    /// Nobody waits for what it does, so callers go first.
    pub(crate) const fn yielding(mut self) -> Self {
        self.yields = true;
        self
    }

    async fn give_way(&self, took: Duration) {
        if self.yields && self.app.is_pressed() {
            let behind = self.app.ports.bus.lag(self.handler.consumer()).await.unwrap_or(u64::MAX);
            give_way(&self.app, took, behind > self.app.options.yielding_messages_max, PAUSE_MOST).await;
        }
    }
}

#[async_trait]
impl<H: Handler + Clone + Sync> Role for Consumer<H> {
    fn name(&self) -> &'static str {
        self.handler.consumer().name()
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        let begun = self.app.ports.clock.monotonic();
        let consumption = match &mut self.consumption {
            Some(consumption) => consumption,
            none => none.insert(Consumption::start(Arc::clone(&self.app), self.handler.clone()).await?),
        };
        match consumption.run_once(now).await {
            Ok(consume::Ran::Idle) => Ok(Ran::Idle),
            Ok(consume::Ran::Worked { .. }) => {
                self.give_way(self.app.ports.clock.monotonic().saturating_sub(begun)).await;
                Ok(Ran::Worked)
            }
            Err(error) => {
                self.consumption = None;
                Err(error.into())
            }
        }
    }

    async fn ready(&mut self) {
        if let Some(consumption) = &mut self.consumption {
            consumption.ready().await;
        }
    }
}
