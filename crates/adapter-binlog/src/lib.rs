//! The change feed of a cluster: every order shard's binlog, read as a replica reads it.
//!
//! What holds: each committed version of each order comes out at least once and, per shard, in the order of commit; a
//! transaction comes out whole or not at all. A shard that is away holds up nobody but itself. Reading again from a
//! token that was stored with a sink has no hole; if the servers have purged what it stands for, that is said.
//!
//! What must never happen here: a background task; a row put into an order by guess; a write to any shard.
//!
//! Where to read next: [`BinlogFeed`]; `place` for what a position is; `timeline` for how shards get an order among each
//! other; `log` for events; `docs/adr/0012` for why.

mod decode;
mod error;
mod feed;
mod log;
mod options;
mod place;
mod recent;
mod server;
mod session;
mod tail;
mod timeline;

pub use error::Error;
pub use feed::{BinlogFeed, Lag};
pub use options::Options;
