//! Which stock gate a cluster has.

use serde::{Deserialize, Serialize};

/// All processes of a cluster have the same. What each is good for, and what it costs: `docs/adr/0014`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// In the memory of one process, which a lease names; the others ask it.
    #[default]
    Memory,
    /// In Redis, asked by everybody.
    Redis,
    /// In the inventory's database, each row with a number that the write compares; eight tries.
    Optimistic,
    OptimisticNoRetry,
    /// In the inventory's database, under the rows' locks.
    RowLock,
    /// In the inventory's database, under locks in Redis.
    DistributedLock,
    /// In the inventory's database, one group after the other.
    Queue,
}

impl Gate {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Optimistic => "optimistic",
            Self::OptimisticNoRetry => "optimistic-no-retry",
            Self::RowLock => "row-lock",
            Self::DistributedLock => "distributed-lock",
            Self::Queue => "queue",
        }
    }

    pub const fn needs_redis(self) -> bool {
        matches!(self, Self::Redis | Self::DistributedLock)
    }
}
