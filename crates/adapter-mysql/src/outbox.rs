//! Messages committed in any of the databases and not yet known to have arrived.
//!
//! What holds: whoever commits a message in this process hands it over, so that it is published at once; the tables are
//! polled only for what a crash, or another process, left. A message goes `ready → published → consumed`; one that is
//! published and not consumed in time is published again, ever more rarely. A database that is away keeps nobody else's
//! messages.
//!
//! What must never happen: a message forgotten because the memory was full. The memory only saves the wait for the poll.

use async_trait::async_trait;
use doos_domain::ids::MessageId;
use doos_domain::message::Message;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::order_store::MessageState;
use doos_ports::outbox::Outbox;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::router::Router;
use crate::rows::parse;

const ENGINE: &str = "the outbox";
/// The tables are asked at most so often when they had nothing.
const POLL_EVERY_MS: i64 = 1_000;
const DAY_MS: i64 = 86_400_000;
const ROWS_FORGOTTEN_AT_ONCE: usize = 1_000;

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
    handed_over_max: usize,
    republish_after_ms: i64,
    /// When the map of buckets was last looked at for a message that was not there.
    pub(crate) looked_at: Mutex<Option<Duration>>,
}

/// Messages known to be open, in the order in which they came.
#[derive(Default)]
struct Handed {
    open: BTreeMap<u64, (Source, Message)>,
    numbers: HashMap<MessageId, u64>,
    last_number: u64,
    next_poll_at: Timestamp,
}

impl Handed {
    fn add(&mut self, source: Source, message: Message, most: usize) {
        if self.open.len() >= most || self.numbers.contains_key(&message.id) {
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

    fn first(&self, limit: usize) -> Vec<Message> {
        self.open.values().take(limit).map(|(_, message)| message.clone()).collect()
    }

    fn may_poll(&mut self, now: Timestamp) -> bool {
        // A clock that was set back must not stop the polling.
        now >= self.next_poll_at || self.next_poll_at > now.plus_millis(POLL_EVERY_MS)
    }
}

impl MySqlOutbox {
    pub(crate) fn new(sources: Sources, router: Arc<Router>, handed_over_max: usize, republish_after_ms: i64) -> Self {
        let (handed, arrived) = (Mutex::default(), Notify::new());
        Self { sources, router, handed, arrived, handed_over_max, republish_after_ms, looked_at: Mutex::default() }
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
            for message in messages {
                handed.add(source, message, self.handed_over_max);
                any = true;
            }
        }
        if any {
            self.arrived.notify_one();
        }
    }

    /// Asks every database for what is due. Returns whether there may be more.
    async fn poll(&self, now: Timestamp, limit: usize) -> Result<bool> {
        let mut found: Vec<(i64, Source, Message)> = Vec::new();
        let (mut more, mut away) = (false, None);
        for (source, database) in self.sources.all().into_iter().enumerate() {
            match due(database, now, limit).await {
                Ok(due) => {
                    more |= due.len() >= limit;
                    found.extend(due.into_iter().map(|(at, message)| (at, source, message)));
                }
                Err(fault) => {
                    tracing::warn!(database = %database.name, cause = %fault, "open messages cannot be read");
                    away = Some(fault);
                }
            }
        }
        if let (Some(fault), true) = (away, found.is_empty()) {
            return Err(fault.undone(ENGINE));
        }
        found.sort_by_key(|(at, source, _)| (*at, *source));
        let mut handed = self.handed();
        for (_, source, message) in found {
            handed.add(source, message, self.handed_over_max);
        }
        Ok(more)
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
        let (mut first, may_poll) = {
            let mut handed = self.handed();
            (handed.first(limit), handed.may_poll(now))
        };
        if may_poll && first.len() < limit {
            let more = self.poll(now, limit).await?;
            let mut handed = self.handed();
            handed.next_poll_at = if more { now } else { now.plus_millis(POLL_EVERY_MS) };
            first = handed.first(limit);
        }
        Ok(first)
    }

    async fn mark_published(&self, ids: Vec<MessageId>, now: Timestamp) -> Result<()> {
        let mut by_source: BTreeMap<Source, Vec<MessageId>> = BTreeMap::new();
        {
            let mut handed = self.handed();
            for id in ids {
                match handed.take(&id) {
                    Some(source) => by_source.entry(source).or_default().push(id),
                    None => (0..self.sources.shards.len() + 3)
                        .for_each(|source| by_source.entry(source).or_default().push(id.clone())),
                }
            }
        }
        let mut lost = None;
        for (source, ids) in by_source {
            let sql = format!(
                "UPDATE t_local_message SET status = {PUBLISHED}, next_retry = {} + {} * (1 << LEAST(retry_count, 7)), \
                 retry_count = retry_count + 1 WHERE message_id IN ({}) AND status IN (0, 1)",
                now.as_millis(),
                self.republish_after_ms,
                list(ids.iter().map(MessageId::as_str))
            );
            if let Err(fault) = self.sources.all()[source].write_text(&sql).await {
                lost = Some(fault);
            }
        }
        lost.map_or(Ok(()), |fault| Err(fault.unknown(ENGINE)))
    }

    async fn ready(&self) {
        if self.handed().open.is_empty() {
            self.arrived.notified().await;
        }
    }
}
