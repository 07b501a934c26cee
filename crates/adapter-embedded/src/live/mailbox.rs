//! One consumer's unread messages: the position of each, and the message itself while it is among the latest.
//!
//! What holds: every message of this consumer after its stored progress is in here, in order, so the lag is exact and
//! a consumer never searches. A message whose body was not kept is read from the journal, or from the database once
//! it is folded. The number is bounded where orders are taken in, not here: a consumer must always be able to cause
//! messages.

use doos_domain::message::Message;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct Unread {
    pub position: u64,
    pub order: u64,
    pub asks_for_stock: bool,
    pub message: Option<Arc<Message>>,
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    unread: VecDeque<Unread>,
    /// How many of the oldest hold no message; the bodies of those behind them are kept.
    kept_max: usize,
    kept: usize,
    progress: u64,
}

impl Mailbox {
    pub fn new(kept_max: usize) -> Self {
        Self { unread: VecDeque::new(), kept_max, kept: 0, progress: 0 }
    }

    /// Everything up to here is settled.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    pub fn push(&mut self, mut unread: Unread) {
        if unread.position <= self.progress {
            return;
        }
        // The oldest kept are read first, so it is the newest that goes without a body.
        if self.kept >= self.kept_max {
            unread.message = None;
        }
        self.kept += usize::from(unread.message.is_some());
        self.unread.push_back(unread);
    }

    /// Progress never goes back.
    pub fn settle(&mut self, position: u64) {
        self.progress = self.progress.max(position);
        while self.unread.front().is_some_and(|unread| unread.position <= self.progress) {
            if let Some(unread) = self.unread.pop_front() {
                self.kept -= usize::from(unread.message.is_some());
            }
        }
    }

    pub fn after(&self, after: u64, limit: usize) -> Vec<Unread> {
        let from = self.unread.partition_point(|unread| unread.position <= after);
        self.unread.range(from..).take(limit).cloned().collect()
    }

    pub fn count(&self) -> usize {
        self.unread.len()
    }

    pub fn first(&self) -> Option<u64> {
        self.unread.front().map(|unread| unread.position)
    }

    pub fn last(&self) -> Option<u64> {
        self.unread.back().map(|unread| unread.position)
    }

    /// Positions and orders of the unread messages that ask for stock.
    pub fn asking_for_stock(&self) -> Vec<(u64, u64)> {
        let asking = self.unread.iter().filter(|unread| unread.asks_for_stock);
        asking.map(|unread| (unread.position, unread.order)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doos_domain::ids::{MessageId, OrderId, UserId};
    use doos_domain::message::{Body, Consumer};
    use doos_domain::time::Timestamp;

    fn unread(position: u64) -> Unread {
        let message = Message {
            id: MessageId::from_text(position.to_string()),
            to: Consumer::Order,
            order_id: OrderId::new(1).unwrap(),
            user_id: UserId::new(1).unwrap(),
            order_version: 1,
            at: Timestamp::from_millis(0),
            trace: None,
            body: Body::ShipmentDelivered {},
        };
        Unread { position, order: 1, asks_for_stock: false, message: Some(Arc::new(message)) }
    }

    fn positions(mailbox: &Mailbox, after: u64, limit: usize) -> Vec<u64> {
        mailbox.after(after, limit).iter().map(|unread| unread.position).collect()
    }

    #[test]
    fn what_is_settled_is_gone_and_never_comes_back() {
        let mut mailbox = Mailbox::new(10);
        for position in [10, 20, 30, 40] {
            mailbox.push(unread(position));
        }
        mailbox.settle(20);
        mailbox.settle(5);
        mailbox.push(unread(15));
        assert_eq!((mailbox.progress(), mailbox.count(), mailbox.first()), (20, 2, Some(30)));
        assert_eq!(positions(&mailbox, 30, 10), [40]);
        assert_eq!(positions(&mailbox, 0, 1), [30]);
    }

    #[test]
    fn only_so_many_bodies_are_kept_and_the_first_to_be_read_are_among_them() {
        let mut mailbox = Mailbox::new(2);
        for position in 1..=4 {
            mailbox.push(unread(position));
        }
        let kept = |mailbox: &Mailbox| mailbox.after(0, 10).iter().map(|u| u.message.is_some()).collect::<Vec<_>>();
        assert_eq!(kept(&mailbox), [true, true, false, false]);
        mailbox.settle(2);
        mailbox.push(unread(5));
        assert_eq!(kept(&mailbox), [false, false, true]);
    }
}
