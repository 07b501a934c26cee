//! A payment provider as they are: late, unclear, declining, and fond of calling back twice.
//!
//! What holds: an attempt takes money at most once; what it has promised never to take it never takes; a refund is
//! paid once and never exceeds what was taken. Callbacks are queued here, and the simulation carries them to a node
//! when they are due. Forged callbacks are no business of a provider.

use async_trait::async_trait;
use doos_domain::ids::{AttemptId, OrderId, RefundId};
use doos_domain::money::Money;
use doos_domain::time::Timestamp;
use doos_ports::outside::{AttemptAnswer, Charge, OutsideError, PaymentProvider};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

/// What the provider will tell unasked, when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    pub attempt_id: AttemptId,
    pub order_id: OrderId,
    pub amount: Money,
    pub answer: AttemptAnswer,
}

/// One attempt as the provider keeps it.
#[derive(Clone, Debug)]
pub struct Account {
    pub charge: Charge,
    pub state: AttemptAnswer,
    /// When an open attempt is decided, and whether money will be taken then.
    pub verdict_at: Option<(Timestamp, bool)>,
    pub refunded_minor: i64,
}

#[derive(Default)]
pub struct ProviderRows {
    pub accounts: BTreeMap<AttemptId, Account>,
    pub refunds: BTreeMap<RefundId, Money>,
    callbacks: BTreeMap<(Timestamp, u64), Callback>,
    callbacks_queued: u64,
}

impl ProviderRows {
    fn queue_callback(&mut self, at: Timestamp, callback: Callback) {
        self.callbacks_queued += 1;
        self.callbacks.insert((at, self.callbacks_queued), callback);
    }

    /// An attempt whose time has come is decided before anybody is told anything about it.
    fn decide_due(&mut self, attempt: &AttemptId, now: Timestamp) {
        let Some(account) = self.accounts.get_mut(attempt) else { return };
        let Some((at, taken)) = account.verdict_at else { return };
        if account.state == AttemptAnswer::Open && at <= now {
            account.state = if taken { captured(attempt) } else { declined() };
        }
    }
}

fn captured(attempt: &AttemptId) -> AttemptAnswer {
    AttemptAnswer::Captured { provider_reference: format!("sim:{attempt}") }
}

fn declined() -> AttemptAnswer {
    AttemptAnswer::Closed { cause: "declined".to_owned() }
}

pub struct SimPaymentProvider {
    world: Arc<World>,
}

impl SimPaymentProvider {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    /// Takes the callbacks that are due. Some were lost, some come again.
    pub fn callbacks_due(&self) -> Vec<Callback> {
        let now = self.world.now();
        let mut due = Vec::new();
        let mut durable = self.world.durable();
        let rows = &mut durable.provider;
        while let Some(entry) = rows.callbacks.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let mut callback = entry.remove();
            rows.decide_due(&callback.attempt_id, now);
            if let Some(account) = rows.accounts.get(&callback.attempt_id) {
                callback.answer = account.state.clone();
            }
            due.push(callback);
        }
        due
    }

    /// Waits until a callback is due.
    pub async fn callback_ready(&self) {
        let first = |durable: &Durable| durable.provider.callbacks.keys().next().map(|(at, _)| *at);
        let world = Arc::clone(&self.world);
        self.world.until(|durable| first(durable).is_some_and(|at| at <= world.now()), first).await;
    }

    async fn call<T: Send>(
        &self,
        effect: impl FnOnce(&mut ProviderRows) -> Result<T, OutsideError> + Send,
    ) -> Result<T, OutsideError> {
        let unclear = |cause: String| OutsideError::Unclear(cause);
        self.world.arrive(Part::Provider).await.map_err(|error| unclear(error.to_string()))?;
        if self.world.strikes(self.world.rates().outside_unclear_before) {
            return Err(unclear("timed out".to_owned()));
        }
        let value = self.world.apply(|durable| effect(&mut durable.provider));
        self.world.travel().await;
        if self.world.strikes(self.world.rates().outside_unclear_after) {
            return Err(unclear("timed out".to_owned()));
        }
        value
    }

    fn open_account(&self, rows: &mut ProviderRows, charge: &Charge, now: Timestamp) {
        let rates = self.world.rates();
        let taken = !self.world.strikes(rates.captures_declined);
        let late = self.world.strikes(rates.captures_late);
        let delay_ms = if late { self.world.up_to(rates.capture_delay_max_ms).cast_signed() } else { 0 };
        let verdict_at = now.plus_millis(delay_ms);
        let account = Account {
            charge: charge.clone(),
            state: AttemptAnswer::Open,
            verdict_at: Some((verdict_at, taken)),
            refunded_minor: 0,
        };
        rows.accounts.insert(charge.attempt_id.clone(), account);
        let repeats = u64::from(self.world.strikes(rates.callbacks_repeated)) * self.world.up_to(3);
        let lost = self.world.strikes(rates.callbacks_lost);
        for _ in u64::from(lost)..=repeats {
            let later_ms = self.world.up_to(rates.callback_delay_max_ms).cast_signed();
            let callback = Callback {
                attempt_id: charge.attempt_id.clone(),
                order_id: charge.order_id,
                amount: charge.amount,
                answer: AttemptAnswer::Open,
            };
            rows.queue_callback(verdict_at.plus_millis(later_ms), callback);
        }
    }
}

#[async_trait]
impl PaymentProvider for SimPaymentProvider {
    async fn capture(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        let effect = |rows: &mut ProviderRows| {
            let now = self.world.now();
            if !rows.accounts.contains_key(&charge.attempt_id) {
                self.open_account(rows, charge, now);
            }
            rows.decide_due(&charge.attempt_id, now);
            let account = &rows.accounts[&charge.attempt_id];
            if account.charge.amount != charge.amount {
                return Err(OutsideError::Refused("the same key with another amount".to_owned()));
            }
            Ok(account.state.clone())
        };
        self.call(effect).await
    }

    async fn close(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        let effect = |rows: &mut ProviderRows| {
            rows.decide_due(&charge.attempt_id, self.world.now());
            let unheard_of =
                || Account { charge: charge.clone(), state: AttemptAnswer::Open, verdict_at: None, refunded_minor: 0 };
            let account = rows.accounts.entry(charge.attempt_id.clone()).or_insert_with(unheard_of);
            if account.state == AttemptAnswer::Open {
                account.state = AttemptAnswer::Closed { cause: "closed on request".to_owned() };
            }
            Ok(account.state.clone())
        };
        self.call(effect).await
    }

    async fn query(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        let effect = |rows: &mut ProviderRows| {
            rows.decide_due(&charge.attempt_id, self.world.now());
            let account = rows.accounts.get(&charge.attempt_id);
            // An attempt it never heard of may still be on its way here.
            Ok(account.map_or(AttemptAnswer::Open, |account| account.state.clone()))
        };
        self.call(effect).await
    }

    async fn refund(&self, refund: &RefundId, charge: &Charge) -> Result<String, OutsideError> {
        let effect = |rows: &mut ProviderRows| {
            let number = format!("sim:{refund}");
            if rows.refunds.contains_key(refund) {
                return Ok(number);
            }
            let refused = |why: &str| OutsideError::Refused(why.to_owned());
            let account = rows.accounts.get_mut(&charge.attempt_id).ok_or_else(|| refused("no such attempt"))?;
            let taken = matches!(account.state, AttemptAnswer::Captured { .. });
            let left = account.charge.amount.amount_minor - account.refunded_minor;
            if !taken || charge.amount.amount_minor > left {
                return Err(refused("more than was taken"));
            }
            account.refunded_minor += charge.amount.amount_minor;
            rows.refunds.insert(refund.clone(), charge.amount);
            Ok(number)
        };
        self.call(effect).await
    }
}
