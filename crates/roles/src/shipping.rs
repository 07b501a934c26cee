//! Deliveries: asks the carrier about shipped parcels, pass after pass.

use async_trait::async_trait;
use doos_app::App;
use doos_domain::ids::OrderId;
use doos_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

use crate::{Ran, Role};

const EVERY: Duration = Duration::from_secs(1);

pub struct Deliveries {
    app: Arc<App>,
    after: Option<OrderId>,
}

impl Deliveries {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app, after: None }
    }
}

#[async_trait]
impl Role for Deliveries {
    fn name(&self) -> &'static str {
        "deliveries"
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        self.after = self.app.sweep_deliveries(now, self.after).await?;
        Ok(if self.after.is_some() { Ran::Worked } else { Ran::Idle })
    }

    async fn ready(&mut self) {
        self.app.ports.clock.sleep(EVERY).await;
    }
}
