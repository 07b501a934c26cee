//! Where the databases are and how much may be asked of them at once. Every limit has its unit in its name.

use std::time::Duration;

#[derive(Clone)]
pub struct Options {
    pub addresses: Addresses,
    /// Connections that write orders, per shard; a bucket always takes the same one.
    pub writers_per_shard: usize,
    /// Other connections per database; whoever finds none free waits for `statement_timeout`.
    pub connections_max: usize,
    pub connect_timeout: Duration,
    /// After this a statement counts as lost with its connection.
    pub statement_timeout: Duration,
    /// So long a database that could not be reached is not asked again.
    pub away_pause: Duration,
    /// Committed messages kept for the relay of this process; what does not fit is found by the poll.
    pub handed_over_max: usize,
    /// A message is left to the hand-over for so long before the poll takes it.
    pub poll_after_ms: i64,
    /// A message published and not consumed is published again after so long, then after twice as long.
    pub republish_after_ms: i64,
    /// How late it may be written down that a message was published; below `poll_after_ms`, or the poll meets it first.
    pub mark_after_ms: i64,
    /// Messages of a shard that are not consumed, at which it takes no new orders.
    pub open_messages_max: u64,
    /// Use MariaDB's bulk command where the server has it. Off for whoever reaches it through something that does not
    /// pass the command on; rows are then written as on MySQL.
    pub bulk_writes: bool,
    /// The shop's days begin so much earlier than those of UTC; another value than before counts everything anew. The
    /// same for every node.
    pub utc_offset_minutes: i64,
    /// How long figures by the minute are kept.
    pub minute_rows_kept_s: i64,
    /// How long figures by the hour are kept; those by the day are kept for ever.
    pub hour_rows_kept_s: i64,
    /// The largest packet the servers must take.
    pub packet_bytes_min: u64,
    /// Bring the tables up to date when opening, instead of refusing old ones.
    pub migrate: bool,
}

/// One database address for each context: `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
#[derive(Clone)]
pub struct Addresses {
    /// In the order of their numbers; only ever append.
    pub shards: Vec<String>,
    pub inventory: String,
    pub catalog: String,
    pub identity: String,
    pub payment: String,
    pub shipping: String,
    pub statistics: String,
}

impl Options {
    pub const fn new(addresses: Addresses) -> Self {
        Self {
            addresses,
            writers_per_shard: 2,
            connections_max: 16,
            connect_timeout: Duration::from_millis(2_000),
            statement_timeout: Duration::from_millis(10_000),
            away_pause: Duration::from_millis(200),
            handed_over_max: 100_000,
            poll_after_ms: 5_000,
            republish_after_ms: 30_000,
            mark_after_ms: 1_000,
            open_messages_max: 1_000_000,
            bulk_writes: true,
            utc_offset_minutes: 0,
            minute_rows_kept_s: 2 * 24 * 60 * 60,
            hour_rows_kept_s: 366 * 24 * 60 * 60,
            packet_bytes_min: 16 << 20,
            migrate: false,
        }
    }
}
