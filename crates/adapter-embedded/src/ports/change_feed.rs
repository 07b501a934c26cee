//! The change feed: the journal's order records, from memory while a follower keeps up, else from the journal.

use async_trait::async_trait;
use doos_ports::Result;
use doos_ports::bus::Position;
use doos_ports::change_feed::{ChangeFeed, Changed};
use std::sync::Arc;

use crate::error::Error;
use crate::locks::lock;
use crate::record::{Record, decode};
use crate::shared::{Shared, parse_order};

pub(crate) struct Feed {
    shared: Arc<Shared>,
}

impl Feed {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    fn read_journal(&self, after: u64, limit: usize) -> Result<Vec<Changed>, Error> {
        // Not the journal's own end: what is synced but not yet visible to readers must not be seen here either.
        let visible = self.shared.applied();
        let mut changes = Vec::new();
        let from = self.shared.group_start_before(after);
        let cursor = match self.shared.reader.groups(from) {
            Err(doos_journal::Error::Dropped { oldest, .. }) => self.shared.reader.groups(oldest)?,
            other => other?,
        };
        for group in cursor {
            let group = group?;
            if group.start >= visible {
                break;
            }
            for (position, bytes) in &group.records {
                let position = *position;
                let record = decode(bytes).map_err(|found| Error::Record { position, found })?;
                if let (Record::Order(head, doc), true) = (record, position > after) {
                    changes.push(Changed { position: Position(position), order: parse_order(head.id, doc)? });
                    if changes.len() == limit {
                        return Ok(changes);
                    }
                }
            }
        }
        Ok(changes)
    }
}

#[async_trait]
impl ChangeFeed for Feed {
    async fn end(&self) -> Result<Position> {
        self.shared.check_running()?;
        Ok(Position(self.shared.applied()))
    }

    async fn oldest(&self) -> Result<Position> {
        self.shared.check_running()?;
        Ok(Position(self.shared.reader.oldest()))
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Changed>> {
        self.shared.check_running()?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let recent = lock(&self.shared.changes).after(after.0, limit);
        if let Some(recent) = recent {
            let changed = |(position, order)| Changed { position: Position(position), order };
            return Ok(recent.into_iter().map(changed).collect());
        }
        Ok(self.read_journal(after.0, limit)?)
    }

    async fn ready(&self, after: Position) {
        self.shared.changed.passes(after.0).await;
    }
}
