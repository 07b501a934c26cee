//! Log-in names and the stable numbers behind them.
//!
//! Contract: `resolve_or_create` gives a name one number for ever, also under concurrent first use.

use async_trait::async_trait;
use doos_domain::ids::UserId;

use crate::Result;

#[async_trait]
pub trait IdentityStore: Send + Sync {
    async fn resolve(&self, name: &str) -> Result<Option<UserId>>;

    async fn resolve_or_create(&self, name: &str) -> Result<UserId>;
}
