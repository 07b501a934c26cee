//! The payment provider: takes money once per attempt, gives it back once per refund, and calls the shop back.
//!
//! What holds: an attempt is settled once, as captured or as closed, and stays so for ever, also over a restart. What
//! is refunded never exceeds what was captured. Callbacks are signed at each sending, repeated until they are
//! accepted, and may be late, doubled, out of order or lost: they are not kept over a restart, so a shop that never
//! asks will sooner or later miss one.
//!
//! What must never happen: a callback for what a crash could still undo; a forged callback that carries a true
//! signature.
//!
//! Where to read next: `books` for the rules, `notice` for what a callback says, `outgoing` for when it is sent.

mod books;
mod notice;
mod options;
mod outgoing;

pub use notice::{Callback, CallbackBody, CallbackEvent};
pub use options::{CALLBACK_RETRY_MS, ProviderOptions};

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use doos_domain::ids::RefundId;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::outside::{AttemptAnswer, Charge, OutsideError, PaymentProvider};
use futures::future::{Either, select};
use futures::stream::{self, StreamExt};
use tokio::sync::Notify;

use crate::desk::{Decision, Desk};
use crate::log::OpenError;
use crate::wire::Wire;
use books::{Event, MoneyBooks};
use notice::Notice;
use outgoing::{Outgoing, Slot};

/// The file in the directory given to [`StandinProvider::open`].
pub const LOG_FILE: &str = "provider.log";

/// How many due callbacks one round takes up.
const ROUND_LEN_MAX: usize = 1_024;

/// Where callbacks go: the shop's own callback address, or anything a test puts in its place.
#[async_trait]
pub trait CallbackSink: Send + Sync {
    async fn post(&self, callback: Callback) -> Receipt;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The shop has it, durably.
    Accepted,
    /// Turned down, or nobody there: it is sent again.
    Refused,
}

/// What one round of sending did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    pub sent: usize,
    /// When the next one is due, if one is waiting and can be sent.
    pub next_due: Option<Timestamp>,
}

pub struct StandinProvider {
    options: ProviderOptions,
    wire: Wire,
    desk: Desk<MoneyBooks>,
    outgoing: Mutex<Outgoing>,
    /// One round at a time, or a callback would be sent by two.
    delivering: tokio::sync::Mutex<()>,
    waiting_changed: Notify,
}

impl StandinProvider {
    /// Its books live as long as the value.
    pub fn new(options: ProviderOptions, clock: Arc<dyn Clock>) -> Self {
        Self::at(Desk::default(), options, clock)
    }

    /// Its books are the file [`LOG_FILE`] in this directory, which nobody else may have open.
    pub fn open(options: ProviderOptions, clock: Arc<dyn Clock>, directory: &Path) -> Result<Self, OpenError> {
        Ok(Self::at(Desk::open(&directory.join(LOG_FILE))?, options, clock))
    }

    fn at(desk: Desk<MoneyBooks>, options: ProviderOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            wire: Wire::new(clock, options.latency_ms, options.unclear_per_mille, options.outage),
            desk,
            outgoing: Mutex::new(Outgoing::new(options.callbacks_waiting_max)),
            delivering: tokio::sync::Mutex::new(()),
            waiting_changed: Notify::new(),
            options,
        }
    }

    /// Takes the provider off the net, or puts it back. While it is off it sends no callbacks either.
    pub fn set_outage(&self, outage: bool) {
        self.wire.set_outage(outage);
        self.waiting_changed.notify_one();
    }

    /// How many callbacks wait to be sent or to be sent again.
    pub fn callbacks_waiting(&self) -> usize {
        self.outgoing().len()
    }

    /// How many callbacks were given up, because too many waited or nobody accepted them to the end of the schedule.
    pub fn callbacks_lost(&self) -> u64 {
        self.outgoing().lost()
    }

    /// Sends every callback that is due, for ever. May be dropped at any point: what was on its way is sent again.
    pub async fn deliver(&self, sink: &dyn CallbackSink) -> ! {
        loop {
            let now = self.wire.clock().now();
            let changed = std::pin::pin!(self.waiting_changed.notified());
            match self.deliver_due(now, sink).await.next_due {
                None => changed.await,
                Some(due) => {
                    let ms = u64::try_from(due.millis_since(now)).unwrap_or(0);
                    select(self.wire.clock().sleep(Duration::from_millis(ms)), changed).await;
                }
            }
        }
    }

    /// One round: sends what is due at `now`, at most so many at once as the options say.
    pub async fn deliver_due(&self, now: Timestamp, sink: &dyn CallbackSink) -> Delivery {
        let _round = self.delivering.lock().await;
        if self.wire.is_out() || self.desk.synced().await.is_err() {
            return Delivery::default();
        }
        let due = self.outgoing().due(now, ROUND_LEN_MAX);
        let sent = due.len();
        let in_flight_max = self.options.callbacks_in_flight_max.max(1);
        let sending = due.into_iter().map(|(slot, notice)| self.send(slot, notice, now, sink));
        stream::iter(sending).buffer_unordered(in_flight_max).collect::<()>().await;
        Delivery { sent, next_due: self.outgoing().next_due() }
    }

    async fn send(&self, slot: Slot, notice: Notice, now: Timestamp, sink: &dyn CallbackSink) {
        let callback = notice.callback(&self.options.secret, now, self.wire.clock().random());
        let timeout = Duration::from_millis(self.options.callback_timeout_ms);
        let receipt = match select(sink.post(callback), self.wire.clock().sleep(timeout)).await {
            Either::Left((receipt, _)) => receipt,
            Either::Right(_) => Receipt::Refused,
        };
        self.outgoing().answered(slot, receipt, now, &self.options.callback_retry_ms);
    }

    /// Every settled attempt and refund is told of, and sometimes something untrue is told beside it.
    fn tell(&self, event: &Event) {
        let notice = Notice::of(event, self.options.callback_repeats);
        let now = self.wire.clock().now();
        let mut all = Vec::with_capacity(1);
        if self.wire.happens(self.options.forge_per_mille) {
            all.push(notice.forged(self.wire.clock().random()));
        }
        if self.wire.happens(self.options.mistake_per_mille) {
            all.push(notice.mistaken(self.wire.clock().random()));
        }
        // The untrue ones come first, when the shop does not yet know better.
        all.push(notice);
        for notice in all {
            let due = now.plus_millis(self.delay_ms());
            self.outgoing().push(due, notice);
        }
        self.waiting_changed.notify_one();
    }

    fn delay_ms(&self) -> i64 {
        let window_ms = self.options.callback_reorder_within_ms;
        let extra_ms = if window_ms == 0 { 0 } else { self.wire.clock().random() % window_ms.saturating_add(1) };
        i64::try_from(self.options.callback_delay_ms.saturating_add(extra_ms)).unwrap_or(i64::MAX)
    }

    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().expect("queueing never panics")
    }

    async fn ask<T: Send>(
        &self,
        decide: impl FnOnce(&MoneyBooks) -> Result<Decision<T, Event>, OutsideError> + Send,
    ) -> Result<T, OutsideError> {
        self.wire.carry(self.desk.settle(decide, |event| self.tell(event))).await
    }

    fn now(&self) -> Timestamp {
        self.wire.clock().now()
    }
}

#[async_trait]
impl PaymentProvider for StandinProvider {
    async fn capture(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        let is_declined = || self.wire.happens(self.options.decline_per_mille);
        self.ask(|books| books.capture(charge, is_declined, self.now())).await
    }

    async fn close(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        self.ask(|books| books.close(charge, self.now())).await
    }

    async fn query(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        self.ask(|books| books.query(charge).map(Decision::unchanged)).await
    }

    async fn refund(&self, refund: &RefundId, charge: &Charge) -> Result<String, OutsideError> {
        self.ask(|books| books.refund(refund, charge, self.now())).await
    }
}
