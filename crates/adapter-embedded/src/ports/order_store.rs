//! Orders: every change a unit of its own, a consumer's group one unit.

use async_trait::async_trait;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::OrderId;
use doos_domain::message::Message;
use doos_domain::order::{Order, Status};
use doos_domain::stock::DecisionRow;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError, MessageState, OrderStore, Page, Query, Voided};
use std::sync::Arc;

use super::engine_error;
use crate::error::ENGINE;
use crate::shared::{Shared, order_id};
use crate::table::{Key, Table};
use crate::unit::{Refused, Unit};

pub(crate) struct Orders {
    shared: Arc<Shared>,
}

impl Orders {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// Looks for the change's answer here, so that the writer need not.
    fn absence_of_answer(&self, change: &Change) -> Result<u64, CommitError> {
        let Some(answer) = &change.answer else { return Ok(0) };
        let looked = self.shared.answer_or_absence(&answer.key).map_err(doos_ports::Error::from)?;
        looked.map_or_else(Ok, |existing| Err(CommitError::Answered(Box::new(existing))))
    }
}

fn commit_error(refused: Refused) -> CommitError {
    match refused {
        Refused::Conflict { expected } => CommitError::Conflict { expected },
        Refused::Void => CommitError::Void,
        Refused::Answered(answer) => CommitError::Answered(Box::new(Answer::clone(&answer))),
        Refused::Engine(error) => CommitError::Engine(error),
        // Only a void is refused for an order.
        Refused::Order => CommitError::Conflict { expected: 0 },
    }
}

#[async_trait]
impl OrderStore for Orders {
    async fn commit(&self, group: Vec<Change>) -> Vec<Result<(), CommitError>> {
        if let Err(error) = self.shared.check_running().and_then(|()| self.shared.check_room()) {
            return group.iter().map(|_| Err(error.clone().into())).collect();
        }
        let mut results: Vec<Result<(), CommitError>> = Vec::with_capacity(group.len());
        let mut places = Vec::with_capacity(group.len());
        let mut units = Vec::with_capacity(group.len());
        for (place, change) in group.into_iter().enumerate() {
            let absence = self.absence_of_answer(&change);
            results.push(absence.map(|absent_until| {
                places.push(place);
                units.push(Unit::of_change(change, absent_until));
            }));
        }
        if units.is_empty() {
            return results;
        }
        match self.shared.submit(units).await {
            Ok(verdicts) => {
                for (place, verdict) in places.into_iter().zip(verdicts) {
                    results[place] = verdict.map_err(commit_error);
                }
            }
            Err(error) => {
                for place in places {
                    results[place] = Err(error.clone().into());
                }
            }
        }
        results
    }

    async fn consume(&self, group: Vec<Change>, progress: Progress) -> Result<(), CommitError> {
        self.shared.check_running()?;
        let mut unit = Unit::default();
        for change in group {
            let absent_until = self.absence_of_answer(&change)?;
            unit.change(change, absent_until);
        }
        unit.progress(progress);
        if unit.is_empty() {
            return Ok(());
        }
        self.shared.submit_one(unit).await.map_err(commit_error)
    }

    async fn void(&self, id: OrderId) -> Result<Voided> {
        match self.shared.submit_one(Unit::void(id)).await {
            Ok(()) | Err(Refused::Void) => Ok(Voided::Void),
            Err(Refused::Order) => Ok(Voided::Order),
            Err(refused) => Err(engine_error(refused)),
        }
    }

    async fn load(&self, id: OrderId) -> Result<Option<Arc<Order>>> {
        self.shared.check_running()?;
        Ok(self.shared.load(id.get())?)
    }

    async fn find_answer(&self, key: &AnswerKey) -> Result<Option<Answer>> {
        self.shared.check_running()?;
        Ok(self.shared.find_answer(crate::record::key_hash(key), key)?)
    }

    async fn remember(&self, answer: Answer) -> Result<Answer> {
        self.shared.check_running()?;
        let absent_until = match self.shared.answer_or_absence(&answer.key)? {
            Ok(existing) => return Ok(existing),
            Err(absent_until) => absent_until,
        };
        let mut unit = Unit::default();
        unit.answer(answer.clone(), absent_until);
        match self.shared.submit_one(unit).await {
            Ok(()) => Ok(answer),
            Err(Refused::Answered(existing)) => Ok(Answer::clone(&existing)),
            Err(refused) => Err(engine_error(refused)),
        }
    }

    async fn list(&self, query: Query) -> Result<Page> {
        self.shared.check_running()?;
        Ok(self.shared.list(&query)?)
    }

    async fn oldest(
        &self,
        statuses: &[Status],
        created_before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>> {
        self.shared.check_running()?;
        let after = after.map_or(0, OrderId::get);
        Ok(self.shared.oldest(statuses, created_before.as_millis(), after, limit)?)
    }

    async fn messages(&self, id: OrderId) -> Result<Vec<(Message, MessageState)>> {
        self.shared.check_running()?;
        Ok(self.shared.messages_of(id.get())?)
    }

    async fn undecided(&self) -> Result<Vec<Arc<Order>>> {
        self.shared.check_running()?;
        let mut undecided = Vec::new();
        for id in self.shared.possibly_undecided() {
            let decision: Option<DecisionRow> = self.shared.doc(Table::Decision, &Key::number(id))?;
            if decision.is_some() {
                continue;
            }
            match self.shared.load(order_id(id)?.get())? {
                Some(order) => undecided.push(order),
                None => {
                    let cause = format!("inventory was asked about order {id}, which does not exist");
                    return Err(doos_ports::Error::Broken { engine: ENGINE, cause });
                }
            }
        }
        Ok(undecided)
    }
}
