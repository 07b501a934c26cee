//! What a node stands on: its embedded store, or the engines of a cluster. The rest of the node does not know which.
//!
//! What holds: engines are opened before anything is served, and closed after everything else has ended.

mod cluster;
mod embedded;
mod reads;

pub(crate) use cluster::Cluster;
pub(crate) use embedded::Embedded;

use anyhow::Result;
use async_trait::async_trait;
use doos_app::App;
use doos_gateway::GaugeSample;
use doos_ports::Ports;
use doos_ports::clock::Clock;
use doos_ports::outside::{Carrier, PaymentProvider};
use doos_ports::rate_limits::SharedLimits;
use doos_ports::registry::{Lease, Registry};
use doos_roles::Role;
use std::sync::Arc;
use tokio::task::JoinSet;

use crate::audit::{Evidence, Report};
use crate::config::Config;
use crate::secrets::Secrets;

/// What lies outside of every engine and is given to the application with them.
pub(crate) struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub provider: Arc<dyn PaymentProvider>,
    pub carrier: Arc<dyn Carrier>,
}

#[async_trait]
pub(crate) trait Engines: Evidence {
    fn ports(&self, surroundings: Surroundings) -> Ports;

    /// A role as it is to be run here: where several processes run it, perhaps by one of them at a time.
    fn lend(&self, role: Box<dyn Role>) -> Box<dyn Role> {
        role
    }

    /// Where the cluster's live values are; none where there is no cluster.
    fn registry(&self) -> Option<Arc<dyn Registry>> {
        None
    }

    /// Rate limits shared with other gateways.
    fn limits(&self) -> Option<Arc<dyn SharedLimits>> {
        None
    }

    /// The number under which this process makes order ids.
    fn worker(&self) -> u8;

    /// Waits until this process is the only one of its cluster to do something; it is, until the lease is dropped.
    /// None: it is the only one there is.
    async fn turn(&self, name: &str) -> Result<Option<Box<dyn Lease>>>;

    /// Makes the stock gate ready, and this process known to the others of its cluster.
    async fn join(&self, app: &Arc<App>, secrets: &Secrets, beside: &mut JoinSet<()>) -> Result<()>;

    /// Completes, with the cause, when nothing can be served any more before the next start.
    async fn until_stopped(&self) -> String;

    /// Whether orders can be taken just now; if not, why.
    fn readiness(&self) -> Result<(), String>;

    /// Depth, age and size of what only the engines know.
    fn gauges(&self) -> Vec<GaugeSample>;

    /// Proves the books beside the running node.
    async fn audit(&self) -> Result<Report>;

    async fn stop(&self);
}

/// What must run for the engines to work is put `beside`.
pub(crate) async fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
    beside: &mut JoinSet<()>,
) -> Result<Arc<dyn Engines>> {
    Ok(if config.database.is_cluster() {
        Arc::new(Cluster::open(config, clock, beside).await?)
    } else {
        Arc::new(Embedded::open(config, clock).await?)
    })
}

fn gauge(name: &str, help: &str, value: f64) -> GaugeSample {
    GaugeSample { name: name.to_owned(), help: help.to_owned(), labels: Vec::new(), value }
}
