//! The four consuming roles (inventory, order, payment, shipping): one shape, different handlers.

use async_trait::async_trait;
use doos_app::App;
use doos_app::consume::{self, Consumption, Handler};
use doos_domain::time::Timestamp;
use std::sync::Arc;

use crate::{Ran, Role};

pub(crate) struct Consumer<H: Handler + Clone> {
    app: Arc<App>,
    handler: H,
    /// Subscribed on the first run, and anew after the bus was away.
    consumption: Option<Consumption<H>>,
}

impl<H: Handler + Clone> Consumer<H> {
    pub(crate) const fn new(app: Arc<App>, handler: H) -> Self {
        Self { app, handler, consumption: None }
    }
}

#[async_trait]
impl<H: Handler + Clone + Sync> Role for Consumer<H> {
    fn name(&self) -> &'static str {
        self.handler.consumer().name()
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        let consumption = match &mut self.consumption {
            Some(consumption) => consumption,
            none => none.insert(Consumption::start(Arc::clone(&self.app), self.handler.clone()).await?),
        };
        match consumption.run_once(now).await {
            Ok(consume::Ran::Idle) => Ok(Ran::Idle),
            Ok(consume::Ran::Worked { .. }) => Ok(Ran::Worked),
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
