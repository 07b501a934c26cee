//! The moves a caller may ask for: cancel, pay, ship, deliver, return.
//!
//! What holds: who may ask is checked here, what may happen is decided in `domain`. `:pay` writes the attempt, then
//! waits a bounded time for the payment role's word; unknown is a success without an outcome, never a failure.

use doos_domain::action::Deed;
use doos_domain::actor::Cause;
use doos_domain::answer::Answer;
use doos_domain::ids::OrderId;
use doos_domain::order::{Order, Status, Verdict};
use doos_domain::payment::AttemptState;
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::actions::{Asked, Plan};
use crate::keys::{Arrival, Key};
use crate::{App, Error, Principal, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    Cancel,
    Pay,
    /// Shipped by hand; the tracking number if there is one.
    Ship {
        tracking: Option<String>,
    },
    Deliver,
    Return,
}

pub struct Steer {
    pub principal: Principal,
    pub order_id: OrderId,
    pub verb: Verb,
    pub key: Option<Key>,
    pub trace: Option<String>,
    pub render: fn(&Order) -> String,
}

/// Conditions a group of moves may set for each of its orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Refuse unless the order has this version.
    pub expected_version: Option<u32>,
    /// The caller's words for the history.
    pub reason: Option<String>,
}

pub enum Moved {
    /// Where the order stands now. `settled` is false while the provider has not said what became of a payment.
    Now {
        order: Arc<Order>,
        settled: bool,
    },
    Before(Answer),
}

impl App {
    pub async fn steer(&self, call: Steer) -> Result<Moved> {
        self.steer_on(call, &Terms::default()).await
    }

    pub async fn steer_on(&self, call: Steer, terms: &Terms) -> Result<Moved> {
        if matches!(call.verb, Verb::Ship { .. } | Verb::Deliver) {
            call.principal.check_back_office()?;
        }
        let place = match self.arrive(call.key.as_ref()).await? {
            Arrival::Replay(answer) => return Ok(Moved::Before(answer)),
            Arrival::First(place) => place,
        };
        let moved = if call.principal.is_operator() {
            // A customer's moves stand in the order's history; what an operator does is asked after across orders.
            let asked = Asked::from(call.principal.clone()).traced(call.trace.clone());
            self.recorded(&asked, plan(&call, terms), self.do_move(&call, terms)).await
        } else {
            self.do_move(&call, terms).await
        };
        drop(place);
        moved
    }

    async fn do_move(&self, call: &Steer, terms: &Terms) -> Result<Moved> {
        match call.verb {
            Verb::Pay => self.pay(call, terms).await,
            _ => self.make_move(call, terms).await,
        }
    }

    async fn make_move(&self, call: &Steer, terms: &Terms) -> Result<Moved> {
        let decided = self
            .change_order(
                call.order_id,
                |order| check(call, terms, order),
                |order| decide(call, order, self.options.return_window(), &self.cause(call, terms, order)),
                |order| call.key.as_ref().map(|key| key.answer(200, (call.render)(order), self.ports.clock.now())),
            )
            .await?;
        if decided.changed && decided.order.status == Status::Cancelled {
            self.counters.orders_cancelled.add(1);
        }
        if !decided.changed {
            // Done before, under another key or none: remembered, so that this key too keeps its answer.
            return self.remember_answer(call, decided.order).await;
        }
        Ok(Moved::Now { order: decided.order, settled: true })
    }

    async fn pay(&self, call: &Steer, terms: &Terms) -> Result<Moved> {
        let key = call.key.as_ref().map(|Key { key, .. }| format!("{}/{}", key.scope, key.key));
        let decided = self
            .change_order(
                call.order_id,
                |order| check(call, terms, order),
                |order| order.pay(key.as_deref(), &self.cause(call, terms, order)),
                |_| None,
            )
            .await;
        let decided = match decided {
            // Under a key this may be the repeat of a call that was answered 202: what it asked for is done.
            Err(Error::AlreadyPaid) if call.key.is_some() => {
                let order = self.read_order(&call.principal, call.order_id).await?;
                return self.remember_answer(call, order).await;
            }
            decided => decided?,
        };
        let order = self.await_payment(decided.order).await?;
        match order.money.attempt.as_ref().map(|attempt| attempt.state) {
            _ if matches!(order.status, Status::Cancelled | Status::Returned) => {
                Err(Error::IllegalMove("the order was cancelled; what was paid for it goes back".to_owned()))
            }
            Some(AttemptState::Captured) => self.remember_answer(call, order).await,
            Some(AttemptState::Closed) => Err(Error::IllegalMove("the provider declined the payment".to_owned())),
            _ => Ok(Moved::Now { order, settled: false }),
        }
    }

    /// The order once its attempt has an outcome, or as it is when the wait is over.
    async fn await_payment(&self, mut order: Arc<Order>) -> Result<Arc<Order>> {
        let id = order.id;
        let mut over = self.ports.clock.sleep(Duration::from_millis(self.options.pay_wait_ms));
        loop {
            // Watching starts before looking, so that a move in between is not missed.
            let moved = self.watchers.watch(id, &*self.ports.clock);
            order = self.ports.orders.load(id).await?.unwrap_or(order);
            if order.money.open_attempt().is_none() {
                break;
            }
            over = match select(pin!(moved), over).await {
                Either::Left(((), over)) => over,
                Either::Right(_) => break,
            };
        }
        self.watchers.forget(id);
        Ok(order)
    }

    async fn remember_answer(&self, call: &Steer, order: Arc<Order>) -> Result<Moved> {
        let Some(key) = &call.key else { return Ok(Moved::Now { order, settled: true }) };
        let answer = key.answer(200, (call.render)(&order), self.ports.clock.now());
        let first = self.ports.orders.remember(answer.clone()).await?;
        if first == answer {
            return Ok(Moved::Now { order, settled: true });
        }
        key.replay(first).map(Moved::Before)
    }

    fn cause(&self, call: &Steer, terms: &Terms, order: &Order) -> Cause {
        let actor = call.principal.actor(order.user_id);
        Cause::new(self.ports.clock.now(), actor).traced(call.trace.clone()).because(terms.reason.clone())
    }
}

fn plan(call: &Steer, terms: &Terms) -> Plan {
    let (deed, tracking) = match &call.verb {
        Verb::Cancel => (Deed::CancelOrder, None),
        Verb::Pay => (Deed::PayOrder, None),
        Verb::Ship { tracking } => (Deed::ShipOrder, tracking.as_ref()),
        Verb::Deliver => (Deed::DeliverOrder, None),
        Verb::Return => (Deed::ReturnOrder, None),
    };
    Plan::new(deed, call.order_id).with("tracking", tracking).with("reason", terms.reason.as_ref())
}

/// Seen before every decision, so the compare-and-set makes it hold for what is committed.
fn check(call: &Steer, terms: &Terms, order: &Order) -> Result<()> {
    call.principal.check_sees(order)?;
    match terms.expected_version {
        Some(expected) if expected != order.version => {
            Err(Error::IllegalMove(format!("the order is at version {}, not {expected}", order.version)))
        }
        _ => Ok(()),
    }
}

fn decide(call: &Steer, order: &Order, return_window_ms: i64, cause: &Cause) -> Verdict {
    match &call.verb {
        Verb::Cancel => order.cancel(cause),
        Verb::Pay => order.pay(None, cause),
        Verb::Ship { tracking } => order.ship(tracking.as_deref().unwrap_or("by-hand"), "shipped_by_hand", cause),
        Verb::Deliver => order.deliver(cause),
        Verb::Return => order.take_back(return_window_ms, cause),
    }
}
