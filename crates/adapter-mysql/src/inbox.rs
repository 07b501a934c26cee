//! Each consumer's memory, in the database of its effects; the order context's is spread over the shards by order.
//!
//! The position of the order context is the highest that any shard has: a unit stores it with the last shard it writes
//! to, so one shard that is away does not keep the others from moving on.

use async_trait::async_trait;
use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::{Consumer, Message};
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::bus::Position;
use doos_ports::inbox::{Backlog, DeadLetter, Inbox, Progress, Waiting};
use doos_ports::order_store::{CommitError, OrderStore};
use futures::future::try_join_all;
use mysql_async::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::mailbox;
use crate::orders::MySqlOrderStore;
use crate::outbox::{MySqlOutbox, Source};
use crate::rows::parse;
use crate::script::Script;

const ENGINE: &str = "the inbox";

/// Of messages of one order with one number of arrival, the one with the smaller id comes first.
const IS_FIRST_OF_ITS_ORDER: &str = "NOT EXISTS (SELECT 1 FROM t_waiting e WHERE e.consumer = w.consumer \
     AND e.order_id = w.order_id \
     AND (e.arrival < w.arrival OR (e.arrival = w.arrival AND e.message_id < w.message_id)))";
const WAITING_COLUMNS: &str = "w.payload, w.arrival, w.tries, w.next_at, w.cause";
const LETTER_COLUMNS: &str = "consumer, payload, arrival, tries, cause, parked_at";

type WaitingRow = (Vec<u8>, u64, u32, i64, String);
type LetterRow = (String, Vec<u8>, u64, u32, String, i64);

pub struct MySqlInbox {
    outbox: Arc<MySqlOutbox>,
    orders: Arc<MySqlOrderStore>,
    poll_after_ms: i64,
}

impl MySqlInbox {
    pub(crate) const fn new(outbox: Arc<MySqlOutbox>, orders: Arc<MySqlOrderStore>, poll_after_ms: i64) -> Self {
        Self { outbox, orders, poll_after_ms }
    }

    /// Where the bus has been read up to; a subscription starts behind it. A shard that is away is left out, so some may
    /// come again.
    pub async fn position(&self, consumer: Consumer) -> Result<Position> {
        let sql = "SELECT bus_position FROM t_progress WHERE consumer = ?";
        let (mut highest, mut lost, mut asked) = (Position(0), None, 0);
        for database in self.homes(consumer) {
            match database.read::<(u64,)>("t_progress", sql, vec![consumer.name().into()]).await {
                Ok(rows) => {
                    asked += 1;
                    highest = rows.first().map_or(highest, |(position,)| highest.max(Position(*position)));
                }
                Err(fault) => lost = Some(fault),
            }
        }
        match lost {
            Some(fault) if asked == 0 => Err(fault.undone(ENGINE)),
            _ => Ok(highest),
        }
    }

    fn homes(&self, consumer: Consumer) -> Vec<&Arc<Database>> {
        let sources = self.outbox.sources();
        match consumer {
            Consumer::Order => sources.shards.iter().collect(),
            Consumer::Inventory => vec![&sources.inventory],
            Consumer::Payment => vec![&sources.payment],
            Consumer::Shipping => vec![&sources.shipping],
        }
    }

    fn all_homes(&self) -> Vec<&Arc<Database>> {
        Consumer::ALL.into_iter().flat_map(|consumer| self.homes(consumer)).collect()
    }

    /// The same question to several databases at once.
    async fn ask<T: mysql_async::prelude::FromRow + Send + 'static>(
        &self,
        homes: Vec<&Arc<Database>>,
        what: &str,
        sql: &str,
        params: Vec<Value>,
    ) -> Result<Vec<T>> {
        let asked = homes.into_iter().map(|database| database.read(what, sql, params.clone()));
        let rows: Vec<Vec<T>> = try_join_all(asked).await.map_err(|fault| fault.undone(ENGINE))?;
        Ok(rows.into_iter().flatten().collect())
    }

    async fn waiting(&self, consumer: Consumer, condition: &str, mut params: Vec<Value>) -> Result<Vec<Waiting>> {
        let sql = format!("SELECT {WAITING_COLUMNS} FROM t_waiting w WHERE w.consumer = ? AND {condition}");
        params.insert(0, consumer.name().into());
        let rows = self.ask(self.homes(consumer), "t_waiting", &sql, params).await?;
        rows.into_iter().map(|row| waiting_of(row).map_err(|fault| fault.undone(ENGINE))).collect()
    }

    async fn letters(&self, condition: &str, params: Vec<Value>) -> Result<Vec<DeadLetter>> {
        let sql = format!("SELECT {LETTER_COLUMNS} FROM t_dead_letter WHERE {condition}");
        let rows: Vec<LetterRow> = self.ask(self.all_homes(), "t_dead_letter", &sql, params).await?;
        let mut letters = Vec::with_capacity(rows.len());
        for row in rows {
            letters.push(letter_of(row).map_err(|fault| fault.undone(ENGINE))?);
        }
        letters.sort_by(|one, other| sort_key(one).cmp(&sort_key(other)));
        Ok(letters)
    }

    async fn store_at(&self, source: Source, database: &Arc<Database>, progress: &Progress) -> Result<()> {
        let mut session = database.begin().await.map_err(|fault| fault.undone(ENGINE))?;
        let mut script = Script::default();
        mailbox::settle(&mut script, progress, database.clock.now().plus_millis(self.poll_after_ms));
        session.run_to_commit(script).await.map_err(|fault| fault.unknown(ENGINE))?;
        drop(session);
        self.outbox.hand_over(source, progress.outgoing.iter().cloned());
        self.outbox.tell_senders(progress).await;
        Ok(())
    }
}

fn sort_key(letter: &DeadLetter) -> (Timestamp, u64, &MessageId) {
    (letter.parked_at, letter.sequence, &letter.message.id)
}

fn waiting_of((payload, sequence, tries, next_at, cause): WaitingRow) -> Result<Waiting, Fault> {
    let message: Message = parse("t_waiting", &payload)?;
    Ok(Waiting { message, sequence, tries, next_at: Timestamp::from_millis(next_at), cause })
}

fn letter_of((consumer, payload, sequence, tries, cause, parked_at): LetterRow) -> Result<DeadLetter, Fault> {
    let consumer = Consumer::from_name(&consumer)
        .ok_or_else(|| Fault::row("t_dead_letter", format!("`{consumer}` is no consumer")))?;
    let message: Message = parse("t_dead_letter", &payload)?;
    Ok(DeadLetter { consumer, message, sequence, tries, cause, parked_at: Timestamp::from_millis(parked_at) })
}

#[async_trait]
impl Inbox for MySqlInbox {
    async fn due(&self, consumer: Consumer, now: Timestamp, limit: usize) -> Result<Vec<Waiting>> {
        let condition =
            format!("w.next_at <= ? AND {IS_FIRST_OF_ITS_ORDER} ORDER BY w.next_at, w.arrival LIMIT {limit}");
        let mut due = self.waiting(consumer, &condition, vec![now.as_millis().into()]).await?;
        due.sort_by_key(|waiting| (waiting.next_at, waiting.sequence));
        due.truncate(limit);
        Ok(due)
    }

    async fn next_due(&self, consumer: Consumer) -> Result<Option<Timestamp>> {
        let sql = format!(
            "SELECT w.next_at FROM t_waiting w WHERE w.consumer = ? AND {IS_FIRST_OF_ITS_ORDER} ORDER BY w.next_at LIMIT 1"
        );
        let rows: Vec<(i64,)> = self.ask(self.homes(consumer), "t_waiting", &sql, vec![consumer.name().into()]).await?;
        Ok(rows.into_iter().map(|(at,)| Timestamp::from_millis(at)).min())
    }

    async fn backlog(&self, consumer: Consumer, order: OrderId) -> Result<Backlog> {
        Ok(self.backlogs(consumer, &[order]).await?.remove(&order).unwrap_or_default())
    }

    /// One statement a database, however many orders.
    async fn backlogs(&self, consumer: Consumer, orders: &[OrderId]) -> Result<BTreeMap<OrderId, Backlog>> {
        let ids = list(orders.iter().map(|order| order.get()));
        let count = |table: &str, parked: u8| {
            format!(
                "SELECT order_id, {parked}, COUNT(*) FROM {table} \
                 WHERE consumer = '{consumer}' AND order_id IN ({ids}) GROUP BY order_id"
            )
        };
        let sql = format!("{} UNION ALL {}", count("t_waiting", 0), count("t_dead_letter", 1));
        let asked = self.homes(consumer).into_iter().map(|database| database.read_text("t_waiting", &sql));
        let counts: Vec<Vec<(u64, u8, u64)>> = try_join_all(asked).await.map_err(|fault| fault.undone(ENGINE))?;
        let mut backlogs: BTreeMap<OrderId, Backlog> = BTreeMap::new();
        for (order, parked, count) in counts.into_iter().flatten() {
            let Some(order) = OrderId::new(order) else { continue };
            let backlog = backlogs.entry(order).or_default();
            *(if parked == 0 { &mut backlog.waiting } else { &mut backlog.parked }) += count as usize;
        }
        Ok(backlogs)
    }

    async fn waiting_of(&self, consumer: Consumer, order: OrderId) -> Result<Vec<Waiting>> {
        self.waiting(consumer, "w.order_id = ? ORDER BY w.arrival, w.message_id", vec![order.get().into()]).await
    }

    async fn waiting_count(&self, consumer: Consumer) -> Result<usize> {
        let sql = "SELECT COUNT(*) FROM t_waiting WHERE consumer = ?";
        let counts: Vec<(u64,)> =
            self.ask(self.homes(consumer), "t_waiting", sql, vec![consumer.name().into()]).await?;
        Ok(counts.into_iter().map(|(count,)| count as usize).sum())
    }

    async fn dead_letters(&self, after: Option<MessageId>, limit: usize) -> Result<Vec<DeadLetter>> {
        let after = match after {
            Some(id) => self.dead_letter(&id).await?,
            None => None,
        };
        let order = format!("ORDER BY parked_at, arrival, message_id LIMIT {limit}");
        let mut letters = match after {
            None => self.letters(&format!("TRUE {order}"), Vec::new()).await?,
            Some(after) => {
                let params =
                    vec![after.parked_at.as_millis().into(), after.sequence.into(), after.message.id.as_str().into()];
                self.letters(&format!("(parked_at, arrival, message_id) > (?, ?, ?) {order}"), params).await?
            }
        };
        letters.truncate(limit);
        Ok(letters)
    }

    async fn dead_letter(&self, id: &MessageId) -> Result<Option<DeadLetter>> {
        Ok(self.letters("message_id = ?", vec![id.as_str().into()]).await?.into_iter().next())
    }

    async fn dead_letter_count(&self) -> Result<usize> {
        let counts: Vec<(u64,)> =
            self.ask(self.all_homes(), "t_dead_letter", "SELECT COUNT(*) FROM t_dead_letter", Vec::new()).await?;
        Ok(counts.into_iter().map(|(count,)| count as usize).sum())
    }

    async fn store(&self, progress: Progress) -> Result<()> {
        let sources = self.outbox.sources();
        match progress.consumer {
            Consumer::Order => match self.orders.consume(Vec::new(), progress).await {
                Ok(()) => Ok(()),
                Err(CommitError::Engine(error)) => Err(error),
                Err(other) => Err(doos_ports::Error::Broken { engine: ENGINE, cause: other.to_string() }),
            },
            Consumer::Inventory => self.store_at(sources.inventory(), &sources.inventory, &progress).await,
            Consumer::Payment => self.store_at(sources.payment(), &sources.payment, &progress).await,
            Consumer::Shipping => self.store_at(sources.shipping(), &sources.shipping, &progress).await,
        }
    }
}
