//! What is computed from the orders for reading: how far it has come, and how it is brought on.
//!
//! Contract: `apply` stores what the orders change, and the new standing, as one unit. An order whose version, or a
//! newer one, is in the projection already changes nothing, so groups may repeat and overlap. Nothing of a projection
//! is lost for good: one that is missing or damaged begins anew by itself, and is walked through the order store.
//!
//! What must never happen: a standing ahead of what is stored, or one that goes back to an earlier epoch. Whoever
//! applies with the standing of an earlier epoch is refused and changes nothing.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::order::Order;
use doos_domain::time::Timestamp;
use std::sync::Arc;

use crate::Result;

/// How far a projection has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Grows with every new beginning.
    pub epoch: u64,
    /// The feed's token of a place: every change up to there is in it; so is every order, unless a walk is under way.
    /// Empty: the beginning.
    pub token: String,
    pub walk: Walk,
}

/// A projection that could not follow the feed is filled from the order store, newest order first, while it follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Walk {
    #[default]
    Done,
    /// Orders with an id below this are still to come; `None`: all of them.
    Below(Option<OrderId>),
}

#[async_trait]
pub trait Projection: Send + Sync {
    /// Under which it appears in numbers and logs.
    fn name(&self) -> &'static str;

    async fn standing(&self) -> Result<Standing>;

    async fn apply(&self, orders: &[Arc<Order>], standing: Standing) -> Result<()>;

    /// Forgets everything and stands at `standing`, whose epoch must be a new one.
    async fn begin_anew(&self, standing: Standing) -> Result<()>;

    /// Gives up what is kept only for a while.
    async fn forget_old(&self, now: Timestamp) -> Result<()>;

    /// Whether there is anything to bring on: a node without an engine for it has nothing.
    fn is_there(&self) -> bool {
        true
    }

    /// The version in which each of these orders is in what is read now; `None`: it is not in it.
    async fn versions(&self, orders: &[OrderId]) -> Result<Vec<Option<u32>>>;

    /// How many orders are in what is read now.
    async fn order_count(&self) -> Result<u64>;
}
