//! Messages committed in any of the databases and not yet marked as published.

use async_trait::async_trait;
use doos_domain::ids::MessageId;
use doos_domain::message::Message;
use doos_domain::time::Timestamp;
use doos_ports::outbox::Outbox;
use doos_ports::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::{World, unavailable};

/// One row of an outbox, with the database it is in.
pub struct OpenMessage {
    pub part: Part,
    pub message: Message,
}

/// All databases' open messages, in the order in which they were committed.
#[derive(Default)]
pub struct OutboxRows {
    pub open: BTreeMap<u64, OpenMessage>,
    numbers: BTreeMap<MessageId, u64>,
    last_number: u64,
}

impl OutboxRows {
    /// A message already open stays where it is; one that was published before is open again.
    pub(crate) fn add(&mut self, part: Part, message: Message) {
        if self.numbers.contains_key(&message.id) {
            return;
        }
        self.last_number += 1;
        self.numbers.insert(message.id.clone(), self.last_number);
        self.open.insert(self.last_number, OpenMessage { part, message });
    }

    pub fn is_open(&self, id: &MessageId) -> bool {
        self.numbers.contains_key(id)
    }

    fn find(&self, id: &MessageId) -> Option<(u64, Part)> {
        let number = *self.numbers.get(id)?;
        self.open.get(&number).map(|open| (number, open.part))
    }

    fn close(&mut self, id: &MessageId) {
        if let Some(number) = self.numbers.remove(id) {
            self.open.remove(&number);
        }
    }
}

pub struct SimOutbox {
    world: Arc<World>,
}

impl SimOutbox {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    fn is_away(&self, part: Part) -> bool {
        self.world.options.faults.is_away(part, self.world.now())
    }
}

#[async_trait]
impl Outbox for SimOutbox {
    /// A database that is away hands out nothing and does not keep the others from it.
    async fn open(&self, _now: Timestamp, limit: usize) -> Result<Vec<Message>> {
        self.world.travel().await;
        if self.world.strikes(self.world.rates().calls_failed) {
            return Err(unavailable(Part::OrderShard(0), "the call did not get there"));
        }
        let open = {
            let durable = self.world.durable();
            let there = durable.outbox.open.values().filter(|open| !self.is_away(open.part));
            there.take(limit).map(|open| open.message.clone()).collect()
        };
        self.world.travel().await;
        Ok(open)
    }

    async fn mark_published(&self, ids: Vec<MessageId>, _now: Timestamp) -> Result<()> {
        self.world.travel().await;
        let rates = self.world.rates();
        if self.world.strikes(rates.calls_failed) {
            return Err(unavailable(Part::OrderShard(0), "the call did not get there"));
        }
        let close = |durable: &mut Durable| {
            for id in ids {
                let Some((_, part)) = durable.outbox.find(&id) else { continue };
                if !self.is_away(part) && !self.world.strikes(rates.marks_lost) {
                    durable.outbox.close(&id);
                }
            }
        };
        self.world.apply(close);
        self.world.travel().await;
        if self.world.strikes(rates.replies_lost) {
            let cause = "the reply was lost".to_owned();
            return Err(Error::Unknown { engine: Part::OrderShard(0).name(), cause });
        }
        Ok(())
    }

    async fn ready(&self) {
        let any_there = |durable: &mut Durable| durable.outbox.open.values().any(|open| !self.is_away(open.part));
        // A database that comes back rings no bell, so it is asked after every second of virtual time.
        let again_at = |durable: &Durable| {
            let waiting = !durable.outbox.open.is_empty();
            waiting.then(|| self.world.now().plus_millis(1_000))
        };
        self.world.until(any_there, again_at).await;
    }
}
