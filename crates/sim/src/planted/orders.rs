//! An order store that loses, repeats or invents a part of what it is given.

use async_trait::async_trait;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{OrderId, RefundId};
use doos_domain::message::{Body, Message};
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError, MessageState, OrderStore, Page, Query, Voided};
use doos_ports::{Error, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Bug, Place};

pub(super) struct BuggyOrders {
    inner: Arc<dyn OrderStore>,
    bug: Bug,
    place: Place,
    /// What was asked to be stored, for readers who see too much.
    asked: Mutex<BTreeMap<OrderId, Arc<Order>>>,
}

impl BuggyOrders {
    pub(super) fn new(inner: Arc<dyn OrderStore>, bug: Bug, place: Place) -> Self {
        Self { inner, bug, place, asked: Mutex::default() }
    }

    fn spoil(&self, mut change: Change) -> Change {
        let forget = |messages: &mut Vec<Message>, event: &str| messages.retain(|m| m.body.event() != event);
        match self.bug {
            Bug::ForgetAnswer => change.answer = None,
            Bug::ForgetRelease => forget(&mut change.messages, "ReleaseStock"),
            Bug::ForgetClosing => forget(&mut change.messages, "ClosePayment"),
            Bug::ForgetRecall => forget(&mut change.messages, "RecallShipment"),
            Bug::ForgetRefund => {
                forget(&mut change.messages, "RefundPayment");
                let mut order = Order::clone(&change.order);
                order.money.refunds.clear();
                change.order = Arc::new(order);
            }
            Bug::RefundTwice => refund_again(&mut change),
            Bug::WrongTotal if change.expected_version == 0 => {
                let mut order = Order::clone(&change.order);
                order.total.amount_minor -= 1;
                change.order = Arc::new(order);
            }
            _ => {}
        }
        change
    }

    /// The store has said what became of these; readers see the stored rows again.
    fn answered(&self, ids: &[OrderId]) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|id, _| !ids.contains(id));
    }

    fn spoil_all(&self, group: Vec<Change>) -> Vec<Change> {
        let group: Vec<_> = group.into_iter().map(|change| self.spoil(change)).collect();
        if self.bug == Bug::ReaderSeesUncommitted {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.extend(group.iter().map(|change| (change.order.id, Arc::clone(&change.order))));
        }
        group
    }
}

/// The second one has an id of its own, so that nobody takes it for a repeat.
fn refund_again(change: &mut Change) {
    let again = change.messages.iter().find_map(|message| match &message.body {
        Body::RefundPayment { attempt_id, amount, .. } => {
            let refund_id = RefundId::from_text(format!("again_{}", message.order_id));
            let body = Body::RefundPayment { refund_id, attempt_id: attempt_id.clone(), amount: *amount };
            let id = doos_domain::ids::MessageId::from_text(format!("{}.again", message.id));
            Some(Message { id, body, ..message.clone() })
        }
        _ => None,
    });
    change.messages.extend(again);
}

#[async_trait]
impl OrderStore for BuggyOrders {
    async fn commit(&self, group: Vec<Change>) -> Vec<Result<(), CommitError>> {
        let group = self.spoil_all(group);
        if self.bug == Bug::AcknowledgeBeforeCommit {
            let told = group.iter().map(|_| Ok(())).collect();
            let (inner, place) = (Arc::clone(&self.inner), self.place.clone());
            self.place.executor.spawn(self.place.node, async move {
                place.executor.sleep(100).await;
                let _ = inner.commit(group).await;
            });
            return told;
        }
        let ids: Vec<OrderId> = group.iter().map(|change| change.order.id).collect();
        let results = self.inner.commit(group).await;
        self.answered(&ids);
        if self.bug != Bug::TakeUnknownForRefused {
            return results;
        }
        let refused = |result| match result {
            Err(CommitError::Engine(Error::Unknown { engine, cause })) => {
                Err(CommitError::Engine(Error::Unavailable { engine, cause }))
            }
            result => result,
        };
        results.into_iter().map(refused).collect()
    }

    async fn consume(&self, group: Vec<Change>, progress: Progress) -> Result<(), CommitError> {
        let mut group = self.spoil_all(group);
        if self.bug == Bug::ProgressWithoutEffects && self.place.executor.up_to(4) == 0 {
            group.clear();
        }
        let ids: Vec<OrderId> = group.iter().map(|change| change.order.id).collect();
        let result = self.inner.consume(group, progress).await;
        self.answered(&ids);
        result
    }

    async fn void(&self, id: OrderId) -> Result<Voided> {
        if self.bug == Bug::VoidNotStored && self.inner.load(id).await?.is_none() {
            return Ok(Voided::Void);
        }
        self.inner.void(id).await
    }

    async fn load(&self, id: OrderId) -> Result<Option<Arc<Order>>> {
        let stored = self.inner.load(id).await?;
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let newer = asked.filter(|asked| stored.as_ref().is_none_or(|stored| stored.version < asked.version));
        Ok(newer.or(stored).map(|order| resurrected(self.bug, order)))
    }

    async fn find_answer(&self, key: &AnswerKey) -> Result<Option<Answer>> {
        self.inner.find_answer(key).await
    }

    async fn remember(&self, answer: Answer) -> Result<Answer> {
        self.inner.remember(answer).await
    }

    async fn list(&self, query: Query) -> Result<Page> {
        self.inner.list(query).await
    }

    async fn oldest(
        &self,
        statuses: &[Status],
        created_before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>> {
        self.inner.oldest(statuses, created_before, after, limit).await
    }

    async fn messages(&self, id: OrderId) -> Result<Vec<(Message, MessageState)>> {
        self.inner.messages(id).await
    }

    async fn undecided(&self) -> Result<Vec<Arc<Order>>> {
        self.inner.undecided().await
    }

    fn shard_of(&self, id: OrderId) -> usize {
        self.inner.shard_of(id)
    }

    fn shard_count(&self) -> usize {
        self.inner.shard_count()
    }
}

/// A state machine that applies an effect it has applied before: a captured attempt looks as if it still were open.
fn resurrected(bug: Bug, order: Arc<Order>) -> Arc<Order> {
    let captured = order
        .money
        .attempt
        .as_ref()
        .is_some_and(|attempt| attempt.state == doos_domain::payment::AttemptState::Captured);
    if bug != Bug::EffectsAgain || !captured {
        return order;
    }
    let mut order = Order::clone(&order);
    if let Some(attempt) = &mut order.money.attempt {
        attempt.state = doos_domain::payment::AttemptState::Capturing;
    }
    Arc::new(order)
}
