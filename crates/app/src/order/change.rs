//! Load, decide purely, submit; on conflict reload and decide again, a bounded number of times.

use doos_domain::answer::Answer;
use doos_domain::ids::OrderId;
use doos_domain::order::{Order, Outcome, Verdict};
use doos_ports::order_store::{Change, CommitError};
use std::sync::Arc;

use crate::{App, Error, Result};

/// What a decision left behind.
pub(crate) struct Decided {
    pub order: Arc<Order>,
    pub changed: bool,
}

impl App {
    /// Applies `decide` to the order's present state and commits what it says, with the answer made from the result.
    /// `check` sees the order before every decision; it is where callers are told that it is not theirs.
    pub(crate) async fn change_order(
        &self,
        id: OrderId,
        check: impl Fn(&Order) -> Result<()>,
        decide: impl Fn(&Order) -> Verdict,
        answer: impl Fn(&Order) -> Option<Answer>,
    ) -> Result<Decided> {
        for _ in 0..self.options.conflict_tries_max {
            let order = self.ports.orders.load(id).await?.ok_or(Error::NotFound("order"))?;
            check(&order)?;
            let step = match decide(&order)? {
                Outcome::Unchanged => return Ok(Decided { order, changed: false }),
                Outcome::Changed(step) => *step,
            };
            let next = Arc::new(step.order);
            let change = Change {
                expected_version: order.version,
                answer: answer(&next),
                order: Arc::clone(&next),
                messages: step.messages,
                gate_epoch: None,
            };
            match self.writer.commit(change).await {
                Ok(()) => return Ok(Decided { order: next, changed: true }),
                Err(CommitError::Conflict { .. }) => self.counters.conflicts.add(1),
                Err(CommitError::Engine(error)) => return Err(error.into()),
                // A twin in another process was faster; its caller's answer is found on repeat.
                Err(CommitError::Answered(_)) => return Err(Error::InProgress),
                Err(CommitError::Void) => return Err(Error::NotFound("order")),
            }
        }
        Err(Error::Overloaded)
    }
}
