//! Where products are kept. Use cases read a local copy; this port feeds it and takes changes.
//!
//! Contract: `put` is a compare-and-set on the product's version (0 = new) and stores the answer with it.

use async_trait::async_trait;
use doos_domain::answer::Answer;
use doos_domain::catalog::Product;
use doos_domain::ids::ProductId;

use crate::Result;

#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error("product {0} has been changed meanwhile")]
    Conflict(ProductId),
    #[error(transparent)]
    Engine(#[from] crate::Error),
}

#[async_trait]
pub trait CatalogStore: Send + Sync {
    async fn all(&self) -> Result<Vec<Product>>;

    async fn put(&self, expected_version: u32, product: Product, answer: Option<Answer>) -> Result<(), PutError>;

    /// A product id never given out before.
    async fn next_id(&self) -> Result<ProductId>;
}
