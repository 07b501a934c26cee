//! `--demo-life`: pays every confirmed order after a moment, so that a visitor sees an order live.
//!
//! It does what a customer would do through the interface, nothing else.

use async_trait::async_trait;
use doos_app::order::{Steer, Verb};
use doos_app::{App, Error, Principal};
use doos_domain::ids::OrderId;
use doos_domain::order::Status;
use doos_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

use crate::{Ran, Role};

const PAGE: usize = 200;
/// How long an order stays confirmed before it is paid: long enough to be seen.
const PAY_AFTER_MS: i64 = 2_000;

pub struct DemoLife {
    app: Arc<App>,
    after: Option<OrderId>,
}

impl DemoLife {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app, after: None }
    }
}

#[async_trait]
impl Role for DemoLife {
    fn name(&self) -> &'static str {
        "demo-life"
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        let before = now.plus_millis(-PAY_AFTER_MS);
        let confirmed = self.app.ports.orders.oldest(&[Status::Confirmed], before, self.after, PAGE).await?;
        for order in confirmed.iter().filter(|order| order.money.open_attempt().is_none()) {
            let call = Steer {
                principal: Principal::Customer(order.user_id),
                order_id: order.id,
                verb: Verb::Pay,
                key: None,
                trace: None,
                render: |_| String::new(),
            };
            match self.app.steer(call).await {
                // Cancelled or paid by its owner meanwhile.
                Ok(_) | Err(Error::IllegalMove(_) | Error::AlreadyPaid | Error::PaymentClosing) => {}
                Err(error) => return Err(error),
            }
        }
        self.after = (confirmed.len() == PAGE).then(|| confirmed.last().map(|order| order.id)).flatten();
        Ok(if self.after.is_some() { Ran::Worked } else { Ran::Idle })
    }

    async fn ready(&mut self) {
        self.app.ports.clock.sleep(Duration::from_millis(500)).await;
    }
}
