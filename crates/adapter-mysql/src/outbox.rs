//! Messages committed in any of the databases and not yet known to have arrived.
//!
//! What holds: whoever commits a message in this process hands it over, so that it is published at once; the tables are
//! polled only for what a crash, or another process, left. A message goes `ready → published → consumed`; one that is
//! published and not consumed in time is published again, ever more rarely. A database that is away keeps nobody else's
//! messages.
//!
//! That a message is published is written down a moment late, and for many at once: by then most have been consumed, and
//! such a row is looked at and left as it is. Until it is written the message counts as published here; a crash in between
//! publishes it again.
//!
//! What must never happen: a message forgotten because the memory was full. The memory only saves the wait for the poll.

use async_trait::async_trait;
use doos_domain::ids::MessageId;
use doos_domain::message::Message;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::order_store::MessageState;
use doos_ports::outbox::Outbox;
use futures::future::join_all;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::router::Router;
use crate::rows::parse;

const ENGINE: &str = "the outbox";
/// A table is asked at most so often when it had nothing.
const POLL_EVERY_MS: i64 = 1_000;
/// Doubled so often at most, one that cannot be asked: each question may cost everybody the wait for a server that hangs.
const POLL_DOUBLED_MAX: u32 = 3;
const DAY_MS: i64 = 86_400_000;
const ROWS_FORGOTTEN_AT_ONCE: usize = 1_000;
const ROWS_MARKED_AT_ONCE: usize = 1_000;
/// So many are marked even if their time has not come.
const UNMARKED_MAX: usize = 20_000;

/// Which of the databases; shards come first, by number.
pub(crate) type Source = usize;

pub(crate) struct Sources {
    pub shards: Vec<Arc<Database>>,
    pub inventory: Arc<Database>,
    pub payment: Arc<Database>,
    pub shipping: Arc<Database>,
}

impl Sources {
    pub fn all(&self) -> Vec<&Arc<Database>> {
        self.shards.iter().chain([&self.inventory, &self.payment, &self.shipping]).collect()
    }

    pub fn inventory(&self) -> Source {
        self.shards.len()
    }

    pub fn payment(&self) -> Source {
        self.shards.len() + 1
    }

    pub fn shipping(&self) -> Source {
        self.shards.len() + 2
    }
}

pub struct MySqlOutbox {
    sources: Sources,
    pub(crate) router: Arc<Router>,
    handed: Mutex<Handed>,
    arrived: Notify,
    limits: Limits,
    /// When the map of buckets was last looked at for a message that was not there.
    pub(crate) looked_at: Mutex<Option<Duration>>,
    /// Messages of each shard that were not consumed at the last look, and no more than one above the bound.
    backlogs: Vec<AtomicU64>,
}

/// As the options say them.
pub(crate) struct Limits {
    pub handed_over_max: usize,
    pub republish_after_ms: i64,
    pub mark_after_ms: i64,
    pub open_messages_max: u64,
}

/// Messages known to be open, in the order in which they came.
#[derive(Default)]
struct Handed {
    open: BTreeMap<u64, (Source, Message)>,
    numbers: HashMap<MessageId, u64>,
    last_number: u64,
    /// Published, and not marked in their databases yet. No poll brings them back meanwhile.
    unmarked: HashMap<MessageId, Unmarked>,
    /// When the first of them was published.
    unmarked_since: Option<Timestamp>,
    /// Of each source.
    polls: Vec<Poll>,
}

/// When a database is asked next.
#[derive(Clone, Copy, Default)]
struct Poll {
    next_at: Timestamp,
    /// How often it could not be asked since it last could.
    failed: u32,
}

impl Poll {
    fn pause_ms(self) -> i64 {
        POLL_EVERY_MS << self.failed.saturating_sub(1).min(POLL_DOUBLED_MAX)
    }

    fn is_due(self, now: Timestamp) -> bool {
        // A clock that was set back must not stop the polling.
        now >= self.next_at || self.next_at > now.plus_millis(self.pause_ms())
    }

    /// Told once when it begins and once when it is over: a database may be away all night.
    fn answered(&mut self, database: &Database, now: Timestamp, answer: Result<bool, &Fault>) {
        match answer {
            Ok(may_have_more) => {
                if self.failed > 0 {
                    tracing::info!(database = %database.name, tries = self.failed, "open messages can be read again");
                }
                self.failed = 0;
                self.next_at = if may_have_more { now } else { now.plus_millis(self.pause_ms()) };
            }
            Err(fault) => {
                if self.failed == 0 {
                    tracing::warn!(
                        database = %database.name, cause = %fault, "open messages cannot be read; it is tried again"
                    );
                }
                self.failed = self.failed.saturating_add(1);
                self.next_at = now.plus_millis(self.pause_ms());
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Unmarked {
    /// Unknown for a message that was not handed out here.
    source: Option<Source>,
    at: Timestamp,
}

impl Handed {
    fn add(&mut self, source: Source, message: Message, most: usize) {
        let is_known = self.numbers.contains_key(&message.id) || self.unmarked.contains_key(&message.id);
        if self.open.len() >= most || is_known {
            return;
        }
        self.last_number += 1;
        self.numbers.insert(message.id.clone(), self.last_number);
        self.open.insert(self.last_number, (source, message));
    }

    fn take(&mut self, id: &MessageId) -> Option<Source> {
        let number = self.numbers.remove(id)?;
        self.open.remove(&number).map(|(source, _)| source)
    }

    fn published(&mut self, ids: Vec<MessageId>, at: Timestamp) {
        for id in ids {
            let source = self.take(&id);
            self.unmarked.insert(id, Unmarked { source, at });
            self.unmarked_since.get_or_insert(at);
        }
    }

    /// What is to be marked now, if it is time.
    fn take_unmarked(&mut self, now: Timestamp, after_ms: i64) -> HashMap<MessageId, Unmarked> {
        let is_due = |since: Timestamp| {
            let age_ms = now.millis_since(since);
            // A clock that was set back must not stop the marking.
            age_ms >= after_ms || age_ms < 0
        };
        if self.unmarked.len() < UNMARKED_MAX && !self.unmarked_since.is_some_and(is_due) {
            return HashMap::new();
        }
        self.unmarked_since = None;
        std::mem::take(&mut self.unmarked)
    }

    fn first(&self, limit: usize) -> Vec<Message> {
        self.open.values().take(limit).map(|(_, message)| message.clone()).collect()
    }

    fn due(&self, now: Timestamp) -> Vec<Source> {
        (0..self.polls.len()).filter(|source| self.polls[*source].is_due(now)).collect()
    }
}

impl MySqlOutbox {
    pub(crate) fn new(sources: Sources, router: Arc<Router>, limits: Limits) -> Self {
        let polls = vec![Poll::default(); sources.all().len()];
        let (handed, arrived) = (Mutex::new(Handed { polls, ..Handed::default() }), Notify::new());
        let backlogs = sources.shards.iter().map(|_| AtomicU64::new(0)).collect();
        Self { sources, router, handed, arrived, limits, looked_at: Mutex::default(), backlogs }
    }

    /// Whether a shard has as many messages undone as it may have.
    pub(crate) fn is_full(&self, shard: usize) -> bool {
        self.backlogs.get(shard).is_some_and(|open| open.load(Ordering::Relaxed) >= self.limits.open_messages_max)
    }

    /// Counts what every shard has undone, up to the bound. A shard that is away keeps its last number.
    pub async fn count_backlogs(&self) -> Vec<u64> {
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM t_local_message FORCE INDEX (idx_status_next_retry) \
             WHERE status IN (0, {PUBLISHED}) LIMIT {}) AS open",
            self.limits.open_messages_max
        );
        let counts = self.sources.shards.iter().zip(&self.backlogs).map(async |(shard, backlog)| {
            match shard.read_text::<(u64,)>("t_local_message", &sql).await {
                Ok(rows) => backlog.store(rows.first().map_or(0, |(count,)| *count), Ordering::Relaxed),
                Err(fault) => tracing::debug!(shard = %shard.name, cause = %fault, "open messages cannot be counted"),
            }
            backlog.load(Ordering::Relaxed)
        });
        join_all(counts).await
    }

    pub(crate) const fn sources(&self) -> &Sources {
        &self.sources
    }

    fn handed(&self) -> std::sync::MutexGuard<'_, Handed> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has just been committed.
    pub(crate) fn hand_over(&self, source: Source, messages: impl IntoIterator<Item = Message>) {
        let mut any = false;
        {
            let mut handed = self.handed();
            // What has just committed can be asked.
            let poll = &mut handed.polls[source];
            if poll.failed > 0 {
                poll.next_at = Timestamp::default();
            }
            for message in messages {
                // Committed anew, so what was published before does not count for it.
                handed.unmarked.remove(&message.id);
                handed.add(source, message, self.limits.handed_over_max);
                any = true;
            }
        }
        if any {
            self.arrived.notify_one();
        }
    }

    /// Asks these databases for what is due. An error if none of them can be asked.
    async fn poll(&self, now: Timestamp, limit: usize, sources: &[Source]) -> Result<()> {
        let databases = self.sources.all();
        let answers = join_all(sources.iter().map(|source| due(databases[*source], now, limit))).await;
        let mut found: Vec<(i64, Source, Message)> = Vec::new();
        let mut away = Vec::new();
        let mut handed = self.handed();
        for (source, answer) in sources.iter().copied().zip(answers) {
            let told = answer.as_ref().map(|due| due.len() >= limit);
            handed.polls[source].answered(databases[source], now, told);
            match answer {
                Ok(due) => found.extend(due.into_iter().map(|(at, message)| (at, source, message))),
                Err(fault) => away.push(fault),
            }
        }
        if away.len() == sources.len()
            && let Some(fault) = away.pop()
        {
            return Err(fault.undone(ENGINE));
        }
        found.sort_by_key(|(at, source, _)| (*at, *source));
        for (_, source, message) in found {
            handed.add(source, message, self.limits.handed_over_max);
        }
        Ok(())
    }

    /// Writes down what was published, if it is time. What cannot be written is published again, and marked then.
    async fn mark(&self, now: Timestamp) -> Result<()> {
        let unmarked = self.handed().take_unmarked(now, self.limits.mark_after_ms);
        let mut by_source: BTreeMap<Source, Vec<(MessageId, Timestamp)>> = BTreeMap::new();
        for (id, Unmarked { source, at }) in unmarked {
            match source {
                Some(source) => by_source.entry(source).or_default().push((id, at)),
                None => (0..self.sources.shards.len() + 3)
                    .for_each(|source| by_source.entry(source).or_default().push((id.clone(), at))),
            }
        }
        let writes = by_source.iter().flat_map(|(source, ids)| {
            ids.chunks(ROWS_MARKED_AT_ONCE).map(|ids| self.mark_in(self.sources.all()[*source], ids))
        });
        let lost = join_all(writes).await.into_iter().find_map(std::result::Result::err);
        lost.map_or(Ok(()), |fault| Err(fault.unknown(ENGINE)))
    }

    async fn mark_in(
        &self,
        database: &Arc<Database>,
        ids: &[(MessageId, Timestamp)],
    ) -> std::result::Result<u64, Fault> {
        // All of them count from the last one's publishing, which is at most a moment later than their own.
        let at = ids.iter().map(|(_, at)| *at).max().unwrap_or_default();
        let sql = format!(
            "UPDATE t_local_message SET status = {PUBLISHED}, next_retry = {} + {} * (1 << LEAST(retry_count, 7)), \
             retry_count = retry_count + 1 WHERE message_id IN ({}) AND status IN (0, 1)",
            at.as_millis(),
            self.limits.republish_after_ms,
            list(ids.iter().map(|(id, _)| id.as_str()))
        );
        database.write_text(&sql).await
    }

    /// Removes what was consumed more than a day ago, in steps. Returns how many rows went.
    pub async fn forget_consumed(&self, now: Timestamp) -> Result<u64> {
        let mut gone = 0;
        for database in self.sources.all() {
            let before = now.plus_millis(-DAY_MS).as_millis();
            let sql = format!(
                "DELETE FROM t_local_message WHERE status = {CONSUMED} AND next_retry < {before} LIMIT {ROWS_FORGOTTEN_AT_ONCE}"
            );
            loop {
                let step = database.write_text(&sql).await.map_err(|fault| fault.undone(ENGINE))?;
                gone += step;
                if step < ROWS_FORGOTTEN_AT_ONCE as u64 {
                    break;
                }
            }
        }
        Ok(gone)
    }
}

pub(crate) const PUBLISHED: u8 = 1;
pub(crate) const CONSUMED: u8 = 2;
pub(crate) const FAILED: u8 = 3;

pub(crate) fn state_of(status: u8) -> MessageState {
    match status {
        0 => MessageState::Ready,
        PUBLISHED => MessageState::Published,
        CONSUMED => MessageState::Consumed,
        _ => MessageState::Failed,
    }
}

async fn due(
    database: &Arc<Database>,
    now: Timestamp,
    limit: usize,
) -> std::result::Result<Vec<(i64, Message)>, Fault> {
    let mut due = Vec::new();
    // One state after the other, so that each is a walk along the index and nothing is sorted.
    for status in [0, PUBLISHED] {
        let sql = format!(
            "SELECT next_retry, payload FROM t_local_message FORCE INDEX (idx_status_next_retry) \
             WHERE status = {status} AND next_retry <= {} ORDER BY next_retry, id LIMIT {limit}",
            now.as_millis()
        );
        let rows: Vec<(i64, Vec<u8>)> = database.read_text("t_local_message", &sql).await?;
        for (at, payload) in rows {
            due.push((at, parse("t_local_message", &payload)?));
        }
    }
    Ok(due)
}

#[async_trait]
impl Outbox for MySqlOutbox {
    async fn open(&self, now: Timestamp, limit: usize) -> Result<Vec<Message>> {
        // Of a database that is away, the messages are published again; the others' go on.
        if let Err(error) = self.mark(now).await {
            tracing::debug!(%error, "what was published could not be marked");
        }
        let (in_hand, due) = {
            let handed = self.handed();
            (handed.first(limit), handed.due(now))
        };
        if due.is_empty() || in_hand.len() >= limit {
            return Ok(in_hand);
        }
        match self.poll(now, limit, &due).await {
            // What is in hand needs nobody's answer.
            Err(_) if !in_hand.is_empty() => Ok(in_hand),
            polled => polled.map(|()| self.handed().first(limit)),
        }
    }

    async fn mark_published(&self, ids: Vec<MessageId>, now: Timestamp) -> Result<()> {
        self.handed().published(ids, now);
        self.mark(now).await
    }

    async fn ready(&self) {
        if self.handed().open.is_empty() {
            self.arrived.notified().await;
        }
    }
}
