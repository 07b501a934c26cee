//! A bus and a change feed in memory, for cases whose subject is the SQL engines behind them.

use doos_adapter_mysql::{MySqlInbox, MySqlOrderStore};
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::OrderId;
use doos_domain::message::{Consumer, Message};
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::bus::{Delivery, EventBus, Position, Subscription};
use doos_ports::change_feed::{ChangeFeed, Changed};
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError, MessageState, OrderStore, Page, Query, Voided};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// One log a consumer; a subscription starts behind the position that the database has.
pub struct LogBus {
    logs: Arc<Mutex<BTreeMap<Consumer, Vec<Message>>>>,
    inbox: Arc<MySqlInbox>,
}

struct Reader {
    logs: Arc<Mutex<BTreeMap<Consumer, Vec<Message>>>>,
    inbox: Arc<MySqlInbox>,
    consumer: Consumer,
    cursor: Position,
}

impl LogBus {
    pub fn new(inbox: Arc<MySqlInbox>) -> Self {
        Self { logs: Arc::default(), inbox }
    }
}

#[async_trait::async_trait]
impl EventBus for LogBus {
    async fn subscribe(&self, consumer: Consumer) -> Result<Box<dyn Subscription>> {
        let cursor = self.inbox.position(consumer).await?;
        let (logs, inbox) = (Arc::clone(&self.logs), Arc::clone(&self.inbox));
        Ok(Box::new(Reader { logs, inbox, consumer, cursor }))
    }

    async fn publish(&self, messages: Vec<Message>) -> Result<()> {
        let mut logs = self.logs.lock().unwrap();
        for message in messages {
            logs.entry(message.to).or_default().push(message);
        }
        Ok(())
    }

    async fn lag(&self, consumer: Consumer) -> Result<u64> {
        let read = self.inbox.position(consumer).await?;
        Ok(self.logs.lock().unwrap().get(&consumer).map_or(0, |log| log.len() as u64).saturating_sub(read.0))
    }
}

#[async_trait::async_trait]
impl Subscription for Reader {
    async fn poll(&mut self, limit: usize) -> Result<Vec<Delivery>> {
        let logs = self.logs.lock().unwrap();
        let log = logs.get(&self.consumer).map_or(&[][..], Vec::as_slice);
        let unread = log.iter().zip(1..).skip(self.cursor.0 as usize).take(limit);
        let deliveries: Vec<_> =
            unread.map(|(message, at)| Delivery { position: Position(at), message: message.clone() }).collect();
        self.cursor = deliveries.last().map_or(self.cursor, |last| last.position);
        Ok(deliveries)
    }

    async fn ready(&mut self) {
        tokio::task::yield_now().await;
    }

    async fn rewind(&mut self) -> Result<()> {
        self.cursor = self.inbox.position(self.consumer).await?;
        Ok(())
    }

    async fn acknowledge(&mut self, _position: Position) -> Result<()> {
        Ok(())
    }
}

/// The order store, with every change it took written down: what a feed from the binlog would say.
pub struct Recorded {
    store: Arc<MySqlOrderStore>,
    changed: Mutex<Vec<Arc<Order>>>,
}

impl Recorded {
    pub fn new(store: Arc<MySqlOrderStore>) -> Arc<Self> {
        Arc::new(Self { store, changed: Mutex::default() })
    }
}

#[async_trait::async_trait]
impl OrderStore for Recorded {
    async fn commit(&self, group: Vec<Change>) -> Vec<Result<(), CommitError>> {
        let orders: Vec<_> = group.iter().map(|change| Arc::clone(&change.order)).collect();
        let results = self.store.commit(group).await;
        let taken = orders.into_iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(order, _)| order);
        self.changed.lock().unwrap().extend(taken);
        results
    }

    async fn consume(&self, group: Vec<Change>, progress: Progress) -> Result<(), CommitError> {
        let orders: Vec<_> = group.iter().map(|change| Arc::clone(&change.order)).collect();
        self.store.consume(group, progress).await?;
        self.changed.lock().unwrap().extend(orders);
        Ok(())
    }

    async fn void(&self, id: OrderId) -> Result<Voided> {
        self.store.void(id).await
    }

    async fn load(&self, id: OrderId) -> Result<Option<Arc<Order>>> {
        self.store.load(id).await
    }

    async fn find_answer(&self, key: &AnswerKey) -> Result<Option<Answer>> {
        self.store.find_answer(key).await
    }

    async fn remember(&self, answer: Answer) -> Result<Answer> {
        self.store.remember(answer).await
    }

    async fn list(&self, query: Query) -> Result<Page> {
        self.store.list(query).await
    }

    async fn oldest(
        &self,
        statuses: &[Status],
        created_before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>> {
        self.store.oldest(statuses, created_before, after, limit).await
    }

    async fn messages(&self, id: OrderId) -> Result<Vec<(Message, MessageState)>> {
        self.store.messages(id).await
    }

    async fn undecided(&self) -> Result<Vec<Arc<Order>>> {
        self.store.undecided().await
    }

    fn shard_of(&self, id: OrderId) -> usize {
        self.store.shard_of(id)
    }

    fn shard_count(&self) -> usize {
        self.store.shard_count()
    }
}

#[async_trait::async_trait]
impl ChangeFeed for Recorded {
    async fn end(&self) -> Result<Position> {
        Ok(Position(self.changed.lock().unwrap().len() as u64))
    }

    async fn oldest(&self) -> Result<Position> {
        Ok(Position(0))
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Changed>> {
        let changed = self.changed.lock().unwrap();
        let unread = changed.iter().zip(1..).skip(after.0 as usize).take(limit);
        Ok(unread.map(|(order, at)| Changed { position: Position(at), order: Arc::clone(order) }).collect())
    }

    async fn ready(&self, _after: Position) {}
}
