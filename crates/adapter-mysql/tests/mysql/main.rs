//! The engines on real servers: the ports' suites, and what they promise beyond them: lost replies, poisoned groups,
//! races between processes, stale connections, moved buckets, and what is refused at the start.

#![cfg(test)]

mod archiving;
mod commits;
mod common;
mod gate_epochs;
mod gates;
mod messages;
mod opening;
mod resharding;
mod shards;
mod statistics;
mod suites;

use common::{RealClock, Servers, Set};
use doos_domain::order::Order;
use doos_ports::order_store::{Change, CommitError, OrderStore};
use doos_ports::suites::scene::Scene;
use std::sync::Arc;

/// Runs a test on a set of databases with two shards.
fn on_set<F: Future<Output = ()>>(test: impl FnOnce(Servers, Set) -> F) {
    let Some(servers) = common::servers() else { return };
    common::runtime().block_on(async {
        let set = Set::take(&servers, 2).await;
        test(servers, set).await;
    });
}

async fn scene(set: &Set) -> Scene {
    Scene::new(common::ports(&set.addresses).await)
}

async fn commit_one(orders: &dyn OrderStore, change: Change) -> Result<(), CommitError> {
    let mut results = orders.commit(vec![change]).await;
    assert_eq!(results.len(), 1);
    results.remove(0)
}

async fn is_stored(orders: &dyn OrderStore, order: &Arc<Order>) -> bool {
    let stored = orders.load(order.id).await.expect("orders can be loaded");
    assert!(stored.is_none() || stored.as_ref() == Some(order), "{stored:?}");
    stored.is_some()
}

fn clock() -> Arc<RealClock> {
    RealClock::start()
}
