//! The durable ledger of stock: rows, decisions, movements.
//!
//! Contract: `lock` gives exclusive hold of the named rows and decisions (products in ascending order, so that two
//! groups never wait for each other in a circle) until the transaction is committed or dropped. `commit` stores rows,
//! decisions, movements and the consumer's progress as one unit, synced before it returns.

use async_trait::async_trait;
use doos_domain::answer::Answer;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::{Changes, DecisionRow, Movement, StockRow};

use crate::Result;
use crate::inbox::Progress;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MovementPage {
    /// Newest first.
    pub movements: Vec<Movement>,
    /// Set when there may be more: pass it as `before`. A number of the engine's own; earlier movements have lower ones.
    pub next: Option<u64>,
}

#[async_trait]
pub trait StockTransaction: Send {
    /// The locked rows that exist.
    fn rows(&self) -> Vec<StockRow>;

    /// The decisions that exist for the orders locked.
    fn decisions(&self) -> Vec<DecisionRow>;

    /// Stores everything, or nothing. The answer, if any, is that of the operator's call which caused it.
    async fn commit(
        self: Box<Self>,
        changes: Changes,
        progress: Option<Progress>,
        answer: Option<Answer>,
    ) -> Result<()>;
}

#[async_trait]
pub trait StockLedger: Send + Sync {
    /// `orders` whose decided lines may be given back have these locked too, without being named in `products`.
    async fn lock(&self, products: Vec<ProductId>, orders: Vec<OrderId>) -> Result<Box<dyn StockTransaction>>;

    async fn row(&self, product: ProductId) -> Result<Option<StockRow>>;

    /// All rows, as one snapshot.
    async fn rows(&self) -> Result<Vec<StockRow>>;

    async fn decision(&self, order: OrderId) -> Result<Option<DecisionRow>>;

    /// Movements of one order, return or delivery, oldest first.
    async fn movements_of(&self, reference: &str) -> Result<Vec<Movement>>;

    /// Movements of one product, newest first; `before` is where the last page ended.
    async fn movements_on(&self, product: ProductId, before: Option<u64>, limit: usize) -> Result<MovementPage>;
}
