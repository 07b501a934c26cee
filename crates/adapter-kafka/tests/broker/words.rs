//! Orders and messages for tests of the bus.

use doos_domain::ids::{MessageId, OrderId, UserId};
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::time::Timestamp;
use doos_ports::bus::{Delivery, Subscription};
use std::time::Duration;

/// Longer than anything here takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a reader waits before it looks at something else.
pub const TICK: Duration = Duration::from_millis(20);

/// The `number`th message of an order, to shipping.
pub fn message(order_number: u64, number: u32) -> Message {
    Message {
        id: MessageId::from_text(format!("{order_number}.{number}")),
        to: Consumer::Shipping,
        order_id: OrderId::new(order_number).unwrap(),
        user_id: UserId::new(7).unwrap(),
        order_version: number,
        at: Timestamp::from_millis(1_790_000_000_000),
        trace: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        body: Body::RecallShipment { tracking: format!("T{number}") },
    }
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Reads until so many deliveries have come.
pub async fn read(from: &mut Box<dyn Subscription>, count: usize) -> Vec<Delivery> {
    let reading = async {
        let mut read = Vec::new();
        while read.len() < count {
            from.ready().await;
            read.extend(from.poll(count - read.len()).await.unwrap());
        }
        read
    };
    within("reading", reading).await
}

pub fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| delivery.message.id.as_str().to_owned()).collect()
}

/// For what is printed and for bounds on patience.
pub struct Clock(std::time::Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}
