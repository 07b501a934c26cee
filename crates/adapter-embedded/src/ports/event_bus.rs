//! The journal as the bus: a message is on it once its change is synced.
//!
//! A subscription is a cursor over the consumer's mailbox. Waiting hangs on the position of the newest message, so
//! a message that arrives between a poll and the wait is never slept through.

use async_trait::async_trait;
use doos_domain::message::{Consumer, Message};
use doos_ports::Result;
use doos_ports::bus::{Delivery, EventBus, Position, Subscription};
use std::sync::Arc;
use tokio::sync::watch;

use crate::locks::lock;
use crate::record::slot;
use crate::shared::Shared;

pub(crate) struct Bus {
    shared: Arc<Shared>,
}

impl Bus {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

#[async_trait]
impl EventBus for Bus {
    async fn subscribe(&self, consumer: Consumer) -> Result<Box<dyn Subscription>> {
        self.shared.check_running()?;
        let newest = self.shared.mail[slot(consumer)].subscribe();
        let cursor = lock(self.shared.mailbox(consumer)).progress();
        Ok(Box::new(Cursor { shared: Arc::clone(&self.shared), consumer, cursor, newest }))
    }

    async fn publish(&self, _messages: Vec<Message>) -> Result<()> {
        Ok(())
    }

    async fn lag(&self, consumer: Consumer) -> Result<u64> {
        Ok(lock(self.shared.mailbox(consumer)).count() as u64)
    }
}

struct Cursor {
    shared: Arc<Shared>,
    consumer: Consumer,
    /// Everything up to here has been handed out.
    cursor: u64,
    newest: watch::Receiver<u64>,
}

#[async_trait]
impl Subscription for Cursor {
    async fn poll(&mut self, limit: usize) -> Result<Vec<Delivery>> {
        self.shared.check_running()?;
        let newest = *self.newest.borrow();
        let unread = lock(self.shared.mailbox(self.consumer)).after(self.cursor, limit);
        if unread.is_empty() && limit > 0 {
            // Everything up to the newest is handed out or settled, by whomever: nothing to be woken for.
            self.cursor = self.cursor.max(newest);
        }
        let mut deliveries = Vec::with_capacity(unread.len());
        for unread in unread {
            let message = self.shared.message(&unread)?;
            deliveries.push(Delivery { position: Position(unread.position), message });
        }
        // Only now: a message that could not be read is handed out the next time.
        if let Some(last) = deliveries.last() {
            self.cursor = last.position.0;
        }
        Ok(deliveries)
    }

    async fn ready(&mut self) {
        let cursor = self.cursor;
        // The sender lives in the same place as this cursor, so it cannot be gone.
        let _ = self.newest.wait_for(|newest| *newest > cursor).await;
    }

    async fn rewind(&mut self) -> Result<()> {
        self.cursor = lock(self.shared.mailbox(self.consumer)).progress();
        Ok(())
    }

    async fn acknowledge(&mut self, _position: Position) -> Result<()> {
        Ok(())
    }
}
