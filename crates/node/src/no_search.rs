//! A cluster without a search engine: nothing is brought on, and a search is refused as unavailable, with the remedy in
//! the log and in the configuration file. Everything else is served.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::order::Order;
use doos_domain::time::Timestamp;
use doos_ports::projection::{Projection, Standing};
use doos_ports::search::{Hits, SearchIndex, SearchQuery};
use doos_ports::{Error, Result};
use std::sync::Arc;

pub(crate) struct NoSearch;

fn refused() -> Error {
    let cause = "this cluster has no search engine; name its nodes in opensearch.nodes".to_owned();
    Error::Unavailable { engine: "the search index", cause }
}

#[async_trait]
impl Projection for NoSearch {
    fn name(&self) -> &'static str {
        "search"
    }

    fn is_there(&self) -> bool {
        false
    }

    async fn standing(&self) -> Result<Standing> {
        Err(refused())
    }

    async fn apply(&self, _orders: &[Arc<Order>], _standing: Standing) -> Result<()> {
        Err(refused())
    }

    async fn begin_anew(&self, _standing: Standing) -> Result<()> {
        Err(refused())
    }

    async fn forget_old(&self, _now: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn versions(&self, _orders: &[OrderId]) -> Result<Vec<Option<u32>>> {
        Err(refused())
    }

    async fn order_count(&self) -> Result<u64> {
        Err(refused())
    }
}

#[async_trait]
impl SearchIndex for NoSearch {
    async fn search(&self, _query: &SearchQuery) -> Result<Hits> {
        Err(refused())
    }
}
