//! Finding orders by what is known of them: words, a user, a product, states, times.
//!
//! Contract: all conditions must hold; within the text, one of its meanings. Newest first, by id. A page may be short,
//! even empty, while `next` says where to go on: no search looks at more than its share at once. What is found is as
//! new as the index; whoever shows it loads the orders.

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::order::Status;
use doos_domain::search::Term;
use doos_domain::time::Timestamp;

use crate::Result;
use crate::projection::Projection;

#[derive(Clone, Debug, Default)]
pub struct SearchQuery {
    pub text: Option<Meanings>,
    pub user_id: Option<UserId>,
    pub product_id: Option<ProductId>,
    /// One of these; empty: any.
    pub statuses: Vec<Status>,
    /// Placed at or after.
    pub from: Option<Timestamp>,
    /// Placed before.
    pub to: Option<Timestamp>,
    /// The id after which the last page ended.
    pub before: Option<OrderId>,
    pub limit: usize,
}

/// What somebody may have meant who typed a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meanings {
    /// Words of the order's own text, all of which must be found; none: not a meaning.
    pub terms: Vec<Term>,
    pub order_id: Option<OrderId>,
    pub user_id: Option<UserId>,
    pub products: Vec<ProductId>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Newest first.
    pub orders: Vec<OrderId>,
    /// Set when there may be more: pass it as `before`.
    pub next: Option<OrderId>,
}

#[async_trait]
pub trait SearchIndex: Projection {
    async fn search(&self, query: &SearchQuery) -> Result<Hits>;
}
