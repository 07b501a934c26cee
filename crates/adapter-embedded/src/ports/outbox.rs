//! The outbox of a store whose journal is the bus: always empty, and nothing ever becomes ready.

use async_trait::async_trait;
use doos_domain::ids::MessageId;
use doos_domain::message::Message;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::outbox::Outbox;

#[derive(Clone, Copy, Debug, Default)]
pub struct NoOutbox;

#[async_trait]
impl Outbox for NoOutbox {
    async fn open(&self, _now: Timestamp, _limit: usize) -> Result<Vec<Message>> {
        Ok(Vec::new())
    }

    async fn mark_published(&self, _ids: Vec<MessageId>, _now: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn ready(&self) {
        std::future::pending().await
    }
}
