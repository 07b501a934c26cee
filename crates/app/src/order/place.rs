//! The path of an order up to its answer: price, hold, commit.
//!
//! What holds: the order's id exists before its hold, and the hold carries the id; the order, its message and its
//! stored answer are committed together before anybody is told; only a definite refusal gives the hold back. If the
//! outcome is unknown the hold stands, the caller gets a retryable refusal under the same key, and `timeouts` asks the
//! store to void the id once the hold's deadline has passed.
//!
//! Placing must be carried through by whoever calls it: a client that hangs up leaves nothing half done.

use doos_domain::actor::{Actor, Cause};
use doos_domain::answer::Answer;
use doos_domain::ids::UserId;
use doos_domain::order::{ADDRESS_CHARS_MAX, Order};
use doos_domain::pricing::{self, Quote, WantedLine};
use doos_ports::order_store::{Change, CommitError};
use doos_ports::stock_gate::{Hold, HoldError};
use std::sync::Arc;
use tracing::Instrument;

use crate::keys::{Arrival, Key};
use crate::{App, Error, Result};

pub struct PlaceOrder {
    pub user_id: UserId,
    pub actor: Actor,
    pub lines: Vec<WantedLine>,
    pub address: Option<String>,
    pub coupon: Option<String>,
    pub key: Option<Key>,
    pub trace: Option<String>,
    /// Makes the body of the answer, which is stored with the order.
    pub render: fn(&Order) -> String,
}

pub enum Placed {
    /// Just now, with the body of the answer if one was made to be stored.
    Now(Arc<Order>, Option<String>),
    /// What the first call with this key was told.
    Before(Answer),
}

impl App {
    pub async fn place(&self, call: PlaceOrder) -> Result<Placed> {
        let span = tracing::debug_span!("place", user_id = %call.user_id);
        let placed = self.place_once(&call).instrument(span).await;
        match &placed {
            Ok(Placed::Now(..)) => self.counters.orders_placed.add(1),
            Ok(Placed::Before(_)) => {}
            Err(_) => self.counters.orders_refused.add(1),
        }
        placed
    }

    async fn place_once(&self, call: &PlaceOrder) -> Result<Placed> {
        let place = match self.arrive(call.key.as_ref()).await? {
            Arrival::Replay(answer) => return Ok(Placed::Before(answer)),
            Arrival::First(place) => place,
        };
        let quote = self.quote(call)?;
        let id = self.ids.next(call.user_id).await?;
        let cause = Cause::new(self.ports.clock.now(), call.actor.clone()).traced(call.trace.clone());
        let deadline_ms = i64::try_from(self.options.hold_deadline_ms).unwrap_or(i64::MAX);
        let hold = Hold {
            order_id: id,
            lines: quote.demands(),
            key: call.key.as_ref().map(|key| key.key.clone()),
            deadline: cause.at.plus_millis(deadline_ms),
        };
        let held = self.ports.gate.hold_in_epoch(hold).instrument(tracing::debug_span!("charge_stock")).await;
        let gate_epoch = match held {
            Ok(epoch) => epoch,
            Err(HoldError::Short(lines)) => return Err(Error::OutOfStock(lines)),
            Err(HoldError::InProgress(_)) => return self.find_first_answer(call).await,
            Err(HoldError::Engine(error)) => return Err(error.into()),
        };
        self.counters.stock_held.add(1);
        let step = Order::place(id, call.user_id, quote, call.address.clone(), &cause);
        let order = Arc::new(step.order);
        let body = call.key.as_ref().map(|_| (call.render)(&order));
        let answer = call.key.as_ref().zip(body.clone()).map(|(key, body)| key.answer(201, body, cause.at));
        let messages = step.messages;
        let change = Change { expected_version: 0, order: Arc::clone(&order), messages, answer, gate_epoch };
        let outcome = self.writer.commit(change).instrument(tracing::debug_span!("store_order")).await;
        drop(place);
        match outcome {
            Ok(()) => Ok(Placed::Now(order, body)),
            Err(CommitError::Engine(error)) if !error.outcome_is_known() => {
                Err(Error::OutcomeUnknown { order_id: Some(id) })
            }
            Err(refused) => {
                self.ports.gate.release(id).await?;
                self.explain(refused, call)
            }
        }
    }

    fn quote(&self, call: &PlaceOrder) -> Result<Quote> {
        if call.address.as_ref().is_some_and(|address| address.chars().count() > ADDRESS_CHARS_MAX) {
            return Err(Error::Invalid(format!("an address has at most {ADDRESS_CHARS_MAX} characters")));
        }
        let products = self.catalog.all();
        let quote = pricing::quote(&call.lines, |id| products.get(&id).map(AsRef::as_ref), self.options.pricing())?;
        match &call.coupon {
            Some(coupon) => Err(Error::UnknownCoupon(coupon.chars().take(64).collect())),
            None => Ok(quote),
        }
    }

    /// A hold stands under this key: its call is in flight elsewhere, or its outcome was unknown. Never a refusal for
    /// stock.
    async fn find_first_answer(&self, call: &PlaceOrder) -> Result<Placed> {
        let Some(key) = &call.key else { return Err(Error::InProgress) };
        match self.ports.orders.find_answer(&key.key).await? {
            Some(answer) => key.replay(answer).map(Placed::Before),
            None => Err(Error::InProgress),
        }
    }

    /// A definite refusal of the store, the hold given back.
    fn explain(&self, refused: CommitError, call: &PlaceOrder) -> Result<Placed> {
        match (refused, &call.key) {
            (CommitError::Answered(answer), Some(key)) => key.replay(*answer).map(Placed::Before),
            (CommitError::Engine(error), _) => Err(error.into()),
            // The id was given up because this took longer than the hold may stand.
            (CommitError::Void, _) => Err(Error::Overloaded),
            (refused, _) => Err(Error::Broken { cause: format!("a new order met: {refused}") }),
        }
    }
}
