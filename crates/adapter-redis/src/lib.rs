//! Redis, for what may be lost: a stock gate for several processes, the second level of the cache, shared rate limits,
//! and a lock with fencing.
//!
//! What holds: nothing here is the truth. A Redis that is away, empty, restarted or failed over costs a refusal, a cache
//! miss or a looser limit, and is noticed: no answer of a lost gate is ever taken for one of a full one. Whoever finds
//! Redis away is refused fast, and it is found again by itself.
//!
//! What must never happen here: a task started in the background, a key without the prefix, a hold that ends by time.
//!
//! Where to read next: [`Link`] for the connection, [`RedisGate`] for the gate, `docs/adr/0014` for why it is not the
//! default.

mod address;
mod cache;
mod gate;
mod limits;
mod link;
mod lock;

pub use address::{Address, InvalidAddress};
pub use cache::RedisCache;
pub use gate::{GateOptions, RedisGate, Standing};
pub use limits::RedisLimits;
pub use link::{Link, Options};
pub use lock::{LockOptions, RedisLock};
