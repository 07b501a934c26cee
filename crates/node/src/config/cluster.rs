//! The engines of a cluster: order shards and the other contexts' databases, broker, registry, cache, search.
//!
//! What holds: a node runs either on its embedded store or on all of these; half of them would lose orders, and is
//! refused ([`Config::check`](super::Config::check)).

use doos_adapter_mysql::Addresses;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::dsn::Dsn;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// Order shards in the order of their numbers; only ever append. Empty: the embedded store.
    pub shards: Vec<Shard>,
    /// The other contexts' databases. Left out: `doos_CONTEXT` on the first shard's server.
    pub inventory: Option<Dsn>,
    pub catalog: Option<Dsn>,
    pub identity: Option<Dsn>,
    pub payment: Option<Dsn>,
    pub shipping: Option<Dsn>,
    pub statistics: Option<Dsn>,
    /// Holds the password of every address that names none.
    pub password_file: PathBuf,
    /// Bring the tables up to date at start instead of refusing old ones; see `doos migrate`.
    pub migrate: bool,
    pub writers_per_shard: usize,
    pub connections_max: usize,
    pub connect_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    /// Committed messages kept in memory for this process's relay; what does not fit is found by the poll.
    pub handed_over_max: usize,
    /// A message is left to the hand-over for so long before the poll takes it.
    pub poll_after_ms: i64,
    /// A message published and not consumed is published again after so long.
    pub republish_after_ms: i64,
    /// How late it may be written down that a message was published; less than `poll_after_ms`.
    pub mark_after_ms: i64,
    /// Messages of a shard that are not consumed, at which it takes no new orders.
    pub open_messages_max: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    pub dsn: Dsn,
}

/// Where the other processes of the cluster reach this one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peer {
    pub listen: SocketAddr,
    /// Host and port told to the others; empty: the address listened on.
    pub advertise: String,
    pub call_timeout_ms: u64,
}

impl Default for Peer {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), advertise: String::new(), call_timeout_ms: 2_000 }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            shards: Vec::new(),
            inventory: None,
            catalog: None,
            identity: None,
            payment: None,
            shipping: None,
            statistics: None,
            password_file: PathBuf::new(),
            migrate: false,
            writers_per_shard: 2,
            connections_max: 16,
            connect_timeout_ms: 2_000,
            statement_timeout_ms: 10_000,
            handed_over_max: 100_000,
            poll_after_ms: 5_000,
            republish_after_ms: 30_000,
            mark_after_ms: 1_000,
            open_messages_max: 1_000_000,
        }
    }
}

impl Database {
    /// Whether this node runs on a cluster's engines.
    pub const fn is_cluster(&self) -> bool {
        !self.shards.is_empty()
    }

    /// Gives every address without a password the one of the file.
    pub(super) fn fill_in(&mut self, password: &SecretString) {
        let shards = self.shards.iter_mut().map(|shard| &mut shard.dsn);
        let others = [
            &mut self.inventory,
            &mut self.catalog,
            &mut self.identity,
            &mut self.payment,
            &mut self.shipping,
            &mut self.statistics,
        ];
        for dsn in shards.chain(others.into_iter().flatten()) {
            if dsn.password.expose_secret().is_empty() {
                dsn.password = password.clone();
            }
        }
    }

    /// As the adapters take them.
    pub fn addresses(&self) -> Addresses {
        let first = &self.shards[0].dsn;
        let address = |dsn: &Option<Dsn>, context: &str| match dsn {
            Some(dsn) => dsn.url(),
            None => Dsn { database: format!("doos_{context}"), ..first.clone() }.url(),
        };
        Addresses {
            shards: self.shards.iter().map(|shard| shard.dsn.url()).collect(),
            inventory: address(&self.inventory, "inventory"),
            catalog: address(&self.catalog, "catalog"),
            identity: address(&self.identity, "identity"),
            payment: address(&self.payment, "payment"),
            shipping: address(&self.shipping, "shipping"),
            statistics: address(&self.statistics, "statistics"),
        }
    }

    pub fn options(&self) -> doos_adapter_mysql::Options {
        doos_adapter_mysql::Options {
            writers_per_shard: self.writers_per_shard,
            connections_max: self.connections_max,
            connect_timeout: Duration::from_millis(self.connect_timeout_ms),
            statement_timeout: Duration::from_millis(self.statement_timeout_ms),
            handed_over_max: self.handed_over_max,
            poll_after_ms: self.poll_after_ms,
            republish_after_ms: self.republish_after_ms,
            mark_after_ms: self.mark_after_ms,
            open_messages_max: self.open_messages_max,
            migrate: self.migrate,
            ..doos_adapter_mysql::Options::new(self.addresses())
        }
    }
}
