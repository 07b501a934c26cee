//! What an owner can choose about the bus. Every number has its unit in its name and its default here.
//!
//! What is no choice: acknowledgement by all in-sync copies, the idempotent producer, offsets stored after the effect.

use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where the brokers are, what the topics look like, and the bounds of both directions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Addresses to begin with, each `host:port`. Empty: this node has no Kafka.
    pub brokers: Vec<String>,
    /// The name under which the brokers see this process.
    pub client_name: String,

    /// Begins the name of every topic and of every group: `doos.orders` gives `doos.orders.inventory`.
    pub topic_prefix: String,
    /// Of each topic. More may be added later on the broker; a topic with fewer is refused.
    pub partitions: u32,
    /// Copies of each partition, for topics that are created here.
    pub copies: u16,
    /// Copies that must have a message before it counts as published, for topics that are created here.
    pub copies_in_sync_min: u16,
    /// How long the broker keeps a message, for topics that are created here.
    pub retention_hours: u32,
    /// The largest message, also for topics that are created here.
    pub message_bytes_max: u32,

    /// Messages handed in and not acknowledged, beyond which the next call is refused as busy.
    pub publish_queue_len_max: u32,
    pub publish_queue_bytes_max: u32,
    /// How long a message may take to be acknowledged before its outcome is given up on as unknown.
    pub publish_timeout_ms: u32,
    /// How long the producer waits for company before it sends. At 0 what arrives while requests are in flight is the
    /// group.
    pub linger_ms: u32,

    /// Fetched ahead and not polled, for each consumer.
    pub fetch_bytes_max: u32,
    /// Messages handed out and not acknowledged, beyond which a subscription is refused as busy until it is rewound.
    pub unacknowledged_len_max: u32,
    /// Longest time between a stored offset and its commit, and therefore what is repeated after a crash at most.
    pub commit_interval_ms: u32,
    /// A member that says nothing for so long loses its partitions to the others.
    pub session_timeout_ms: u32,
    /// How long a subscription may take to be admitted to its group.
    pub join_timeout_ms: u32,
    /// For questions to the broker: topics, offsets.
    pub call_timeout_ms: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            client_name: "doos".to_owned(),
            topic_prefix: "doos.orders".to_owned(),
            partitions: 16,
            copies: 1,
            copies_in_sync_min: 1,
            retention_hours: 7 * 24,
            // An order's body is 64 KiB at most; escaped as JSON it may be six times that.
            message_bytes_max: 1 << 20,
            publish_queue_len_max: 100_000,
            publish_queue_bytes_max: 64 << 20,
            publish_timeout_ms: 10_000,
            linger_ms: 0,
            fetch_bytes_max: 8 << 20,
            unacknowledged_len_max: 100_000,
            commit_interval_ms: 200,
            session_timeout_ms: 10_000,
            join_timeout_ms: 10_000,
            call_timeout_ms: 5_000,
        }
    }
}

impl Options {
    pub(crate) const fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms as u64)
    }

    pub(crate) const fn join_timeout(&self) -> Duration {
        Duration::from_millis(self.join_timeout_ms as u64)
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers.join(",")).set("client.id", &self.client_name);
        // A broker that comes back is found within a second, not within ten.
        config.set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "1000");
        config.set("retry.backoff.ms", "50").set("retry.backoff.max.ms", "500");
        config.set("log.connection.close", "false");
        config
    }

    pub(crate) fn admin(&self) -> ClientConfig {
        self.client()
    }

    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("acks", "all").set("compression.type", "lz4");
        config.set("linger.ms", self.linger_ms.to_string());
        // The hash that every other client of Kafka uses by default, so that a key has one partition for all of them.
        config.set("partitioner", "murmur2_random");
        config.set("message.timeout.ms", self.publish_timeout_ms.to_string());
        config.set("message.max.bytes", self.message_bytes_max.to_string());
        // This crate counts and refuses before librdkafka does; its own bounds only stand behind that.
        let behind = u64::from(self.publish_queue_len_max).saturating_mul(2).min(10_000_000);
        config.set("queue.buffering.max.messages", behind.to_string());
        let behind_kib = (u64::from(self.publish_queue_bytes_max) / 512).clamp(64, 2_097_151);
        config.set("queue.buffering.max.kbytes", behind_kib.to_string());
        config
    }

    /// A client of a group; it takes part once it subscribes.
    pub(crate) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config.set("group.id", group).set("partition.assignment.strategy", "cooperative-sticky");
        config.set("auto.offset.reset", "earliest");
        // What is committed is what was stored, and an offset is stored by hand once the effect is committed. That the
        // commit itself happens in the background, and once more before a partition is given up, saves a call a group.
        config.set("enable.auto.offset.store", "false").set("enable.auto.commit", "true");
        config.set("auto.commit.interval.ms", self.commit_interval_ms.to_string());
        config.set("session.timeout.ms", self.session_timeout_ms.to_string());
        config.set("heartbeat.interval.ms", (self.session_timeout_ms / 4).clamp(100, 3_000).to_string());
        config.set("queued.max.messages.kbytes", (self.fetch_bytes_max / 1_024).max(1).to_string());
        config.set("fetch.wait.max.ms", "100").set("fetch.error.backoff.ms", "50");
        config.set("allow.auto.create.topics", "false");
        config
    }
}
