//! Everything the simulated world has stored, by database.
//!
//! It outlives every node. A checker may look at it at any instant between two polls and finds only whole effects.

use doos_domain::action::Action;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::catalog::Product;
use doos_domain::ids::{ActionId, OrderId, ProductId, UserId};
use doos_domain::message::Consumer;
use doos_domain::order::Order;
use doos_domain::payment::MoneyEntry;
use doos_domain::shipping::Shipment;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bus::BusRows;
use crate::carrier::CarrierRows;
use crate::id_marks::MarkRow;
use crate::inbox::InboxRows;
use crate::ledger::StockRows;
use crate::orders::ShardRows;
use crate::outbox::OutboxRows;
use crate::projection::ProjectionRows;
use crate::provider::ProviderRows;

#[derive(Default)]
pub struct Durable {
    pub shards: Vec<ShardRows>,
    pub answers: BTreeMap<AnswerKey, Answer>,
    /// Every committed version of every order, in the order of commit; the change feed.
    pub changes: Vec<Arc<Order>>,
    /// So many of the oldest changes are no longer served.
    pub changes_forgotten: usize,
    pub inboxes: BTreeMap<Consumer, InboxRows>,
    pub outbox: OutboxRows,
    pub bus: BusRows,
    pub stock: StockRows,
    pub money: Vec<MoneyEntry>,
    pub shipments: BTreeMap<OrderId, Shipment>,
    pub actions: BTreeMap<ActionId, Action>,
    pub products: BTreeMap<ProductId, Product>,
    pub product_ids_given: u64,
    pub users: BTreeMap<String, UserId>,
    pub id_marks: BTreeMap<u8, MarkRow>,
    pub statistics: ProjectionRows,
    pub search: ProjectionRows,
    pub provider: ProviderRows,
    pub carrier: CarrierRows,
}

impl Durable {
    pub(crate) fn new(shard_count: usize) -> Self {
        assert!(shard_count > 0, "an order store has at least one shard");
        let shards = (0..shard_count).map(|_| ShardRows::default()).collect();
        let inboxes = Consumer::ALL.into_iter().map(|consumer| (consumer, InboxRows::default())).collect();
        Self { shards, inboxes, ..Self::default() }
    }

    pub fn shard_of(&self, id: OrderId) -> usize {
        usize::from(id.bucket().get()) % self.shards.len()
    }

    pub fn shard(&self, id: OrderId) -> &ShardRows {
        &self.shards[self.shard_of(id)]
    }

    pub(crate) fn shard_mut(&mut self, id: OrderId) -> &mut ShardRows {
        let number = self.shard_of(id);
        &mut self.shards[number]
    }

    pub fn order(&self, id: OrderId) -> Option<&Arc<Order>> {
        self.shard(id).orders.get(&id)
    }

    pub fn orders(&self) -> impl Iterator<Item = &Arc<Order>> {
        self.shards.iter().flat_map(|shard| shard.orders.values())
    }

    pub fn inbox(&self, consumer: Consumer) -> &InboxRows {
        self.inboxes.get(&consumer).expect("every consumer was given an inbox when the world was made")
    }

    /// Whether a consumer is done with a message: read, and neither waiting nor parked.
    pub(crate) fn is_settled(&self, consumer: Consumer, message: &doos_domain::ids::MessageId) -> bool {
        let inbox = self.inbox(consumer);
        let read = self.bus.first_position(consumer, message).is_some_and(|first| first <= inbox.position);
        read && !inbox.waiting.contains_key(message) && !inbox.parked.contains_key(message)
    }
}
