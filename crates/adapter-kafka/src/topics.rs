//! The topics: one for each consuming context, and one for what cannot be read.
//!
//! What holds: a topic that is missing is created with the stated partitions and retention; one with fewer partitions
//! than stated is refused by name, with what to do about it; one with more is taken as it is. Nothing is ever changed
//! on a topic that exists: more partitions would send an order's next message to another one, and that is its owner's
//! decision.

use doos_domain::message::Consumer;
use doos_ports::Result;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::failure;
use crate::log;
use crate::options::Options;

/// A topic just created is not known everywhere at once.
const LOOKS_MAX: usize = 50;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What a batch of one largest message may weigh beside it.
const BATCH_OVERHEAD_BYTES: u32 = 4_096;

type Admin = AdminClient<Asking>;

struct Asking;

impl ClientContext for Asking {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::line("admin", level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = %error, reason, "the topics cannot be asked for");
    }
}

impl Options {
    /// The topic of a context's messages, and the name of the group that reads it.
    pub fn topic_of(&self, consumer: Consumer) -> String {
        format!("{}.{consumer}", self.topic_prefix)
    }

    /// Where records go that are no messages.
    pub fn unreadable_topic(&self) -> String {
        format!("{}.unreadable", self.topic_prefix)
    }

    fn topics(&self) -> Vec<(String, u32)> {
        let read = Consumer::ALL.into_iter().map(|consumer| (self.topic_of(consumer), self.partitions));
        read.chain([(self.unreadable_topic(), 1)]).collect()
    }
}

/// Sees to it that the topics are there, and says how many partitions each has.
pub(crate) async fn prepare(options: &Arc<Options>) -> Result<BTreeMap<String, u32>> {
    let admin = Arc::new(Admin::from_config_and_context(&options.admin(), Asking).map_err(failure::unavailable)?);
    let prepared = prepare_with(&admin, options).await;
    // Ending a client waits for its threads.
    let _ = tokio::task::spawn_blocking(move || drop(admin)).await;
    prepared
}

async fn prepare_with(admin: &Arc<Admin>, options: &Arc<Options>) -> Result<BTreeMap<String, u32>> {
    let mut found = look(admin, options).await?;
    let missing: Vec<_> = options.topics().into_iter().filter(|(name, _)| !found.contains_key(name)).collect();
    if !missing.is_empty() {
        create(admin, options, &missing).await?;
        for _ in 0..LOOKS_MAX {
            found = look(admin, options).await?;
            if missing.iter().all(|(name, _)| found.contains_key(name)) {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    for (name, partitions) in options.topics() {
        let Some(&there) = found.get(&name) else {
            return Err(failure::unavailable(format!("topic {name} was created and is not there yet")));
        };
        if there < partitions {
            return Err(failure::broken(too_few(&name, there, partitions)));
        }
    }
    Ok(found)
}

fn too_few(name: &str, there: u32, asked: u32) -> String {
    format!(
        "topic {name} has {there} partitions and {asked} are asked for: stop the writers, let its readers catch up, \
         then `kafka-topics.sh --alter --topic {name} --partitions {asked}`; or set `partitions` to {there}"
    )
}

/// The topics that are there and have a leader for each partition.
async fn look(admin: &Arc<Admin>, options: &Arc<Options>) -> Result<BTreeMap<String, u32>> {
    let (admin, options) = (Arc::clone(admin), Arc::clone(options));
    let look = move || {
        // All topics at once: asking for one by name would create it on brokers that are set to do so.
        let metadata = admin.inner().fetch_metadata(None, options.call_timeout())?;
        let whole = metadata.topics().iter().filter(|topic| {
            topic.error().is_none() && topic.partitions().iter().all(|partition| partition.leader() >= 0)
        });
        let counts = whole.map(|topic| (topic.name().to_owned(), u32::try_from(topic.partitions().len()).unwrap_or(0)));
        let ours = options.topics();
        Ok(counts.filter(|(name, _)| ours.iter().any(|(our, _)| our == name)).collect())
    };
    let looked = tokio::task::spawn_blocking(look).await.map_err(failure::unavailable)?;
    looked.map_err(|error: KafkaError| failure::unavailable(error))
}

async fn create(admin: &Arc<Admin>, options: &Options, missing: &[(String, u32)]) -> Result<()> {
    let retention_ms = (u64::from(options.retention_hours) * 3_600_000).to_string();
    let bytes_max = options.message_bytes_max.saturating_add(BATCH_OVERHEAD_BYTES).to_string();
    let in_sync = options.copies_in_sync_min.to_string();
    let topics = missing.iter().map(|(name, partitions)| {
        let partitions = i32::try_from(*partitions).unwrap_or(i32::MAX);
        NewTopic::new(name, partitions, TopicReplication::Fixed(i32::from(options.copies)))
            .set("retention.ms", &retention_ms)
            .set("cleanup.policy", "delete")
            .set("max.message.bytes", &bytes_max)
            .set("min.insync.replicas", &in_sync)
    });
    let topics: Vec<_> = topics.collect();
    let timeout = Some(options.call_timeout());
    let patience = AdminOptions::new().request_timeout(timeout).operation_timeout(timeout);
    for result in admin.create_topics(&topics, &patience).await.map_err(failure::unavailable)? {
        match result {
            Ok(name) => tracing::info!(topic = name, "topic created"),
            // Another node was faster.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(failure::unavailable(format!("topic {name} cannot be created: {code}"))),
        }
    }
    Ok(())
}
