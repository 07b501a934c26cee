//! The change feed: every committed version of every order, in the order of commit.

use async_trait::async_trait;
use doos_ports::Result;
use doos_ports::bus::Position;
use doos_ports::change_feed::{ChangeFeed, Changed};
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

pub struct SimChangeFeed {
    world: Arc<World>,
}

impl SimChangeFeed {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    /// Forgets all but the newest `kept` changes, as a feed does that keeps only so much.
    pub fn forget_all_but(&self, kept: usize) {
        self.world.apply(|durable| {
            let forgotten = durable.changes.len().saturating_sub(kept);
            durable.changes_forgotten = durable.changes_forgotten.max(forgotten);
        });
    }
}

#[async_trait]
impl ChangeFeed for SimChangeFeed {
    async fn end(&self) -> Result<Position> {
        self.world.read(Part::Feed, |durable| Position(durable.changes.len() as u64)).await
    }

    async fn oldest(&self) -> Result<Position> {
        self.world.read(Part::Feed, |durable| Position(durable.changes_forgotten as u64)).await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Changed>> {
        let look = |durable: &Durable| -> Vec<Changed> {
            let first = (after.0 as usize).max(durable.changes_forgotten);
            let unread = durable.changes.iter().zip(1..).skip(first).take(limit);
            unread.map(|(order, position)| Changed { position: Position(position), order: Arc::clone(order) }).collect()
        };
        self.world.read(Part::Feed, look).await
    }

    async fn ready(&self, after: Position) {
        self.world.until(|durable| durable.changes.len() as u64 > after.0, |_| None).await;
    }
}
