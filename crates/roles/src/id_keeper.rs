//! Keeps the mark of the order ids ahead of the clock, so that placing never has to wait for it.

use async_trait::async_trait;
use doos_app::App;
use doos_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

use crate::{Ran, Role};

const EVERY: Duration = Duration::from_millis(500);

pub struct IdKeeper {
    app: Arc<App>,
}

impl IdKeeper {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[async_trait]
impl Role for IdKeeper {
    fn name(&self) -> &'static str {
        "id-keeper"
    }

    async fn run_once(&mut self, _now: Timestamp) -> doos_app::Result<Ran> {
        self.app.ids.keep_ahead().await?;
        Ok(Ran::Idle)
    }

    async fn ready(&mut self) {
        self.app.ports.clock.sleep(EVERY).await;
    }
}
