//! Every committed change of every order, in the order of commit, from any position that is still kept.
//!
//! Contract: at least once and never a hole; a reader keeps (order, version) seen, or does not mind repeats.
//!
//! A position means the same for as long as the process lives, and with an engine of one log for ever. What is stored
//! with a sink, or given to a client who may come back to another process, is the token of a position: it survives, and
//! what it stands for elsewhere may lie a little earlier, never later.

use async_trait::async_trait;
use doos_domain::order::Order;
use std::sync::Arc;

use crate::Result;
use crate::bus::Position;

#[derive(Clone, Debug)]
pub struct Changed {
    /// Resume after this.
    pub position: Position,
    pub order: Arc<Order>,
}

#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// The position after the last committed change.
    async fn end(&self) -> Result<Position>;

    /// Every change after this position is still kept. Who stands before it may have missed some.
    async fn oldest(&self) -> Result<Position>;

    /// Changes after `after`, at most `limit`, empty when there is nothing new. A position no longer kept starts at
    /// the oldest that is.
    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Changed>>;

    /// Waits until there may be something after `after`.
    async fn ready(&self, after: Position);

    /// A position as text that outlives this process: letters, digits, `-` and `_`.
    fn token(&self, position: Position) -> String {
        position.0.to_string()
    }

    /// Where to read on after what a token stands for. `None`: it was never given out here, or what follows it is not
    /// kept any more; who held it may have missed something.
    async fn resume(&self, token: &str) -> Result<Option<Position>> {
        let Ok(position) = token.parse().map(Position) else { return Ok(None) };
        let is_kept = self.oldest().await? <= position && position <= self.end().await?;
        Ok(is_kept.then_some(position))
    }
}
