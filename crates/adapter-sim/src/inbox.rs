//! Each consumer's memory, in the same database as the effects it speaks of.

use async_trait::async_trait;
use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::Consumer;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::bus::Position;
use doos_ports::inbox::{Backlog, DeadLetter, Inbox, Progress, Waiting};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

#[derive(Default)]
pub struct InboxRows {
    /// The bus has been read up to here.
    pub position: Position,
    pub waiting: BTreeMap<MessageId, Waiting>,
    pub parked: BTreeMap<MessageId, DeadLetter>,
}

impl InboxRows {
    /// The first waiting message of each order, which alone may be tried.
    fn heads(&self) -> impl Iterator<Item = &Waiting> {
        let mut heads: BTreeMap<OrderId, &Waiting> = BTreeMap::new();
        for waiting in self.waiting.values() {
            let head = heads.entry(waiting.message.order_id).or_insert(waiting);
            if waiting.sequence < head.sequence {
                *head = waiting;
            }
        }
        heads.into_values()
    }

    fn of_order(&self, order: OrderId) -> Vec<&Waiting> {
        let mut own: Vec<_> = self.waiting.values().filter(|waiting| waiting.message.order_id == order).collect();
        own.sort_by_key(|waiting| waiting.sequence);
        own
    }
}

impl Durable {
    /// Stores a consumer's progress; whoever calls this stores the effects in the same poll.
    pub(crate) fn settle(&mut self, part: Part, progress: Progress) {
        // What is done is known from the position here.
        let Progress { consumer, position, wait, park, settled, done: _, outgoing } = progress;
        let inbox = self.inboxes.entry(consumer).or_default();
        inbox.position = inbox.position.max(position.unwrap_or_default());
        for id in settled {
            inbox.waiting.remove(&id);
            inbox.parked.remove(&id);
        }
        for waiting in wait {
            inbox.parked.remove(&waiting.message.id);
            inbox.waiting.insert(waiting.message.id.clone(), waiting);
        }
        for letter in park {
            inbox.waiting.remove(&letter.message.id);
            inbox.parked.insert(letter.message.id.clone(), letter);
        }
        for message in outgoing {
            self.outbox.add(part, message);
        }
    }

    /// All parked messages, oldest first.
    pub fn dead_letters(&self) -> Vec<&DeadLetter> {
        let mut letters: Vec<_> = self.inboxes.values().flat_map(|inbox| inbox.parked.values()).collect();
        letters.sort_by_key(|letter| (letter.parked_at, letter.sequence, letter.message.id.clone()));
        letters
    }
}

/// The database in which a consumer keeps its effects.
pub(crate) const fn part_of(consumer: Consumer) -> Part {
    match consumer {
        Consumer::Inventory => Part::Inventory,
        Consumer::Order => Part::OrderShard(0),
        Consumer::Payment => Part::Payments,
        Consumer::Shipping => Part::Shipping,
    }
}

pub struct SimInbox {
    world: Arc<World>,
}

impl SimInbox {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    async fn read<T: Send>(&self, consumer: Consumer, look: impl FnOnce(&InboxRows) -> T + Send) -> Result<T> {
        self.world.read(part_of(consumer), |durable| look(durable.inbox(consumer))).await
    }

    /// Dead letters of all consumers come from all their databases.
    async fn read_all<T: Send>(&self, look: impl FnOnce(&Durable) -> T + Send) -> Result<T> {
        for consumer in Consumer::ALL {
            self.world.arrive(part_of(consumer)).await?;
        }
        self.world.read(Part::OrderShard(0), look).await
    }
}

#[async_trait]
impl Inbox for SimInbox {
    async fn due(&self, consumer: Consumer, now: Timestamp, limit: usize) -> Result<Vec<Waiting>> {
        let look = |inbox: &InboxRows| {
            let mut due: Vec<_> = inbox.heads().filter(|head| head.next_at <= now).cloned().collect();
            due.sort_by_key(|waiting| (waiting.next_at, waiting.sequence));
            due.truncate(limit);
            due
        };
        self.read(consumer, look).await
    }

    async fn next_due(&self, consumer: Consumer) -> Result<Option<Timestamp>> {
        self.read(consumer, |inbox| inbox.heads().map(|head| head.next_at).min()).await
    }

    async fn backlog(&self, consumer: Consumer, order: OrderId) -> Result<Backlog> {
        let look = |inbox: &InboxRows| Backlog {
            waiting: inbox.of_order(order).len(),
            parked: inbox.parked.values().filter(|letter| letter.message.order_id == order).count(),
        };
        self.read(consumer, look).await
    }

    async fn waiting_of(&self, consumer: Consumer, order: OrderId) -> Result<Vec<Waiting>> {
        self.read(consumer, |inbox| inbox.of_order(order).into_iter().cloned().collect()).await
    }

    async fn waiting_count(&self, consumer: Consumer) -> Result<usize> {
        self.read(consumer, |inbox| inbox.waiting.len()).await
    }

    async fn dead_letters(&self, after: Option<MessageId>, limit: usize) -> Result<Vec<DeadLetter>> {
        let look = |durable: &Durable| -> Vec<DeadLetter> {
            let letters = durable.dead_letters();
            let last = after.and_then(|after| letters.iter().position(|letter| letter.message.id == after));
            let first = last.map_or(0, |last| last + 1);
            letters.into_iter().skip(first).take(limit).cloned().collect()
        };
        self.read_all(look).await
    }

    async fn dead_letter(&self, id: &MessageId) -> Result<Option<DeadLetter>> {
        let look = |durable: &Durable| durable.inboxes.values().find_map(|inbox| inbox.parked.get(id)).cloned();
        self.read_all(look).await
    }

    async fn dead_letter_count(&self) -> Result<usize> {
        self.read_all(|durable| durable.inboxes.values().map(|inbox| inbox.parked.len()).sum()).await
    }

    async fn store(&self, progress: Progress) -> Result<()> {
        let part = part_of(progress.consumer);
        self.world.write(part, |durable| durable.settle(part, progress)).await
    }
}
