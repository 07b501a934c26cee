//! Orders kept for reading, in front of a cluster's order store: in this process's memory, and behind that in a cache
//! which all processes share.
//!
//! What holds: only [`read`](doos_ports::order_store::OrderStore::read) is answered from here. Whoever decides loads from
//! the store. An order that the change feed has brought in a newer version is never answered in an older one again, and
//! what this process has committed itself is seen by it at once. While the feed cannot be read nothing is answered from
//! here.
//!
//! What must never happen: a read that fails, or waits, because a cache does.
//!
//! Where to read next: `memory` for what is kept and how a load in flight meets a change, `shared` for what is believed
//! of the second level, `follower` for the feed.

mod follower;
mod memory;
mod options;
mod orders;
mod shared;

pub use options::Options;
pub use orders::{CachedOrders, Counts};
