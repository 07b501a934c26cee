//! The live hub: one task reads the change feed and hands every change to whoever listens.
//!
//! What holds: a listener misses nothing and sees the changes of an order in order. It is entered first, is told from
//! which position on the hub serves it, and reads the feed itself up to there. Nobody waits for a slow listener: when
//! its events fill up it is dropped, and resumes after the last event it was given. Without listeners nothing is read.
//!
//! What must never happen: a change handed to a customer whose order it is not.

use doos_domain::ids::UserId;
use doos_domain::order::Order;
use doos_ports::bus::Position;
use doos_ports::change_feed::{ChangeFeed, Changed};
use prometheus_client::metrics::counter::Counter;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;

const READ_LEN_MAX: usize = 256;
/// After the feed could not be read.
const FEED_PAUSE: Duration = Duration::from_millis(200);

/// Why nobody can listen from there.
#[derive(Debug, thiserror::Error)]
pub enum NoPlace {
    #[error("this is no position of the stream, or not any more; read the orders as they are and listen without one")]
    Unknown,
    #[error("the change feed cannot be read")]
    Feed(#[from] doos_ports::Error),
}

impl From<NoPlace> for Problem {
    fn from(refused: NoPlace) -> Self {
        match refused {
            NoPlace::Unknown => Self::new("position_unknown", refused.to_string()),
            NoPlace::Feed(error) => doos_app::Error::from(error).into(),
        }
    }
}

/// Whose orders a listener is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Everybody,
    User(UserId),
}

impl Audience {
    fn includes(self, order: &Order) -> bool {
        match self {
            Self::Everybody => true,
            Self::User(user) => order.user_id == user,
        }
    }
}

enum Item {
    /// The hub serves what comes after this; first of all items.
    From(Position),
    Changed(Changed),
}

pub struct Hub {
    feed: Arc<dyn ChangeFeed>,
    registry: Mutex<Registry>,
    /// Somebody listens where nobody did.
    wanted: Notify,
    events_max: usize,
    /// Listeners dropped because they did not keep up.
    overrun: Counter,
}

#[derive(Default)]
struct Registry {
    /// Where the hub is; `None` while nobody listens.
    position: Option<Position>,
    last_number: u64,
    everybody: HashMap<u64, mpsc::Sender<Item>>,
    by_user: HashMap<UserId, HashMap<u64, mpsc::Sender<Item>>>,
}

impl Hub {
    pub fn new(feed: Arc<dyn ChangeFeed>, events_max: usize, overrun: Counter) -> Arc<Self> {
        Arc::new(Self { feed, registry: Mutex::default(), wanted: Notify::new(), events_max, overrun })
    }

    /// Reads and hands out until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        while let Some(reading) = stop.run_until_cancelled(self.read_once()).await {
            if let Err(error) = reading {
                tracing::warn!(%error, "the change feed could not be read");
                tokio::time::sleep(FEED_PAUSE).await;
            }
        }
        // Their channels end, and the streams with them.
        *self.lock() = Registry::default();
    }

    async fn read_once(&self) -> doos_ports::Result<()> {
        let position = {
            let registry = self.lock();
            registry.has_listeners().then_some(registry.position)
        };
        let Some(position) = position else {
            self.wanted.notified().await;
            return Ok(());
        };
        let Some(position) = position else {
            let end = self.feed.end().await?;
            self.lock().open(end);
            return Ok(());
        };
        let changes = self.feed.read(position, READ_LEN_MAX).await?;
        if changes.is_empty() {
            // The last listener may leave and the next one come while nothing changes: it must not wait for a change.
            tokio::select! {
                () = self.feed.ready(position) => {}
                () = self.wanted.notified() => {}
            }
            return Ok(());
        }
        let dropped = self.lock().hand_out(&changes);
        self.overrun.inc_by(dropped);
        Ok(())
    }

    /// What a client is given to resume after this position, here or at another node.
    pub fn token(&self, position: Position) -> String {
        self.feed.token(position)
    }

    /// Where a client's token stands; `0` stands before everything that is kept.
    pub async fn resume(&self, token: &str) -> Result<Position, NoPlace> {
        if token == "0" {
            return Ok(Position(0));
        }
        self.feed.resume(token).await?.ok_or(NoPlace::Unknown)
    }

    /// Starts to listen: after `last`, or from now on. A position that the feed has not reached was never given out by
    /// this store, or by one that has lost what came after its backup: what it stands for is not known.
    pub async fn listen(self: &Arc<Self>, audience: Audience, last: Option<Position>) -> Result<Listener, NoPlace> {
        if let Some(last) = last
            && last > self.feed.end().await?
        {
            return Err(NoPlace::Unknown);
        }
        // One more, for the item that says from where the hub serves.
        let (sender, items) = mpsc::channel(self.events_max + 1);
        let number = self.lock().enter(audience, sender);
        self.wanted.notify_one();
        Ok(Listener { hub: Arc::clone(self), number, audience, items, last, catching_up: None, ready: Vec::new() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn enter(&mut self, audience: Audience, sender: mpsc::Sender<Item>) -> u64 {
        self.last_number += 1;
        if let Some(position) = self.position {
            // The channel is new and empty.
            let _ = sender.try_send(Item::From(position));
        }
        match audience {
            Audience::Everybody => self.everybody.insert(self.last_number, sender),
            Audience::User(user) => self.by_user.entry(user).or_default().insert(self.last_number, sender),
        };
        self.last_number
    }

    fn has_listeners(&self) -> bool {
        !self.everybody.is_empty() || !self.by_user.is_empty()
    }

    fn leave(&mut self, audience: Audience, number: u64) {
        match audience {
            Audience::Everybody => {
                self.everybody.remove(&number);
            }
            Audience::User(user) => {
                if let Some(senders) = self.by_user.get_mut(&user) {
                    senders.remove(&number);
                    if senders.is_empty() {
                        self.by_user.remove(&user);
                    }
                }
            }
        }
        if !self.has_listeners() {
            self.position = None;
        }
    }

    /// From now on the hub reads, starting at `end`; everybody here is told so.
    fn open(&mut self, end: Position) {
        let all = self.everybody.values().chain(self.by_user.values().flat_map(HashMap::values));
        let mut somebody = false;
        for sender in all {
            let _ = sender.try_send(Item::From(end));
            somebody = true;
        }
        self.position = somebody.then_some(end);
    }

    /// Returns how many listeners were full, and are not listeners any more.
    fn hand_out(&mut self, changes: &[Changed]) -> u64 {
        // While the batch was read the last listener may have left, and the next one comes with a new start.
        let (Some(position), Some(last)) = (self.position.as_mut(), changes.last()) else { return 0 };
        *position = last.position;
        let mut dropped = 0;
        for changed in changes {
            let mut keep_up = |_: &u64, sender: &mut mpsc::Sender<Item>| {
                let refused = sender.try_send(Item::Changed(changed.clone())).err();
                dropped += u64::from(matches!(refused, Some(TrySendError::Full(_))));
                refused.is_none()
            };
            self.everybody.retain(&mut keep_up);
            if let Some(senders) = self.by_user.get_mut(&changed.order.user_id) {
                senders.retain(&mut keep_up);
            }
        }
        dropped
    }
}

/// One stream's place at the hub.
pub struct Listener {
    hub: Arc<Hub>,
    number: u64,
    audience: Audience,
    items: mpsc::Receiver<Item>,
    /// Everything up to here has been given out, or is not wanted.
    last: Option<Position>,
    /// The listener reads the feed itself up to here.
    catching_up: Option<Position>,
    /// Read from the feed and not yet given out, newest first.
    ready: Vec<Changed>,
}

impl Listener {
    /// The next change, or `None` when the hub has dropped this listener: it did not keep up, or the hub is stopping.
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> doos_ports::Result<Option<Changed>> {
        loop {
            if let Some(changed) = self.ready.pop() {
                self.last = Some(changed.position);
                if self.audience.includes(&changed.order) {
                    return Ok(Some(changed));
                }
                continue;
            }
            if let Some(end) = self.catching_up {
                self.read_up_to(end).await?;
                continue;
            }
            match self.items.recv().await {
                None => return Ok(None),
                Some(Item::From(start)) => match self.last {
                    Some(last) if last < start => self.catching_up = Some(start),
                    Some(_) => {}
                    None => self.last = Some(start),
                },
                Some(Item::Changed(changed)) => {
                    // At least once and in order: what was given out before is not given out again.
                    if self.last.is_some_and(|last| changed.position <= last) {
                        continue;
                    }
                    self.last = Some(changed.position);
                    return Ok(Some(changed));
                }
            }
        }
    }

    async fn read_up_to(&mut self, end: Position) -> doos_ports::Result<()> {
        let after = self.last.unwrap_or_default();
        let mut changes = self.hub.feed.read(after, READ_LEN_MAX).await?;
        let is_level = changes.len() < READ_LEN_MAX || changes.last().is_none_or(|last| last.position >= end);
        changes.retain(|changed| changed.position <= end);
        if is_level {
            self.catching_up = None;
        }
        self.ready = changes;
        self.ready.reverse();
        Ok(())
    }

    /// Where to resume after what has been given out.
    pub const fn resume_after(&self) -> Option<Position> {
        self.last
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.lock().leave(self.audience, self.number);
    }
}
