//! The use cases of DOOS, one file each: load, decide purely, submit; on conflict reload and decide again.
//!
//! What holds: a use case knows `domain` and ports, never an engine, a socket or a thread. [`App`] is a value built
//! from its ports, so one process can hold several, and a simulator can hold a hundred. Nothing outside happens before
//! the commit; message and answer travel with the change.
//!
//! What must never happen: a hold given back while the order's fate is unknown; a retry without a bound.
//!
//! Where to read next: `order/place.rs` for the path of an order, `consume/` for how contexts act on messages,
//! [`error_codes`] for everything a caller can be told.

pub mod actions;
mod breaker;
pub mod catalog;
pub mod comparing;
pub mod consume;
pub mod counters;
pub mod dead_letters;
pub mod error;
pub mod error_codes;
pub mod identity;
pub mod ids;
pub mod keys;
pub mod options;
pub mod order;
pub mod payment;
pub mod principal;
pub mod projecting;
pub mod pulse;
pub mod recent_times;
pub mod role_board;
pub mod search;
pub mod shipping;
pub mod statistics;
pub mod stock;
pub mod system;
pub mod take_over;
pub mod timeouts;

mod watch;
mod writer;

pub use error::{Error, Result};
pub use options::Options;
pub use principal::Principal;

use doos_domain::time::Timestamp;
use doos_ports::Ports;
use futures::future::BoxFuture;
use std::sync::{Arc, OnceLock};

/// The application: its ports, its limits, and the little it keeps in memory.
pub struct App {
    pub ports: Ports,
    pub options: Options,
    pub ids: ids::Ids,
    pub catalog: catalog::Catalog,
    pub counters: Arc<counters::Counters>,
    pub keys: keys::InFlight,
    pub pulse: pulse::Pulse,
    pub roles: role_board::RoleBoard,
    pub started_at: Timestamp,
    /// Set by whoever exports traces: links a group's span to the trace of one of its messages.
    pub trace_links: OnceLock<TraceLink>,
    pub(crate) begun_anew: tokio::sync::Notify,
    /// Held while the read models are compared with the orders.
    pub(crate) comparing: tokio::sync::Mutex<()>,
    pub(crate) last_seen: projecting::LastSeen,
    pub(crate) watchers: watch::Watchers,
    pub(crate) writer: writer::Writer,
}

/// Takes the span of a group, the `traceparent` of a message in it, and whether the group belongs into that trace; the
/// other traces of the group are linked.
pub type TraceLink = Box<dyn Fn(&tracing::Span, &str, Kinship) + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    Parent,
    Link,
}

/// Work that must run beside the application for it to make progress; the owner of the executor spawns it.
pub struct Loop {
    pub name: String,
    pub run: BoxFuture<'static, ()>,
}

impl App {
    /// Takes a worker number, loads the catalogue, and hands back the loops to spawn.
    pub async fn start(ports: Ports, options: Options) -> Result<(Arc<Self>, Vec<Loop>)> {
        let ids = ids::Ids::take(&ports, options.worker).await?;
        let catalog = catalog::Catalog::load(&*ports.catalog).await?;
        let counters = Arc::new(counters::Counters::default());
        let (writer, loops) = writer::Writer::new(&ports, &options, &counters);
        let started_at = ports.clock.now();
        let keys = keys::InFlight::default();
        let watchers = watch::Watchers::default();
        Ok((
            Arc::new(Self {
                ports,
                options,
                ids,
                catalog,
                counters,
                keys,
                pulse: pulse::Pulse::default(),
                roles: role_board::RoleBoard::default(),
                started_at,
                trace_links: OnceLock::new(),
                begun_anew: tokio::sync::Notify::new(),
                comparing: tokio::sync::Mutex::new(()),
                last_seen: projecting::LastSeen::default(),
                watchers,
                writer,
            }),
            loops,
        ))
    }

    /// Changes of orders waiting for their group, over all shards.
    pub fn queue_depth(&self) -> usize {
        self.writer.depth()
    }

    /// Whether callers wait for each other, so that whatever nobody waits for should let them go first.
    pub fn is_pressed(&self) -> bool {
        self.writer.is_pressed(&*self.ports.clock)
    }

    /// How long the oldest group in flight has been waiting to become durable.
    pub fn queue_age_ms(&self) -> u64 {
        self.writer.age_ms(&*self.ports.clock)
    }
}
