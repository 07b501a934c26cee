//! How a context acts on its messages: in groups, once in effect, and without ever being blocked by one of them.
//!
//! What holds: the effects of a group and the consumer's progress are committed as one unit; only the first message of
//! an order is handled in a group, those behind it wait in line; a message that cannot be done now goes into the inbox
//! and the position moves on; one that fails too often is parked, with those behind it. An engine that is away is not a
//! try. [`Consumption::run_once`] takes the time as an argument and may be called again at any moment.
//!
//! What must never happen: progress stored without its effects, or a message handled while an older one of its order
//! waits.
//!
//! Where to read next: `inventory.rs`, `order.rs`, `payment.rs`, `shipping.rs` for what each context decides;
//! `line.rs` for who waits behind whom.

mod inventory;
mod line;
mod order;
mod payment;
mod shipping;

pub use inventory::InventoryHandler;
pub use order::OrderHandler;
pub use payment::PaymentHandler;
pub use shipping::ShippingHandler;

use async_trait::async_trait;
use doos_domain::message::{Consumer, Message};
use doos_domain::time::Timestamp;
use doos_ports::bus::Subscription;
use doos_ports::inbox::Progress;
use doos_ports::order_store::CommitError;
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing::Instrument;

use crate::{App, Kinship};
use line::{Item, Line};

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// Something it needs is away. Tried again; not counted.
    Later(String),
    /// Counted and tried again for as long as it takes.
    Retry(String),
    /// Counted; parked when the tries are used up.
    Failed(String),
}

/// A message with how often it has failed before.
pub struct Task {
    pub message: Message,
    pub tries: u32,
}

/// What a handler decided about a group.
pub struct Decided<E> {
    /// One for each task, in order.
    pub verdicts: Vec<Verdict>,
    pub effects: E,
    /// Messages that the decisions cause.
    pub outgoing: Vec<Message>,
}

#[async_trait]
pub trait Handler: Send + Sync {
    type Effects: Send;

    fn consumer(&self) -> Consumer;

    /// Decides about the tasks, which are of different orders. May be asked again about the same ones.
    async fn decide(&mut self, tasks: &[Task], now: Timestamp) -> doos_ports::Result<Decided<Self::Effects>>;

    /// Stores effects and progress as one unit, then tells whoever must hear of it at once.
    async fn commit(&mut self, effects: Self::Effects, progress: Progress) -> Result<(), CommitError>;

    /// What others must be told when this message is parked.
    fn on_park(&self, _message: &Message, _now: Timestamp) -> Vec<Message> {
        Vec::new()
    }
}

/// What a run found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    Idle,
    Worked { messages: usize },
}

/// One consumer's reading, deciding and storing.
pub struct Consumption<H: Handler> {
    app: Arc<App>,
    handler: H,
    subscription: Box<dyn Subscription>,
}

impl<H: Handler> Consumption<H> {
    pub async fn start(app: Arc<App>, handler: H) -> doos_ports::Result<Self> {
        let subscription = app.ports.bus.subscribe(handler.consumer()).await?;
        Ok(Self { app, handler, subscription })
    }

    /// Returns when there may be work: something new, or a waiting message that is due.
    pub async fn ready(&mut self) {
        let due = self.app.ports.inbox.next_due(self.handler.consumer()).await.unwrap_or_default();
        let now = self.app.ports.clock.now();
        // Whatever the clock says, look again after a second: due times are of the wall clock, which may step.
        let wait_ms = due.map_or(1_000, |due| due.millis_since(now).clamp(0, 1_000));
        let wait = std::time::Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        if wait.is_zero() {
            return;
        }
        futures::future::select(self.subscription.ready(), self.app.ports.clock.sleep(wait)).await;
    }

    /// Takes what is due and what is new, decides, stores. An error means that nothing was taken; call again later.
    pub async fn run_once(&mut self, now: Timestamp) -> doos_ports::Result<Ran> {
        let ran = self.take_group(now).await;
        if ran.is_err() {
            self.subscription.rewind().await?;
        }
        ran
    }

    async fn take_group(&mut self, now: Timestamp) -> doos_ports::Result<Ran> {
        let limit = self.app.options.message_pull_len_max;
        let due = self.app.ports.inbox.due(self.handler.consumer(), now, limit).await?;
        let fresh = self.subscription.poll(limit).await?;
        if due.is_empty() && fresh.is_empty() {
            return Ok(Ran::Idle);
        }
        let messages = due.len() + fresh.len();
        let position = fresh.last().map(|delivery| delivery.position);
        let line = Line::form(&*self.app.ports.inbox, self.handler.consumer(), due, fresh).await?;
        let span = tracing::info_span!("consume", consumer = %self.handler.consumer(), messages);
        self.link_traces(&span, &line);
        match self.settle(&line, now).instrument(span).await {
            // One item spoils the group: find it by going one by one.
            Err(error) if !error.is_worth_a_retry() => self.settle_one_by_one(line, now).await?,
            settled => settled?,
        }
        if let Some(position) = position {
            self.subscription.acknowledge(position).await?;
        }
        Ok(Ran::Worked { messages })
    }

    /// A group joins many traces: it belongs to the first of them, and each of the others is linked once.
    fn link_traces(&self, span: &tracing::Span, line: &Line) {
        let Some(link) = self.app.trace_links.get() else { return };
        let traces: BTreeSet<&str> = line.first.iter().filter_map(|item| item.message.trace.as_deref()).collect();
        for (index, trace) in traces.into_iter().enumerate() {
            link(span, trace, if index == 0 { Kinship::Parent } else { Kinship::Link });
        }
    }

    async fn settle(&mut self, line: &Line, now: Timestamp) -> doos_ports::Result<()> {
        let tasks = line.tasks();
        for _ in 0..self.app.options.conflict_tries_max {
            let decided = self.handler.decide(&tasks, now).await?;
            let progress = self.progress(line, &decided.verdicts, decided.outgoing, now).await?;
            match self.handler.commit(decided.effects, progress).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Engine(error)) => return Err(error),
                // Somebody moved one of the orders meanwhile; decide again on what is there now.
                Err(_) => self.app.counters.conflicts.add(1),
            }
        }
        Err(doos_ports::Error::Busy { engine: "the order store" })
    }

    /// Every item alone; the one that cannot be stored counts as failed, and its neighbours go on.
    async fn settle_one_by_one(&mut self, line: Line, now: Timestamp) -> doos_ports::Result<()> {
        for single in line.into_singles() {
            let Err(error) = self.settle(&single, now).await else { continue };
            if error.is_worth_a_retry() {
                return Err(error);
            }
            tracing::error!(consumer = %self.handler.consumer(), error = %error, "a message cannot be handled");
            let verdicts = single.tasks().iter().map(|_| Verdict::Failed(error.to_string())).collect::<Vec<_>>();
            let progress = self.progress(&single, &verdicts, Vec::new(), now).await?;
            self.app.ports.inbox.store(progress).await?;
        }
        Ok(())
    }

    async fn progress(
        &self,
        line: &Line,
        verdicts: &[Verdict],
        outgoing: Vec<Message>,
        now: Timestamp,
    ) -> doos_ports::Result<Progress> {
        let mut progress = line.progress_base(self.handler.consumer(), now);
        progress.outgoing = outgoing;
        for (item, verdict) in line.first.iter().zip(verdicts) {
            match verdict {
                Verdict::Done => {
                    progress.done.push(item.message.id.clone());
                    if item.was_waiting {
                        progress.settled.push(item.message.id.clone());
                    }
                }
                Verdict::Later(cause) => progress.wait.push(self.postpone(item, 0, cause, now)),
                Verdict::Retry(cause) => progress.wait.push(self.postpone(item, 1, cause, now)),
                Verdict::Failed(cause) if item.tries + 1 < self.app.options.retry_tries_max => {
                    progress.wait.push(self.postpone(item, 1, cause, now));
                }
                Verdict::Failed(cause) => self.park(item, cause, now, &mut progress).await?,
            }
        }
        Ok(progress)
    }

    fn postpone(&self, item: &Item, tried: u32, cause: &str, now: Timestamp) -> doos_ports::inbox::Waiting {
        self.app.counters.messages_retried.add(1);
        tracing::debug!(message_id = %item.message.id, cause, "message postponed");
        item.waiting(item.tries + tried, self.app.retry_at(item.tries, item.message.at, now), cause)
    }

    /// Parks the message and everything of its order that stands behind it at this consumer.
    async fn park(&self, item: &Item, cause: &str, now: Timestamp, progress: &mut Progress) -> doos_ports::Result<()> {
        let consumer = self.handler.consumer();
        tracing::error!(message_id = %item.message.id, order_id = %item.message.order_id, cause, "message parked");
        self.app.counters.messages_parked.add(1);
        progress.outgoing.extend(self.handler.on_park(&item.message, now));
        if item.was_waiting {
            progress.settled.push(item.message.id.clone());
        }
        progress.park.push(item.dead_letter(consumer, cause, now));
        let behind = self.app.ports.inbox.waiting_of(consumer, item.message.order_id).await?;
        let new_behind = progress.wait.extract_if(.., |waiting| waiting.message.order_id == item.message.order_id);
        let behind = behind.into_iter().chain(new_behind.collect::<Vec<_>>());
        for waiting in behind.filter(|waiting| waiting.message.id != item.message.id) {
            progress.settled.push(waiting.message.id.clone());
            progress.park.push(line::park_behind(consumer, waiting, now));
        }
        Ok(())
    }
}

impl App {
    /// When to try again: doubling from the first delay to the longest, a quarter of jitter either way. What waits for
    /// an engine that is away is not counted in tries, so the age of the message stands in for them.
    fn retry_at(&self, tries: u32, since: Timestamp, now: Timestamp) -> Timestamp {
        let first = i64::try_from(self.options.retry_first_ms).unwrap_or(i64::MAX);
        let most = i64::try_from(self.options.retry_most_ms).unwrap_or(i64::MAX);
        let doubled = first.saturating_mul(1 << tries.min(20));
        let delay = doubled.max(now.millis_since(since) / 2).clamp(first, most);
        let jitter = (self.ports.clock.random() % 501) as i64 - 250;
        now.plus_millis(delay + delay * jitter / 1_000)
    }
}
