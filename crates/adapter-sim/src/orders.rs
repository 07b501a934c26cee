//! The order store over any number of shards: rows, voids, stored answers, and each shard's outbox.

use async_trait::async_trait;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::OrderId;
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError, MessageState, OrderStore, Page, Query, Voided};
use doos_ports::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

#[derive(Default)]
pub struct ShardRows {
    pub orders: BTreeMap<OrderId, Arc<Order>>,
    pub voids: BTreeSet<OrderId>,
    pub messages: BTreeMap<OrderId, Vec<Message>>,
}

pub struct SimOrderStore {
    world: Arc<World>,
}

impl SimOrderStore {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    fn part_of(&self, id: OrderId) -> Part {
        Part::OrderShard(self.shard_of(id))
    }

    /// Answers live with their scope, so that the same key always meets itself.
    fn part_of_key(&self, key: &AnswerKey) -> Part {
        let sum: usize = key.scope.bytes().map(usize::from).sum();
        Part::OrderShard(sum % self.world.options.shards)
    }

    async fn commit_in_shard(&self, shard: usize, changes: Vec<Change>) -> Vec<Result<(), CommitError>> {
        let count = changes.len();
        let effect = |durable: &mut Durable| -> Vec<Result<(), CommitError>> {
            changes.into_iter().map(|change| durable.commit(change)).collect()
        };
        match self.world.write(Part::OrderShard(shard), effect).await {
            Ok(results) => results,
            Err(error) => vec![Err(CommitError::Engine(error)); count],
        }
    }

    /// What a cluster does when it dies between two shards: the first shards' changes are there, the progress is not.
    async fn consume_torn(&self, group: Vec<Change>, progress: Progress) -> Result<(), CommitError> {
        self.world.arrive(Part::OrderShard(0)).await?;
        self.world.durable().check_group(&group)?;
        for shard in 0..self.shard_count() {
            let own: Vec<_> = group.iter().filter(|change| self.shard_of(change.order.id) == shard).cloned().collect();
            if own.is_empty() {
                continue;
            }
            self.world.write(Part::OrderShard(shard), |durable| durable.commit_group(own)).await??;
        }
        Ok(self.world.write(Part::OrderShard(0), |durable| durable.settle(Part::OrderShard(0), progress)).await?)
    }

    /// Reads all shards, one after the other; what moves meanwhile may be seen on either side.
    async fn gather_from_shards(&self, wanted: impl Fn(&Durable, &Order) -> bool + Sync) -> Result<Vec<Arc<Order>>> {
        let mut found = Vec::new();
        for shard in 0..self.shard_count() {
            let look = |durable: &Durable| -> Vec<Arc<Order>> {
                let orders = durable.shards[shard].orders.values();
                orders.filter(|order| wanted(durable, order)).cloned().collect()
            };
            found.extend(self.world.read(Part::OrderShard(shard), look).await?);
        }
        found.sort_by_key(|order| order.id);
        Ok(found)
    }
}

#[async_trait]
impl OrderStore for SimOrderStore {
    async fn commit(&self, group: Vec<Change>) -> Vec<Result<(), CommitError>> {
        let places: Vec<usize> = group.iter().map(|change| self.shard_of(change.order.id)).collect();
        let mut by_shard: BTreeMap<usize, Vec<Change>> = BTreeMap::new();
        for (change, shard) in group.into_iter().zip(&places) {
            by_shard.entry(*shard).or_default().push(change);
        }
        let mut results = BTreeMap::new();
        for (shard, changes) in by_shard {
            results.insert(shard, self.commit_in_shard(shard, changes).await.into_iter());
        }
        let result_of = |shard: &usize| results.get_mut(shard).and_then(Iterator::next);
        places.iter().map(result_of).map(|result| result.expect("every change of a shard has its result")).collect()
    }

    async fn consume(&self, group: Vec<Change>, progress: Progress) -> Result<(), CommitError> {
        if self.shard_count() > 1 && self.world.strikes(self.world.rates().consumes_torn) {
            return self.consume_torn(group, progress).await;
        }
        let part = group.first().map_or(Part::OrderShard(0), |change| self.part_of(change.order.id));
        let effect = |durable: &mut Durable| {
            durable.commit_group(group)?;
            durable.settle(part, progress);
            Ok(())
        };
        self.world.write(part, effect).await?
    }

    async fn void(&self, id: OrderId) -> Result<Voided> {
        let effect = |durable: &mut Durable| {
            let shard = durable.shard_mut(id);
            if shard.orders.contains_key(&id) {
                return Voided::Order;
            }
            shard.voids.insert(id);
            Voided::Void
        };
        self.world.write(self.part_of(id), effect).await
    }

    async fn load(&self, id: OrderId) -> Result<Option<Arc<Order>>> {
        self.world.read(self.part_of(id), |durable| durable.order(id).cloned()).await
    }

    async fn find_answer(&self, key: &AnswerKey) -> Result<Option<Answer>> {
        self.world.read(self.part_of_key(key), |durable| durable.answers.get(key).cloned()).await
    }

    async fn remember(&self, answer: Answer) -> Result<Answer> {
        let part = self.part_of_key(&answer.key);
        let effect = |durable: &mut Durable| durable.answers.entry(answer.key.clone()).or_insert(answer).clone();
        self.world.write(part, effect).await
    }

    async fn list(&self, query: Query) -> Result<Page> {
        let wanted = |_: &Durable, order: &Order| {
            query.user_id.is_none_or(|user| order.user_id == user)
                && (query.statuses.is_empty() || query.statuses.contains(&order.status))
                && query.before.is_none_or(|before| order.id < before)
        };
        let mut orders = self.gather_from_shards(wanted).await?;
        orders.reverse();
        orders.truncate(query.limit);
        let full = orders.len() == query.limit;
        let next = orders.last().filter(|_| full).map(|order| order.id);
        Ok(Page { orders, next })
    }

    async fn oldest(
        &self,
        statuses: &[Status],
        created_before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>> {
        let wanted = |_: &Durable, order: &Order| {
            statuses.contains(&order.status)
                && order.created_at < created_before
                && after.is_none_or(|after| order.id > after)
        };
        let mut orders = self.gather_from_shards(wanted).await?;
        orders.truncate(limit);
        Ok(orders)
    }

    async fn messages(&self, id: OrderId) -> Result<Vec<(Message, MessageState)>> {
        let look = |durable: &Durable| -> Vec<_> {
            let messages = durable.shard(id).messages.get(&id).into_iter().flatten();
            messages.map(|message| (message.clone(), durable.state_of(message))).collect()
        };
        self.world.read(self.part_of(id), look).await
    }

    async fn undecided(&self) -> Result<Vec<Arc<Order>>> {
        self.gather_from_shards(|durable, order| durable.is_undecided(order.id)).await
    }

    fn shard_of(&self, id: OrderId) -> usize {
        usize::from(id.bucket().get()) % self.world.options.shards
    }

    fn shard_count(&self) -> usize {
        self.world.options.shards
    }
}

impl Durable {
    fn commit(&mut self, change: Change) -> Result<(), CommitError> {
        self.check_group(std::slice::from_ref(&change))?;
        self.store(change);
        Ok(())
    }

    fn commit_group(&mut self, group: Vec<Change>) -> Result<(), CommitError> {
        self.check_group(&group)?;
        for change in group {
            self.store(change);
        }
        Ok(())
    }

    /// Whether all of a group can be stored, each on top of those before it.
    fn check_group(&self, group: &[Change]) -> Result<(), CommitError> {
        let mut versions: BTreeMap<OrderId, u32> = BTreeMap::new();
        let mut answers: BTreeMap<&AnswerKey, &Answer> = BTreeMap::new();
        for change in group {
            let id = change.order.id;
            if let Some(answer) = &change.answer {
                let first = self.answers.get(&answer.key).or_else(|| answers.get(&answer.key).copied());
                if let Some(first) = first {
                    return Err(CommitError::Answered(Box::new(first.clone())));
                }
                answers.insert(&answer.key, answer);
            }
            if self.shard(id).voids.contains(&id) {
                return Err(CommitError::Void);
            }
            let stored = || self.order(id).map_or(0, |order| order.version);
            let version = versions.get(&id).copied().unwrap_or_else(stored);
            if version != change.expected_version {
                return Err(CommitError::Conflict { expected: change.expected_version });
            }
            if change.order.version != version + 1 {
                let cause = format!("order {id} was to go from version {version} to {}", change.order.version);
                return Err(Error::Broken { engine: "order store", cause }.into());
            }
            versions.insert(id, change.order.version);
        }
        Ok(())
    }

    fn store(&mut self, change: Change) {
        let Change { order, messages, answer, .. } = change;
        let part = Part::OrderShard(self.shard_of(order.id));
        self.changes.push(Arc::clone(&order));
        for message in &messages {
            self.outbox.add(part, message.clone());
        }
        let shard = self.shard_mut(order.id);
        shard.messages.entry(order.id).or_default().extend(messages);
        shard.orders.insert(order.id, order);
        if let Some(answer) = answer {
            self.answers.insert(answer.key.clone(), answer);
        }
    }

    fn state_of(&self, message: &Message) -> MessageState {
        let consumer = message.to;
        if self.inbox(consumer).parked.contains_key(&message.id) {
            MessageState::Failed
        } else if self.is_settled(consumer, &message.id) {
            MessageState::Consumed
        } else if self.outbox.is_open(&message.id) {
            MessageState::Ready
        } else {
            MessageState::Published
        }
    }

    /// A shard knows of a decision only once the order context is done with the outcome.
    fn is_undecided(&self, id: OrderId) -> bool {
        let outcomes = self.bus.outcomes_of(id);
        !outcomes.iter().any(|outcome| self.is_settled(Consumer::Order, outcome))
    }
}

/// Whether this message tells an order its stock's decision.
pub(crate) const fn is_outcome(message: &Message) -> bool {
    matches!(message.body, Body::StockDecided { .. })
}
