//! The event bus over Kafka: one topic for each consuming context, keyed by order, at least once.
//!
//! What holds: what was published is on every in-sync copy; a consumer's offset is stored after its effect, so that a
//! crash repeats messages and never skips one; messages of one order written by one writer keep their order, since the
//! key chooses the partition. Once in effect is the consumer's own doing, in its own database; nothing here relies on
//! the broker's transactions.
//!
//! What must never happen here: a position that outlives the process. Positions number what this process handed out; a
//! broker with many partitions has no single place that could be stored with the effects.
//!
//! Delayed retries and dead letters are the inbox port's, in the consumer's database: docs/adr/0011-message-bus.md.
//!
//! Where to read next: `publisher.rs` and `subscription.rs` for the two directions, `event.rs` for what travels.

mod batch;
mod event;
mod failure;
mod lag;
mod ledger;
mod link;
mod log;
mod membership;
mod options;
mod publisher;
#[cfg(test)]
mod schemas;
mod stats;
mod subscription;
mod topics;

pub use options::Options;
pub use stats::{ConsumerStats, Stats};

use async_trait::async_trait;
use doos_domain::message::{Consumer, Message};
use doos_ports::Result;
use doos_ports::bus::{EventBus, Subscription};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::Consumer as _;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lag::Observer;
use membership::{Counters, Leaving, Membership};
use publisher::Publisher;
use subscription::{KafkaSubscription, Member, Surroundings};

/// Partitions by topic.
type Topics = Arc<BTreeMap<String, u32>>;

pub struct KafkaBus {
    options: Arc<Options>,
    publisher: Arc<Publisher>,
    leaving: Arc<Leaving>,
    positions: Arc<AtomicU64>,
    counters: BTreeMap<Consumer, Arc<Counters>>,
    /// Once they have been seen.
    topics: Mutex<Option<Topics>>,
    /// Held by whoever looks for them.
    looking: tokio::sync::Mutex<()>,
    observers: Mutex<BTreeMap<Consumer, Arc<Observer>>>,
}

impl KafkaBus {
    /// Builds the bus without asking anybody: a node starts also while the brokers are away.
    pub fn open(options: Options) -> Result<Self> {
        let options = Arc::new(options);
        Ok(Self {
            publisher: Arc::new(Publisher::new(Arc::clone(&options))?),
            leaving: Arc::default(),
            positions: Arc::default(),
            counters: Consumer::ALL.map(|consumer| (consumer, Arc::default())).into(),
            topics: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            observers: Mutex::default(),
            options,
        })
    }

    /// Creates missing topics and checks those that are there. Every call to the bus does this until it has succeeded
    /// once; a node does it first of all, so that a wrong topic stops it with a clear message.
    pub async fn prepare(&self) -> Result<()> {
        self.topics().await?;
        Ok(())
    }

    /// Waits until the subscriptions that were dropped have left their groups.
    pub async fn close(&self) {
        for consumer in Consumer::ALL {
            self.leaving.ended(consumer).await;
        }
    }

    pub fn stats(&self) -> Stats {
        let consumers = self.counters.iter().map(|(consumer, counters)| (*consumer, &**counters));
        stats::look(&self.publisher.link, consumers)
    }

    /// The topics as they were seen, unless a broker has denied one of them since.
    fn known_topics(&self) -> Option<Topics> {
        let mut known = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if self.publisher.topics_missing.swap(false, Ordering::AcqRel) {
            *known = None;
        }
        known.clone()
    }

    async fn topics(&self) -> Result<Topics> {
        match self.known_topics() {
            Some(topics) => Ok(topics),
            None => self.look_for_topics(self.looking.lock().await).await,
        }
    }

    async fn look_for_topics(&self, _only_one: tokio::sync::MutexGuard<'_, ()>) -> Result<Topics> {
        if let Some(topics) = self.known_topics() {
            return Ok(topics);
        }
        let found = Arc::new(topics::prepare(&self.options).await?);
        *self.topics.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&found));
        Ok(found)
    }

    fn counters(&self, consumer: Consumer) -> &Arc<Counters> {
        self.counters.get(&consumer).expect("every consumer has its counters from the beginning")
    }

    fn observer(&self, consumer: Consumer) -> Result<Arc<Observer>> {
        let mut observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(observer) = observers.get(&consumer) {
            return Ok(Arc::clone(observer));
        }
        let observer = Observer::new(&self.options, self.options.topic_of(consumer)).map_err(failure::unavailable)?;
        let observer = Arc::new(observer);
        observers.insert(consumer, Arc::clone(&observer));
        Ok(observer)
    }
}

#[async_trait]
impl EventBus for KafkaBus {
    async fn subscribe(&self, consumer: Consumer) -> Result<Box<dyn Subscription>> {
        self.prepare().await?;
        self.leaving.ended(consumer).await;
        let group = self.options.topic_of(consumer);
        let membership = Membership::new(consumer, Arc::clone(self.counters(consumer)));
        let member = Member::from_config_and_context(&self.options.consumer(&group), membership);
        let member = member.map_err(failure::unavailable)?;
        member.subscribe(&[&group]).map_err(failure::unavailable)?;
        let surroundings = Surroundings {
            options: Arc::clone(&self.options),
            publisher: Arc::clone(&self.publisher),
            leaving: Arc::clone(&self.leaving),
            positions: Arc::clone(&self.positions),
        };
        let mut subscription = KafkaSubscription::new(surroundings, consumer, member);
        subscription.join().await?;
        Ok(Box::new(subscription))
    }

    async fn publish(&self, messages: Vec<Message>) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        if self.known_topics().is_none() {
            // While somebody is looking for them, others are refused at once instead of queueing up unseen.
            let only_one = self.looking.try_lock();
            self.look_for_topics(only_one.map_err(|_| failure::unavailable("the topics are not known yet"))?).await?;
        }
        let record = |message: &Message| event::record(self.options.topic_of(message.to), message);
        let records = messages.iter().map(record).collect::<Result<Vec<_>, _>>().map_err(failure::broken)?;
        self.publisher.publish(records).await
    }

    async fn lag(&self, consumer: Consumer) -> Result<u64> {
        let topics = self.topics().await?;
        let partitions = topics.get(&self.options.topic_of(consumer)).copied().unwrap_or(self.options.partitions);
        let (observer, counters) = (self.observer(consumer)?, Arc::clone(self.counters(consumer)));
        let ask = move || {
            let settled = counters.settled().clone();
            observer.lag(partitions, &settled)
        };
        tokio::task::spawn_blocking(ask).await.map_err(failure::unavailable)?.map_err(failure::unavailable)
    }
}
