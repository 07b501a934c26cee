//! One consumer's place in its group: reads, hands out, stores offsets once the effect is committed.
//!
//! What holds: an offset is stored only by an acknowledgement, and everything handed out and not acknowledged comes again
//! after a rewind, a rebalance or a crash. Members of a group share its partitions; a partition taken away takes along
//! what was read from it, after what was acknowledged has been committed for its next owner.
//!
//! A record that is no message never blocks: it is copied to the topic of unreadable records, and only then passed over.
//!
//! Where to read next: `ledger.rs` for what is in hand, `membership.rs` for coming and going.

use async_trait::async_trait;
use doos_domain::message::Consumer;
use doos_ports::bus::{Delivery, Position, Subscription};
use doos_ports::{Error, Result};
use futures::FutureExt;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _, OwnedHeaders};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::{self, Record};
use crate::failure::{self, ENGINE};
use crate::ledger::{Fetched, Offsets, Unreadable};
use crate::membership::{Leaving, Membership};
use crate::options::Options;
use crate::publisher::Publisher;

pub(crate) type Member = StreamConsumer<Membership>;

/// What a subscription needs of its bus.
pub(crate) struct Surroundings {
    pub(crate) options: Arc<Options>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) leaving: Arc<Leaving>,
    /// The last position handed out in this process.
    pub(crate) positions: Arc<AtomicU64>,
}

pub(crate) struct KafkaSubscription {
    surroundings: Surroundings,
    consumer: Consumer,
    topic: String,
    /// Taken out when the subscription ends.
    member: Option<Member>,
    /// Something was read and neither handed out nor noted: only a rewind makes this whole again.
    must_rewind: bool,
    /// Met while waiting for readiness; the next poll tells it.
    failure: Option<Error>,
}

impl KafkaSubscription {
    pub(crate) fn new(surroundings: Surroundings, consumer: Consumer, member: Member) -> Self {
        let topic = surroundings.options.topic_of(consumer);
        Self { surroundings, consumer, topic, member: Some(member), must_rewind: false, failure: None }
    }

    fn member(&self) -> &Member {
        self.member.as_ref().expect("a member leaves its group when its subscription is dropped, not before")
    }

    fn membership(&self) -> &Membership {
        self.member().context()
    }

    /// Waits until the group has admitted this member; with more members than partitions it may get none.
    pub(crate) async fn join(&mut self) -> Result<()> {
        let patience = self.surroundings.options.join_timeout();
        let joined = async {
            while !self.membership().has_joined() && self.failure.is_none() {
                let membership = Arc::clone(self.member().context());
                tokio::select! {
                    () = self.ready() => {}
                    () = membership.joined.notified() => {}
                }
            }
        };
        let in_time = tokio::time::timeout(patience, joined).await;
        match self.failure.take() {
            Some(error) => Err(error),
            None => in_time.map_err(|_| failure::unavailable(format!("group {} did not admit us", self.topic))),
        }
    }

    /// What is there now, without waiting.
    fn fetch_now(&mut self) -> Result<Option<Fetched>> {
        if let Some(waiting) = self.membership().ledger().waiting.take() {
            return Ok(Some(waiting));
        }
        loop {
            match self.member().recv().now_or_never() {
                None => return Ok(None),
                Some(Ok(record)) => return Ok(Some(read(&record))),
                Some(Err(error)) => self.weigh(&error)?,
            }
        }
    }

    fn weigh(&self, error: &KafkaError) -> Result<()> {
        if failure::mends_itself(error) {
            tracing::debug!(consumer = %self.consumer, error = %error, "the consumer reconnects");
            return Ok(());
        }
        Err(failure::unavailable(error))
    }

    fn next_position(&self) -> u64 {
        self.surroundings.positions.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn take(&mut self, limit: usize, deliveries: &mut Vec<Delivery>) -> Result<()> {
        while deliveries.len() < limit {
            let Some(Fetched { partition, offset, content }) = self.fetch_now()? else { return Ok(()) };
            let position = self.next_position();
            match content {
                Ok(message) => {
                    if self.membership().ledger().hand_out(position, partition, offset) {
                        deliveries.push(Delivery { position: Position(position), message });
                    }
                }
                // Noted before it is put aside, so that a failure of that leaves it to be read again.
                Err(unreadable) => {
                    if self.membership().ledger().pass_over(position, partition, offset) {
                        self.put_aside(partition, offset, unreadable).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Copies a record that is no message to where an operator finds it.
    async fn put_aside(&self, partition: i32, offset: i64, unreadable: Unreadable) -> Result<()> {
        let Unreadable { record, cause } = unreadable;
        let origin = format!("{}/{partition}/{offset}", self.topic);
        tracing::error!(origin, cause, "a record cannot be read and is put aside");
        let headers = record.headers().cloned().unwrap_or_else(OwnedHeaders::new);
        let headers = event::with_headers(headers, &[("doos_origin", &origin), ("doos_cause", &cause)]);
        let (key, value) = (record.key().unwrap_or_default().to_vec(), record.payload().unwrap_or_default().to_vec());
        let topic = self.surroundings.options.unreadable_topic();
        self.surroundings.publisher.publish(vec![Record { topic, key, value, headers }]).await?;
        self.membership().counters.unreadable.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn store(&self, offsets: &Offsets) {
        if offsets.is_empty() {
            return;
        }
        let list = self.list(offsets);
        if let Err(error) = self.member().store_offsets(&list) {
            // A partition that has just been lost: its next owner reads those messages again.
            tracing::debug!(consumer = %self.consumer, error = %error, "offsets could not be stored");
            return;
        }
        self.membership().note_settled(offsets);
    }

    fn list(&self, offsets: &Offsets) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset))
                .expect("an offset that the broker gave is one that the broker takes");
        }
        list
    }
}

fn read(record: &BorrowedMessage<'_>) -> Fetched {
    let content = event::message(record.payload());
    let content = content.map_err(|cause| Unreadable { record: record.detach(), cause });
    Fetched { partition: record.partition(), offset: record.offset(), content }
}

#[async_trait]
impl Subscription for KafkaSubscription {
    async fn poll(&mut self, limit: usize) -> Result<Vec<Delivery>> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        if self.must_rewind {
            return Err(failure::unavailable("a subscription that failed must be rewound before it is read on"));
        }
        if self.membership().ledger().open_count() >= self.surroundings.options.unacknowledged_len_max as usize {
            return Err(Error::Busy { engine: ENGINE });
        }
        let mut deliveries = Vec::new();
        if let Err(error) = self.take(limit, &mut deliveries).await {
            self.must_rewind = true;
            return Err(error);
        }
        // What was passed over with nothing open before it has nobody who would acknowledge it.
        let settled = self.membership().ledger().settle(0);
        self.store(&settled);
        Ok(deliveries)
    }

    async fn ready(&mut self) {
        if self.failure.is_some() || self.must_rewind || self.membership().ledger().waiting.is_some() {
            return;
        }
        loop {
            let received = self.member().recv().await.map(|record| read(&record));
            match received {
                Ok(fetched) => {
                    self.membership().ledger().waiting = Some(fetched);
                    return;
                }
                Err(error) => {
                    if let Err(error) = self.weigh(&error) {
                        self.failure = Some(error);
                        return;
                    }
                }
            }
        }
    }

    async fn rewind(&mut self) -> Result<()> {
        self.must_rewind = true;
        let targets = self.membership().ledger().rewind();
        if !targets.is_empty() {
            let sought = self.member().seek_partitions(self.list(&targets), self.surroundings.options.call_timeout());
            for element in sought.map_err(failure::unavailable)?.elements() {
                element.error().map_err(failure::unavailable)?;
            }
        }
        self.must_rewind = false;
        Ok(())
    }

    async fn acknowledge(&mut self, position: Position) -> Result<()> {
        let settled = self.membership().ledger().settle(position.0);
        self.store(&settled);
        Ok(())
    }
}

impl Drop for KafkaSubscription {
    /// Leaving the group commits what is stored and tells the others; that takes a moment, which nobody here may wait.
    fn drop(&mut self) {
        if let Some(member) = self.member.take() {
            self.surroundings.leaving.begin(self.consumer, member);
        }
    }
}
