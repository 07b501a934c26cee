//! A consumer's waiting and parked messages: which, from the index in memory; what, from their rows.

use async_trait::async_trait;
use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::Consumer;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::inbox::{Backlog, DeadLetter, Inbox, Progress, Waiting};
use std::sync::Arc;

use super::engine_error;
use crate::locks::read;
use crate::shared::Shared;
use crate::table::Table;
use crate::unit::{Unit, dead_letter_key, waiting_key};

pub(crate) struct JournalInbox {
    shared: Arc<Shared>,
}

impl JournalInbox {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// One that was settled meanwhile is left out.
    fn rows(&self, consumer: Consumer, ids: Vec<MessageId>) -> Result<Vec<Waiting>> {
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.extend(self.shared.doc::<Waiting>(Table::Waiting, &waiting_key(consumer, &id))?);
        }
        Ok(rows)
    }
}

#[async_trait]
impl Inbox for JournalInbox {
    async fn due(&self, consumer: Consumer, now: Timestamp, limit: usize) -> Result<Vec<Waiting>> {
        self.shared.check_running()?;
        let due = read(&self.shared.inbox).due(consumer, now.as_millis(), limit);
        self.rows(consumer, due)
    }

    async fn next_due(&self, consumer: Consumer) -> Result<Option<Timestamp>> {
        Ok(read(&self.shared.inbox).next_due(consumer).map(Timestamp::from_millis))
    }

    async fn backlog(&self, consumer: Consumer, order: OrderId) -> Result<Backlog> {
        let (waiting, parked) = read(&self.shared.inbox).backlog(consumer, order.get());
        Ok(Backlog { waiting, parked })
    }

    async fn waiting_of(&self, consumer: Consumer, order: OrderId) -> Result<Vec<Waiting>> {
        self.shared.check_running()?;
        let waiting = read(&self.shared.inbox).waiting_of(consumer, order.get());
        self.rows(consumer, waiting)
    }

    async fn waiting_count(&self, consumer: Consumer) -> Result<usize> {
        Ok(read(&self.shared.inbox).waiting_count(consumer))
    }

    async fn dead_letters(&self, after: Option<MessageId>, limit: usize) -> Result<Vec<DeadLetter>> {
        self.shared.check_running()?;
        let ids = read(&self.shared.inbox).parked(after.as_ref(), limit);
        let mut letters = Vec::with_capacity(ids.len());
        for id in ids {
            letters.extend(self.shared.doc::<DeadLetter>(Table::DeadLetter, &dead_letter_key(&id))?);
        }
        Ok(letters)
    }

    async fn dead_letter(&self, id: &MessageId) -> Result<Option<DeadLetter>> {
        self.shared.check_running()?;
        Ok(self.shared.doc(Table::DeadLetter, &dead_letter_key(id))?)
    }

    async fn dead_letter_count(&self) -> Result<usize> {
        Ok(read(&self.shared.inbox).parked_count())
    }

    async fn store(&self, progress: Progress) -> Result<()> {
        if progress.is_empty() {
            return Ok(());
        }
        let mut unit = Unit::default();
        unit.progress(progress);
        self.shared.submit_one(unit).await.map_err(engine_error)
    }
}
