//! Who is handled now and who waits behind whom.
//!
//! What holds: per order, messages are handled in the order in which they came; what is behind a waiting message waits,
//! what is behind a parked one is parked with it, and only a release passes a parked one.

use doos_domain::message::{Consumer, Message};
use doos_domain::time::Timestamp;
use doos_ports::bus::{Delivery, Position};
use doos_ports::inbox::{DeadLetter, Inbox, Progress, Waiting};
use std::collections::{BTreeMap, BTreeSet};

use super::Task;

/// A message to be handled now.
#[derive(Clone)]
pub(super) struct Item {
    pub message: Message,
    pub tries: u32,
    pub sequence: u64,
    /// It comes out of the inbox, not off the bus.
    pub was_waiting: bool,
}

/// One group: the first message of each order, and those that must stand back.
#[derive(Clone, Default)]
pub(super) struct Line {
    pub first: Vec<Item>,
    /// Behind a message of the same order that waits, or is handled in this very group.
    behind: Vec<Item>,
    /// Behind a parked one.
    blocked: Vec<Item>,
    position: Option<Position>,
}

impl Line {
    pub(super) async fn form(
        inbox: &dyn Inbox,
        consumer: Consumer,
        due: Vec<Waiting>,
        fresh: Vec<Delivery>,
    ) -> doos_ports::Result<Self> {
        let mut line = Self::default();
        let mut orders = BTreeSet::new();
        for waiting in due {
            orders.insert(waiting.message.order_id);
            let Waiting { message, sequence, tries, .. } = waiting;
            line.first.push(Item { message, tries, sequence, was_waiting: true });
        }
        let ordered: Vec<_> = fresh.iter().map(|delivery| delivery.message.order_id).collect();
        let backlogs = if ordered.is_empty() { BTreeMap::new() } else { inbox.backlogs(consumer, &ordered).await? };
        for delivery in fresh {
            line.position = Some(delivery.position);
            let message = delivery.message;
            let order = message.order_id;
            let item = Item { message, tries: 0, sequence: delivery.position.0, was_waiting: false };
            let backlog = backlogs.get(&order).copied().unwrap_or_default();
            if backlog.parked > 0 && !item.message.body.passes_parked() {
                line.blocked.push(item);
            } else if backlog.waiting > 0 || !orders.insert(order) {
                line.behind.push(item);
            } else {
                line.first.push(item);
            }
        }
        Ok(line)
    }

    pub(super) fn tasks(&self) -> Vec<Task> {
        self.first.iter().map(|item| Task { message: item.message.clone(), tries: item.tries }).collect()
    }

    /// The progress of everything but the first ones.
    pub(super) fn progress_base(&self, consumer: Consumer, now: Timestamp) -> Progress {
        let mut progress = Progress::new(consumer);
        progress.position = self.position;
        progress.wait = self.behind.iter().map(|item| item.waiting(0, now, "behind another message")).collect();
        progress.park = self.blocked.iter().map(|item| item.dead_letter(consumer, BEHIND, now)).collect();
        progress
    }

    /// The same line in groups of one; the position moves with the last, so that nothing is skipped if this ends early.
    pub(super) fn into_singles(self) -> Vec<Self> {
        let mut singles: Vec<_> =
            self.first.into_iter().map(|item| Self { first: vec![item], ..Self::default() }).collect();
        singles.push(Self { first: Vec::new(), behind: self.behind, blocked: self.blocked, position: self.position });
        singles
    }
}

const BEHIND: &str = "behind a parked message of the same order";

impl Item {
    pub(super) fn waiting(&self, tries: u32, next_at: Timestamp, cause: &str) -> Waiting {
        let (message, sequence) = (self.message.clone(), self.sequence);
        Waiting { message, sequence, tries, next_at, cause: cause.to_owned() }
    }

    pub(super) fn dead_letter(&self, consumer: Consumer, cause: &str, now: Timestamp) -> DeadLetter {
        let (message, sequence) = (self.message.clone(), self.sequence);
        DeadLetter { consumer, message, sequence, tries: self.tries + 1, cause: cause.to_owned(), parked_at: now }
    }
}

pub(super) fn park_behind(consumer: Consumer, waiting: Waiting, now: Timestamp) -> DeadLetter {
    let Waiting { message, sequence, tries, .. } = waiting;
    DeadLetter { consumer, message, sequence, tries, cause: BEHIND.to_owned(), parked_at: now }
}
