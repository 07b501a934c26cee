//! Telling the senders of messages what became of them at their consumers.
//!
//! A message lies in the database of whoever sent it; its consumer works on another one. What has an outcome is marked
//! by the asking context, in the transaction of that outcome; all else is marked here, after the consumer's commit.

use doos_domain::message::Consumer;
use doos_ports::inbox::Progress;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use crate::dialect::list;
use crate::outbox::{CONSUMED, FAILED, MySqlOutbox, PUBLISHED, Source};
use crate::rows::{event_in_id, order_in_id};

/// The map of buckets is looked at so often at most for messages that were not found.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl MySqlOutbox {
    /// Tells the senders what became of the messages that a consumer has just settled. Best effort: what is not told
    /// now is published again, and told then.
    pub(crate) async fn tell_senders(&self, progress: &Progress) {
        let mut marks: BTreeMap<(Source, u8), Vec<&str>> = BTreeMap::new();
        for id in progress.done.iter().filter(|id| !awaits_outcome(event_in_id(id.as_str()))) {
            for source in self.senders(progress.consumer, id.as_str()) {
                marks.entry((source, CONSUMED)).or_default().push(id.as_str());
            }
        }
        for letter in &progress.park {
            for source in self.senders(progress.consumer, letter.message.id.as_str()) {
                marks.entry((source, FAILED)).or_default().push(letter.message.id.as_str());
            }
        }
        let replayed =
            progress.wait.iter().map(|waiting| &waiting.message.id).filter(|id| progress.settled.contains(id));
        for id in replayed {
            for source in self.senders(progress.consumer, id.as_str()) {
                marks.entry((source, PUBLISHED)).or_default().push(id.as_str());
            }
        }
        let mut untold = false;
        for ((source, state), ids) in marks {
            let asked = ids.len() as u64;
            let from = if state == PUBLISHED { "3" } else { "0, 1" };
            let sql = format!(
                "UPDATE t_local_message SET status = {state} WHERE message_id IN ({}) AND status IN ({from})",
                list(ids)
            );
            let database = self.sources().all()[source];
            match database.write_text(&sql).await {
                Ok(told) => untold |= source < self.sources().shards.len() && told < asked,
                Err(fault) => tracing::debug!(database = %database.name, cause = %fault, "a sender was not told"),
            }
        }
        if untold {
            self.look_for_senders().await;
        }
    }

    /// Messages that were not there may only have been settled before, or they have moved with their bucket: a process
    /// that reads no orders would not find out otherwise. They are published again, and marked then.
    async fn look_for_senders(&self) {
        let now = self.sources().inventory.clock.monotonic();
        {
            let mut looked = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|at| now.saturating_sub(at) < LOOK_EVERY) {
                return;
            }
            *looked = Some(now);
        }
        if let Err(fault) = self.router.reload(&self.router.map()).await {
            tracing::debug!(cause = %fault, "the map of buckets cannot be read again");
        }
    }

    /// The databases that may hold a message to this consumer.
    fn senders(&self, consumer: Consumer, id: &str) -> Vec<Source> {
        let shards = || match order_in_id(id) {
            // Where a bucket is on its way, whoever has it is told.
            Some(order) => match self.router.map().place(order.bucket()) {
                Some(place) => vec![place.shard],
                None => (0..self.sources().shards.len()).collect(),
            },
            None => (0..self.sources().shards.len()).collect(),
        };
        if consumer != Consumer::Order {
            return shards();
        }
        match event_in_id(id) {
            "StockDecided" => vec![self.sources().inventory()],
            "PaymentCaptured" | "PaymentClosed" | "RefundSettled" => vec![self.sources().payment()],
            "ShipmentShipped" | "ShipmentFailed" | "ShipmentDelivered" => vec![self.sources().shipping()],
            _ => (self.sources().shards.len()..self.sources().shards.len() + 3).collect(),
        }
    }
}

/// Whether the asking context hears of it by an outcome, and marks it consumed with that outcome's effect. The others
/// are marked when their consumer is done with them.
fn awaits_outcome(event: &str) -> bool {
    matches!(event, "DeductStock" | "CapturePayment" | "ClosePayment" | "RefundPayment" | "ShipOrder")
}
