//! What a cluster reads from beside its shards: the search engine, and the cache of orders.
//!
//! What holds: neither keeps a node from starting, and nothing is lost with either.

use anyhow::{Context, Result};
use doos_adapter_cache::CachedOrders;
use doos_adapter_opensearch::OpenSearchIndex;
use doos_adapter_redis::{Link, RedisCache};
use doos_gateway::GaugeSample;
use doos_ports::cache::SharedCache;
use doos_ports::clock::Clock;
use doos_ports::order_store::OrderStore;
use doos_ports::search::SearchIndex;
use std::sync::Arc;

use super::gauge;
use crate::config::Config;
use crate::no_search::NoSearch;

/// The search index, which is connected to when it is first asked.
pub(super) fn search(config: &Config, clock: &Arc<dyn Clock>) -> Result<Arc<dyn SearchIndex>> {
    if config.opensearch.nodes.is_empty() {
        tracing::warn!("opensearch.nodes is empty: orders are not searched in this cluster");
        return Ok(Arc::new(NoSearch));
    }
    let index = OpenSearchIndex::new(config.opensearch.clone(), Arc::clone(clock));
    Ok(Arc::new(index.context("the search engine's options")?))
}

/// The cache in front of the order store; none where nobody reads, or where it is not wanted.
pub(super) fn cache(
    config: &Config,
    orders: Arc<dyn OrderStore>,
    redis: Option<&Arc<Link>>,
    clock: &Arc<dyn Clock>,
) -> Option<Arc<CachedOrders>> {
    if !crate::start::plays(config, "gateway") || config.cache.orders_max == 0 {
        return None;
    }
    let shared = redis.map(|link| Arc::new(RedisCache::new(Arc::clone(link))) as Arc<dyn SharedCache>);
    Some(CachedOrders::new(orders, shared, Arc::clone(clock), config.cache.clone()))
}

pub(super) fn cache_gauges(cache: &CachedOrders) -> Vec<GaugeSample> {
    let counts = cache.counts();
    let hits = counts.memory + counts.shared;
    let rate = if counts.reads == 0 { 0.0 } else { hits as f64 / counts.reads as f64 };
    vec![
        gauge("doos_order_cache_reads", "Orders asked for by id since the start", counts.reads as f64),
        gauge("doos_order_cache_memory_hits", "Of those, answered from memory", counts.memory as f64),
        gauge("doos_order_cache_shared_hits", "Of those, answered from the shared cache", counts.shared as f64),
        gauge("doos_order_cache_hit_ratio", "Share of reads answered without the store", rate),
        gauge("doos_order_cache_orders", "Orders kept in memory", counts.kept as f64),
        gauge(
            "doos_order_cache_followed",
            "1 while the change feed is followed; if not, orders are read from the store",
            f64::from(u8::from(counts.is_followed)),
        ),
    ]
}
