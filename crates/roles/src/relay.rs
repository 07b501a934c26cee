//! Relay: takes messages committed with their orders to the bus.
//!
//! What holds: a message is marked only after the bus has it; a crash between the two publishes it again, which its
//! consumer does not mind. Where the journal is the bus, there is never anything open. A group is what was committed
//! while the last one was on its way, so it grows with the rate and with the time that the broker takes.

use async_trait::async_trait;
use doos_app::App;
use doos_domain::time::Timestamp;
use futures::future::select;
use std::sync::Arc;
use std::time::Duration;

use crate::{Ran, Role};

/// Far more than is committed while a group is on its way; the bound is for what an outage has left.
const GROUP_MAX: usize = 4_096;

pub struct Relay {
    app: Arc<App>,
}

impl Relay {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[async_trait]
impl Role for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        let open = self.app.ports.outbox.open(now, GROUP_MAX).await?;
        let Some(oldest) = open.first() else { return Ok(Ran::Idle) };
        let lag_ms = now.millis_since(oldest.at);
        let ids = open.iter().map(|message| message.id.clone()).collect();
        self.app.ports.bus.publish(open).await?;
        self.app.ports.outbox.mark_published(ids, now).await?;
        self.app.counters.forwarder_lag_ms.set(lag_ms);
        Ok(Ran::Worked)
    }

    async fn ready(&mut self) {
        // A message whose hand-over was lost shows up with time alone.
        let look_again = self.app.ports.clock.sleep(Duration::from_secs(1));
        select(self.app.ports.outbox.ready(), look_again).await;
    }
}
