//! The order store with a cache in front of its reads. Everything else goes through as it is.

use async_trait::async_trait;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::OrderId;
use doos_domain::message::Message;
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::cache::SharedCache;
use doos_ports::clock::Clock;
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError, MessageState, OrderStore, Page, Query, Voided};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::memory::{Entry, Memory};
use crate::options::Options;
use crate::shared::{Second, Sight};

/// How reads were answered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub reads: u64,
    /// Those answered from this process's memory.
    pub memory: u64,
    /// Those answered from the cache that all processes share.
    pub shared: u64,
    /// Orders in memory.
    pub kept: u64,
    /// Whether the change feed is followed; if not, everything is read from the store.
    pub is_followed: bool,
}

#[derive(Default)]
struct Tallies {
    reads: AtomicU64,
    memory: AtomicU64,
    shared: AtomicU64,
}

pub struct CachedOrders {
    pub(crate) store: Arc<dyn OrderStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) memory: Memory,
    pub(crate) second: Option<Second>,
    /// Nothing is answered from here, or kept, while it is not.
    pub(crate) is_followed: AtomicBool,
    options: Options,
    tallies: Tallies,
}

impl CachedOrders {
    pub fn new(
        store: Arc<dyn OrderStore>,
        shared: Option<Arc<dyn SharedCache>>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            memory: Memory::new(options.orders_max),
            second: shared.map(Second::new),
            is_followed: AtomicBool::new(false),
            options,
            tallies: Tallies::default(),
        })
    }

    pub fn counts(&self) -> Counts {
        let Tallies { reads, memory, shared } = &self.tallies;
        let [reads, memory, shared] = [reads, memory, shared].map(|tally| tally.load(Ordering::Relaxed));
        Counts { reads, memory, shared, kept: self.memory.len(), is_followed: self.is_followed() }
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.is_followed.load(Ordering::Acquire)
    }

    pub(crate) fn ttl(&self, is_there: bool) -> Duration {
        self.options.ttl(is_there, self.clock.random())
    }

    async fn load_entry(&self, id: OrderId) -> Result<Entry> {
        let order = self.store.load(id).await?;
        let ttl = self.ttl(order.is_some());
        Ok(Entry { order, ttl })
    }

    /// Through the second level at the first try; a second one is made because that was too old.
    async fn fetch(&self, id: OrderId, number: usize) -> Result<Entry> {
        let Some(second) = self.second.as_ref().filter(|_| number == 0) else { return self.load_entry(id).await };
        let looked_at_ms = match second.look(id).await {
            Sight::Order(order) if order.version >= self.memory.own(id) => {
                self.tallies.shared.fetch_add(1, Ordering::Relaxed);
                return Ok(Entry { order: Some(order), ttl: self.ttl(true) });
            }
            // Older than what was committed here: nothing to put, the feed brings the change.
            Sight::Order(_) | Sight::Away => None,
            Sight::None { looked_at_ms } => Some(looked_at_ms),
        };
        let entry = self.load_entry(id).await?;
        if let (Some(order), Some(looked_at_ms)) = (&entry.order, looked_at_ms) {
            second.put(order, looked_at_ms, entry.ttl).await;
        }
        Ok(entry)
    }

    fn learn_own(&self, order: &Arc<Order>) {
        self.memory.learn_own(order, self.ttl(true));
    }
}

#[async_trait]
impl OrderStore for CachedOrders {
    async fn read(&self, id: OrderId) -> Result<Option<Arc<Order>>> {
        self.tallies.reads.fetch_add(1, Ordering::Relaxed);
        if !self.is_followed() {
            return self.store.load(id).await;
        }
        if let Some(found) = self.memory.find(id) {
            self.tallies.memory.fetch_add(1, Ordering::Relaxed);
            return Ok(found);
        }
        self.memory.read(id, |number| Box::pin(self.fetch(id, number))).await
    }

    async fn commit(&self, group: Vec<Change>) -> Vec<Result<(), CommitError>> {
        let orders: Vec<Arc<Order>> = group.iter().map(|change| Arc::clone(&change.order)).collect();
        let committed = self.store.commit(group).await;
        for (order, outcome) in orders.iter().zip(&committed) {
            if outcome.is_ok() {
                self.learn_own(order);
            }
        }
        committed
    }

    async fn consume(&self, group: Vec<Change>, progress: Progress) -> Result<(), CommitError> {
        let orders: Vec<Arc<Order>> = group.iter().map(|change| Arc::clone(&change.order)).collect();
        self.store.consume(group, progress).await?;
        orders.iter().for_each(|order| self.learn_own(order));
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
