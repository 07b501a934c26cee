//! What an owner can choose about the embedded store. Every number has its unit in its name and its default here.
//!
//! The limits are those of the design's table; what happens at each is said where it is used.

/// Sizes and bounds of one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    pub journal: doos_journal::Options,
    /// The operator's word that a damaged journal may be cut; see the journal's own contract.
    pub accept_loss: bool,

    /// Calls that may wait for the writer; the next one is refused as busy.
    pub queue_len_max: usize,
    /// Calls that may share one sync.
    pub group_len_max: usize,
    /// Bytes of records that may share one sync; a single larger call goes alone.
    pub group_bytes_max: usize,

    /// Orders kept read in memory: the next reader, and the next step of an order, nearly always find it here.
    pub orders_cached_max: usize,
    /// Latest changes kept for followers of the change feed; who is further behind reads the journal.
    pub changes_cached_max: usize,
    /// Unread messages kept in memory for each consumer; older ones are read from the journal or the database.
    pub messages_cached_max: usize,
    /// Latest answers that the writer remembers, so that a new key costs it no look into the database.
    pub answers_remembered_max: usize,

    /// Orders and messages not folded yet, beyond which new commits are refused as busy.
    pub tail_orders_max: usize,
    pub tail_bytes_max: u64,
    /// Messages that the slowest consumer has not settled, beyond which new commits are refused as busy.
    pub unread_messages_max: usize,
    pub unread_bytes_max: u64,

    /// Records folded in one transaction.
    pub fold_records_max: usize,
    /// Records folded in one transaction while callers wait for each other and the tail is below half its bound.
    pub fold_records_yielding_max: usize,
    /// Pause between two such transactions, and before the next one once everything is folded.
    pub fold_pause_max_ms: u64,
    /// Journal kept behind its end for followers that start late or let callers go first; whoever needs more rebuilds from the database.
    pub feed_kept_bytes: u64,
    /// How long a stored answer is kept.
    pub answer_kept_ms: i64,
    /// How much older an answer gets from one stored answer to the next, at most. A clock that leaps ahead costs kept
    /// answers no more than this of their age.
    pub answer_gap_max_ms: i64,
    /// Answers forgotten in one folding transaction, at most.
    pub answers_forgotten_max: usize,

    /// Idle read connections kept open.
    pub read_connections_kept_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            journal: doos_journal::Options::default(),
            accept_loss: false,
            queue_len_max: 4_096,
            group_len_max: 1_024,
            group_bytes_max: 1 << 20,
            orders_cached_max: 65_536,
            changes_cached_max: 16_384,
            messages_cached_max: 65_536,
            answers_remembered_max: 65_536,
            tail_orders_max: 1_000_000,
            tail_bytes_max: 1 << 30,
            unread_messages_max: 1_000_000,
            unread_bytes_max: 4 << 30,
            fold_records_max: 4_096,
            fold_records_yielding_max: 256,
            fold_pause_max_ms: 50,
            feed_kept_bytes: 256 << 20,
            answer_kept_ms: 7 * 24 * 60 * 60 * 1_000,
            answer_gap_max_ms: 60 * 60 * 1_000,
            answers_forgotten_max: 1_000,
            read_connections_kept_max: 8,
        }
    }
}
