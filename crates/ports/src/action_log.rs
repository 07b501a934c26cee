//! The log of what the back office did: written before an action is done, and again with its ending.
//!
//! Contract: `record` stores the action under its id, in place of what was there, synced before it returns. Nothing is
//! ever removed.

use async_trait::async_trait;
use doos_domain::action::Action;
use doos_domain::ids::ActionId;

use crate::Result;

#[async_trait]
pub trait ActionLog: Send + Sync {
    async fn record(&self, action: Action) -> Result<()>;

    /// Newest first, by id; only those with an id below `before`.
    async fn newest(&self, before: Option<&ActionId>, limit: usize) -> Result<Vec<Action>>;
}
