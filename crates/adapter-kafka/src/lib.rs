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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lag::Observer;
use membership::{Counters, Leaving, Membership};
use publisher::Publisher;
use subscription::{KafkaSubscription, Member, Surroundings};

/// How long a question for the lag waits after one that was not answered.
const LAG_PATIENCE_AGAIN: Duration = Duration::from_millis(200);

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
    looks_failed: AtomicU64,
    observers: Mutex<BTreeMap<Consumer, Arc<Observer>>>,
    lag_unanswered: AtomicBool,
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
            looks_failed: AtomicU64::new(0),
            observers: Mutex::default(),
            lag_unanswered: AtomicBool::new(false),
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
        futures::future::join_all(Consumer::ALL.map(|consumer| self.leaving.ended(consumer))).await;
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

    /// Looks for the topics until that has succeeded once. One call looks at a time and those that wait share what it
    /// finds, also if that is nobody; while nobody answers, none waits.
    async fn topics(&self) -> Result<Topics> {
        if let Some(topics) = self.known_topics() {
            return Ok(topics);
        }
        let failures = self.looks_failed.load(Ordering::Acquire);
        let _only_one = match self.looking.try_lock() {
            Ok(only_one) => only_one,
            Err(_) if self.publisher.link.is_away() => return Err(failure::unavailable("no broker answers")),
            Err(_) => self.looking.lock().await,
        };
        if let Some(topics) = self.known_topics() {
            return Ok(topics);
        }
        if self.looks_failed.load(Ordering::Acquire) != failures {
            return Err(failure::unavailable("another call could not find the topics"));
        }
        match topics::prepare(&self.options).await {
            Ok(found) => {
                let found = Arc::new(found);
                *self.topics.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&found));
                Ok(found)
            }
            Err(error) => {
                self.looks_failed.fetch_add(1, Ordering::AcqRel);
                Err(error)
            }
        }
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
        self.topics().await?;
        let record = |message: &Message| event::record(self.options.topic_of(message.to), message);
        let records = messages.iter().map(record).collect::<Result<Vec<_>, _>>().map_err(failure::broken)?;
        self.publisher.publish(records).await
    }

    async fn lag(&self, consumer: Consumer) -> Result<u64> {
        let topics = self.topics().await?;
        let partitions = topics.get(&self.options.topic_of(consumer)).copied().unwrap_or(self.options.partitions);
        let (observer, counters) = (self.observer(consumer)?, Arc::clone(self.counters(consumer)));
        // Whoever collects metrics asks for all consumers in a row, and must not wait long for each while nobody answers.
        let was_unanswered = self.lag_unanswered.load(Ordering::Relaxed);
        let patience = if was_unanswered { LAG_PATIENCE_AGAIN } else { self.options.call_timeout() };
        let ask = move || {
            let settled = counters.settled().clone();
            observer.lag(partitions, &settled, patience)
        };
        let lag = tokio::task::spawn_blocking(ask).await.map_err(failure::unavailable)?;
        self.lag_unanswered.store(lag.is_err(), Ordering::Relaxed);
        if lag.is_ok() {
            self.publisher.link.set_away(false);
        }
        lag.map_err(failure::unavailable)
    }
}
