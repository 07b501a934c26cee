//! Where the order shards are, and how much of the feed is kept in memory. Every limit has its unit in its name.

use std::time::Duration;

#[derive(Clone)]
pub struct Options {
    /// One address for each shard, in the order of their numbers: `mysql://USER:PASSWORD@HOST:PORT/DATABASE`. The user
    /// needs to read `t_order`, and the rights REPLICATION SLAVE and BINLOG MONITOR (MySQL: REPLICATION CLIENT).
    pub shards: Vec<String>,
    /// Recent changes kept, for those who keep up.
    pub recent_max: usize,
    /// Transactions whose place is kept, so that whoever is behind reads in the same order as those ahead. At 32 bytes.
    pub units_max: usize,
    /// Readers behind the recent changes; each has a connection to every shard.
    pub readers_behind_max: usize,
    /// More unread than this, per shard, and who asks for the end does not wait for it to be read.
    pub skip_bytes: u64,
    /// So long a server may take to let us in, or to answer a question.
    pub connect_timeout: Duration,
    /// So long a read waits for what the server has already committed.
    pub read_timeout: Duration,
    /// A server with nothing to say says so this often; after three times of silence the connection counts as dead.
    pub heartbeat: Duration,
    /// After a shard could not be reached: doubled up to `away_pause_max`.
    pub away_pause: Duration,
    pub away_pause_max: Duration,
    /// Larger packets than this are refused. Servers send up to 1 GiB.
    pub packet_bytes_max: usize,
}

impl Options {
    pub const fn new(shards: Vec<String>) -> Self {
        Self {
            shards,
            recent_max: 8_192,
            units_max: 500_000,
            readers_behind_max: 4,
            skip_bytes: 4 << 20,
            connect_timeout: Duration::from_millis(2_000),
            read_timeout: Duration::from_millis(5_000),
            heartbeat: Duration::from_millis(5_000),
            away_pause: Duration::from_millis(100),
            away_pause_max: Duration::from_millis(5_000),
            packet_bytes_max: 1 << 30,
        }
    }
}
