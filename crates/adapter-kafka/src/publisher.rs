//! The producer: idempotent, acknowledged by every in-sync copy, bounded.
//!
//! What holds: a call is answered once each of its messages is acknowledged. A refusal as busy or unavailable has left
//! nothing behind; anything that may have is unknown, and the caller publishes again, which readers do not mind.

use doos_ports::Result;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::Batch;
use crate::event::Record;
use crate::failure;
use crate::link::Link;
use crate::log;
use crate::options::Options;

/// What a record's headers and framing may add to its bytes.
const RECORD_OVERHEAD_BYTES: usize = 2_048;

type Producer = ThreadedProducer<Reports>;

pub(crate) struct Publisher {
    options: Arc<Options>,
    producer: Mutex<Arc<Producer>>,
    pub(crate) link: Arc<Link>,
    /// Set when a broker says that a topic is not there, so that topics are looked after again.
    pub(crate) topics_missing: Arc<AtomicBool>,
}

impl Publisher {
    pub(crate) fn new(options: Arc<Options>) -> Result<Self> {
        let (len_max, bytes_max) = (options.publish_queue_len_max as usize, options.publish_queue_bytes_max as usize);
        let link = Arc::new(Link::new(len_max, bytes_max));
        let topics_missing = Arc::new(AtomicBool::new(false));
        let producer = Mutex::new(produce(&options, &link, &topics_missing)?);
        Ok(Self { options, producer, link, topics_missing })
    }

    /// The present producer; a spent one is replaced.
    fn producer(&self) -> Result<Arc<Producer>> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if self.link.take_spent() {
            tracing::warn!("the producer could not go on and is made anew");
            *producer = produce(&self.options, &self.link, &self.topics_missing)?;
        }
        Ok(Arc::clone(&producer))
    }

    pub(crate) async fn publish(&self, records: Vec<Record>) -> Result<()> {
        let largest = records.iter().map(Record::bytes).max().unwrap_or(0);
        if largest + RECORD_OVERHEAD_BYTES > self.options.message_bytes_max as usize {
            let limit = self.options.message_bytes_max;
            return Err(failure::broken(format!("a message of {largest} bytes is over the limit of {limit}")));
        }
        let producer = self.producer()?;
        let bytes = records.iter().map(Record::bytes).sum();
        let (batch, answered) = Batch::begin(&self.link, records.len(), bytes)?;
        let stopped = hand_over(&producer, &batch, records);
        batch.close_one();
        if answered.await.is_err() {
            return Err(failure::unknown("the producer ended"));
        }
        batch.outcome(stopped.as_ref())
    }
}

/// Stops at the first record that is not taken: those behind it may be of the same order.
fn hand_over(producer: &Producer, batch: &Arc<Batch>, records: Vec<Record>) -> Option<KafkaError> {
    for record in records {
        batch.expect_report();
        let base = BaseRecord::with_opaque_to(&record.topic, Arc::clone(batch))
            .key(&record.key)
            .payload(&record.value)
            .headers(record.headers);
        if let Err((error, _)) = producer.send(base) {
            batch.close_one();
            return Some(error);
        }
    }
    None
}

fn produce(options: &Options, link: &Arc<Link>, topics_missing: &Arc<AtomicBool>) -> Result<Arc<Producer>> {
    let reports = Reports { link: Arc::clone(link), topics_missing: Arc::clone(topics_missing) };
    let producer = ThreadedProducer::from_config_and_context(&options.producer(), reports);
    producer.map(Arc::new).map_err(failure::unavailable)
}

/// Where the client reports to.
struct Reports {
    link: Arc<Link>,
    topics_missing: Arc<AtomicBool>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::line("producer", level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.link.set_away(true),
            Some(RDKafkaErrorCode::Fatal) => {
                tracing::error!(error = %error, reason, "the producer cannot go on");
                self.link.set_spent();
            }
            _ => tracing::debug!(error = %error, reason, "the producer met an error"),
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        let failure = result.as_ref().err().map(|(error, _)| error);
        match failure.map(|error| error.rdkafka_error_code()) {
            None => {
                self.link.published.fetch_add(1, Ordering::Relaxed);
                self.link.set_away(false);
            }
            Some(code) => {
                self.link.failed.fetch_add(1, Ordering::Relaxed);
                // A broker that is there and silent shows in nothing else.
                self.link.set_away(self.link.is_away() || code == Some(RDKafkaErrorCode::MessageTimedOut));
                if code.is_some_and(failure::is_missing_topic) {
                    self.topics_missing.store(true, Ordering::Release);
                }
            }
        }
        batch.report(failure);
    }
}
