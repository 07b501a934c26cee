//! The bus: one log a consumer, at least once, with messages that dawdle on their way into it.
//!
//! What holds: what was published gets into the log, whatever happens to the nodes. A message never overtakes one of
//! the same order by the same writer, unless the fault that breaks the contract is asked for. Repeats come at any time.

use async_trait::async_trait;
use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::{Consumer, Message};
use doos_domain::time::Timestamp;
use doos_ports::bus::{Delivery, EventBus, Position, Subscription};
use doos_ports::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::inbox;
use crate::orders::is_outcome;
use crate::world::World;

#[derive(Default)]
pub struct BusRows {
    logs: BTreeMap<Consumer, Vec<Message>>,
    /// Published and not yet in its log, by the time it gets there and the order of publishing.
    in_transit: BTreeMap<(Timestamp, u64), Message>,
    published: u64,
    /// Per writer, order and consumer: when the last message gets there, before which the next one must not.
    last_arrival: BTreeMap<(u32, OrderId, Consumer), Timestamp>,
    first_positions: BTreeMap<(Consumer, MessageId), Position>,
    outcomes: BTreeMap<OrderId, Vec<MessageId>>,
    acknowledged: BTreeMap<Consumer, Position>,
}

impl BusRows {
    /// What has arrived for a consumer; the message at index `n` has position `n + 1`.
    pub fn log(&self, consumer: Consumer) -> &[Message] {
        self.logs.get(&consumer).map_or(&[], Vec::as_slice)
    }

    pub fn in_transit_count(&self) -> usize {
        self.in_transit.len()
    }

    pub(crate) fn first_position(&self, consumer: Consumer, id: &MessageId) -> Option<Position> {
        self.first_positions.get(&(consumer, id.clone())).copied()
    }

    pub(crate) fn outcomes_of(&self, order: OrderId) -> &[MessageId] {
        self.outcomes.get(&order).map_or(&[], Vec::as_slice)
    }

    fn send(&mut self, message: Message, at: Timestamp) {
        self.published += 1;
        self.in_transit.insert((at, self.published), message);
    }

    /// Moves into the logs whatever has got there by now.
    fn take_in(&mut self, now: Timestamp) {
        while let Some(entry) = self.in_transit.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let message = entry.remove();
            let log = self.logs.entry(message.to).or_default();
            let position = Position(log.len() as u64 + 1);
            self.first_positions.entry((message.to, message.id.clone())).or_insert(position);
            if is_outcome(&message) {
                self.outcomes.entry(message.order_id).or_default().push(message.id.clone());
            }
            log.push(message);
        }
    }

    fn next_arrival(&self) -> Option<Timestamp> {
        self.in_transit.keys().next().map(|(at, _)| *at)
    }
}

/// The bus as seen by one writer; what has been published is shared by all.
pub struct SimBus {
    world: Arc<World>,
    writer: u32,
}

impl SimBus {
    pub(crate) const fn new(world: Arc<World>, writer: u32) -> Self {
        Self { world, writer }
    }

    fn send(&self, rows: &mut BusRows, message: Message) {
        let (now, rates) = (self.world.now(), self.world.rates());
        let delayed = |at: Timestamp| at.plus_millis(self.world.up_to(rates.message_delay_max_ms).cast_signed());
        let at = if self.world.strikes(rates.messages_delayed) { delayed(now) } else { now };
        let last = rows.last_arrival.entry((self.writer, message.order_id, message.to)).or_insert(at);
        let overtakes = self.world.strikes(rates.reordered_within_order);
        let at = if overtakes { at } else { at.max(*last) };
        *last = at.max(*last);
        // A copy comes after the message itself, or it would be the one to overtake.
        rows.send(message.clone(), at);
        if self.world.strikes(rates.messages_repeated) {
            rows.send(message, delayed(at));
        }
    }
}

#[async_trait]
impl EventBus for SimBus {
    async fn subscribe(&self, consumer: Consumer) -> Result<Box<dyn Subscription>> {
        let mut subscription = SimSubscription { world: Arc::clone(&self.world), consumer, cursor: Position(0) };
        subscription.rewind().await?;
        Ok(Box::new(subscription))
    }

    /// A lost reply may have lost the end of the group with it.
    async fn publish(&self, messages: Vec<Message>) -> Result<()> {
        self.world.arrive(Part::Bus).await?;
        let broken_off = self.world.strikes(self.world.rates().replies_lost);
        let most = messages.len() as u64;
        let kept = if broken_off { self.world.up_to(most) } else { most };
        let effect = |durable: &mut Durable| {
            for message in messages.into_iter().take(kept as usize) {
                self.send(&mut durable.bus, message);
            }
            durable.bus.take_in(self.world.now());
        };
        self.world.apply(effect);
        self.world.travel().await;
        if broken_off {
            return Err(Error::Unknown { engine: Part::Bus.name(), cause: "the connection broke".to_owned() });
        }
        Ok(())
    }

    async fn lag(&self, consumer: Consumer) -> Result<u64> {
        let look = |durable: &Durable| {
            let coming = durable.bus.in_transit.values().filter(|message| message.to == consumer).count();
            let arrived = durable.bus.log(consumer).len();
            ((coming + arrived) as u64).saturating_sub(durable.inbox(consumer).position.0)
        };
        self.world.read(Part::Bus, look).await
    }
}

struct SimSubscription {
    world: Arc<World>,
    consumer: Consumer,
    /// Handed out up to here.
    cursor: Position,
}

#[async_trait]
impl Subscription for SimSubscription {
    async fn poll(&mut self, limit: usize) -> Result<Vec<Delivery>> {
        self.world.arrive(Part::Bus).await?;
        let mut durable = self.world.durable();
        durable.bus.take_in(self.world.now());
        let log = durable.bus.log(self.consumer);
        let unread = log.iter().zip(1..).skip(self.cursor.0 as usize).take(limit);
        let deliveries: Vec<_> = unread
            .map(|(message, position)| Delivery { position: Position(position), message: message.clone() })
            .collect();
        self.cursor = deliveries.last().map_or(self.cursor, |last| last.position);
        Ok(deliveries)
    }

    async fn ready(&mut self) {
        let (consumer, cursor) = (self.consumer, self.cursor);
        let world = Arc::clone(&self.world);
        let any_unread = |durable: &mut Durable| {
            durable.bus.take_in(world.now());
            durable.bus.log(consumer).len() as u64 > cursor.0
        };
        world.until(any_unread, |durable| durable.bus.next_arrival()).await;
    }

    async fn rewind(&mut self) -> Result<()> {
        let consumer = self.consumer;
        let look = |durable: &Durable| {
            let stored = durable.inbox(consumer).position;
            (stored, durable.bus.acknowledged.get(&consumer).copied().unwrap_or_default())
        };
        let (stored, acknowledged) = self.world.read(inbox::part_of(consumer), look).await?;
        let again = self.world.strikes(self.world.rates().redeliveries);
        self.cursor = if again { acknowledged.min(stored) } else { stored };
        Ok(())
    }

    async fn acknowledge(&mut self, position: Position) -> Result<()> {
        let consumer = self.consumer;
        let effect = |durable: &mut Durable| {
            let acknowledged = durable.bus.acknowledged.entry(consumer).or_default();
            *acknowledged = position.max(*acknowledged);
        };
        self.world.write(Part::Bus, effect).await
    }
}
