//! A reader of all shards: stands at a boundary of the timeline and steps from transaction to transaction.
//!
//! What holds: where somebody has read before, it takes the transactions in that order; where nobody has, it takes the
//! one whose order changed first, and writes that down before it hands it out. A shard that is away is left out where
//! the timeline is open, so the others go on; within a stretch that has an end, it is waited for.

use doos_ports::bus::Position;
use doos_ports::change_feed::Changed;
use futures::future::{join_all, select_all};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Fault;
use crate::log::Transaction;
use crate::place::{Place, Places};
use crate::server::Server;
use crate::session::Session;
use crate::timeline::{Cursor, Step, Timeline, Unit};

pub(crate) enum Stepped {
    /// The next transaction's changes.
    Changes(Vec<Changed>),
    /// Nothing more up to what was asked for.
    Level,
    /// The timeline does not have this stretch any more.
    Gone,
}

pub(crate) struct Tail {
    cursor: Cursor,
    places: Places,
    sessions: Vec<Session>,
    /// Everything up to here was handed out.
    pub at: u64,
    /// The rest of a transaction of which less was wanted; comes next.
    pub leftover: Vec<Changed>,
    /// When the last transaction taken was committed, in seconds of its server.
    pub committed_at_s: u32,
}

/// Nothing may be waited for while this is held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tail {
    pub fn new(servers: &[Arc<Server>], timeline: &Timeline, after: u64) -> Self {
        let (cursor, places) = timeline.locate(after);
        let sessions = servers.iter().zip(&places.0).map(|(server, at)| Session::new(Arc::clone(server), *at));
        let sessions = sessions.collect();
        Self { cursor, places, sessions, at: after, leftover: Vec::new(), committed_at_s: 0 }
    }

    /// On to the next transaction, reading no further than `until` where nobody has read. `None`: not that shard.
    pub async fn step(&mut self, timeline: &Mutex<Timeline>, until: &[Option<Place>]) -> Result<Stepped, Fault> {
        loop {
            let step = lock(timeline).step(self.cursor);
            match step {
                Step::Gone => return Ok(Stepped::Gone),
                Step::Next(cursor, places) => {
                    self.cursor = cursor;
                    self.places = places;
                }
                Step::Known(unit) => {
                    if let Some(changes) = self.follow(unit).await? {
                        return Ok(Stepped::Changes(changes));
                    }
                }
                Step::Unread { stop } => {
                    let stops: Option<Vec<Option<Place>>> = stop.map(|stop| stop.0.into_iter().map(Some).collect());
                    let found = self.find(stops.as_deref().unwrap_or(until), stops.is_none()).await?;
                    let Some(shard) = found else {
                        if stops.is_none() {
                            return Ok(Stepped::Level);
                        }
                        lock(timeline).complete(self.cursor);
                        continue;
                    };
                    if let Some(changes) = self.discover(timeline, shard) {
                        return Ok(Stepped::Changes(changes));
                    }
                }
            }
        }
    }

    /// Takes the transaction that was read here before.
    async fn follow(&mut self, unit: Unit) -> Result<Option<Vec<Changed>>, Fault> {
        let shard = usize::from(unit.shard);
        let session = &mut self.sessions[shard];
        session.fill(unit.end).await?;
        if unit.changes == 0 {
            self.pass(unit);
            return Ok(None);
        }
        let found = session.next.take_if(|next| next.end == unit.end && next.changes.len() == unit.changes as usize);
        let Some(transaction) = found else {
            return Err(Fault::Another(format!("the binlog of {} is not the one it was", session.server.name)));
        };
        self.pass(unit);
        self.committed_at_s = transaction.at_s;
        Ok(Some(number(unit, transaction)))
    }

    fn pass(&mut self, unit: Unit) {
        self.places.0[usize::from(unit.shard)] = unit.end;
        self.cursor = self.cursor.after_one();
    }

    /// The shard whose transaction comes next, if there is any up to `until`.
    async fn find(&mut self, until: &[Option<Place>], is_open: bool) -> Result<Option<usize>, Fault> {
        let fills = self.sessions.iter_mut().zip(until).map(async |(session, until)| match until {
            Some(until) => session.fill(*until).await,
            None => Ok(()),
        });
        let mut away = None;
        for filled in join_all(fills).await {
            match filled {
                Err(Fault::Away(cause)) => away = Some(Fault::Away(cause)),
                filled => filled?,
            }
        }
        let nexts = self.sessions.iter().zip(until).enumerate().filter_map(|(shard, (session, until))| {
            let next = session.next.as_ref().filter(|next| Some(next.end) <= *until)?;
            Some((next.changes[0].updated_at, shard))
        });
        match (nexts.min(), away) {
            (Some((_, shard)), _) => Ok(Some(shard)),
            (None, Some(away)) if !is_open => Err(away),
            (None, _) => Ok(None),
        }
    }

    /// Takes a transaction that nobody has read before, unless somebody has meanwhile.
    fn discover(&mut self, timeline: &Mutex<Timeline>, shard: usize) -> Option<Vec<Changed>> {
        let next = self.sessions[shard].next.as_ref()?;
        let changes = u32::try_from(next.changes.len()).ok()?;
        let unit = lock(timeline).add(self.cursor, u16::try_from(shard).ok()?, changes, next.end)?;
        let transaction = self.sessions[shard].next.take()?;
        self.pass(unit);
        self.committed_at_s = transaction.at_s;
        Some(number(unit, transaction))
    }

    /// Lets the timeline know how far the shards have been read without an order, so that a reader who stands at the
    /// end does not stand at a place that is purged one day.
    pub fn settle(&mut self, timeline: &Mutex<Timeline>, bytes_min: u64) -> Option<u64> {
        let mut position = None;
        for (shard, session) in self.sessions.iter().enumerate() {
            let (from, to) = (self.places.0[shard], session.place());
            if session.next.is_some() || to <= from || (to.file == from.file && from.bytes_to(to) < bytes_min) {
                continue;
            }
            let unit = lock(timeline).add(self.cursor, u16::try_from(shard).ok()?, 0, to)?;
            self.places.0[shard] = to;
            self.cursor = self.cursor.after_one();
            self.at = unit.position;
            position = Some(unit.position);
        }
        position
    }

    /// Waits until any shard has a transaction, and says how far to step to get it.
    pub async fn wait(&mut self) -> Result<Vec<Option<Place>>, Fault> {
        let fills = self.sessions.iter_mut().map(|session| {
            Box::pin(async move {
                loop {
                    match session.fill(Place::NEVER).await {
                        Err(Fault::Away(_)) => {
                            let clock = Arc::clone(&session.server.clock);
                            clock.sleep(session.server.pause_left()).await;
                        }
                        filled => return filled,
                    }
                }
            })
        });
        let (filled, _, _) = select_all(fills).await;
        filled?;
        Ok(self.sessions.iter().map(|session| session.next.as_ref().map(|next| next.end)).collect())
    }

    /// Where each shard has been read to, for numbers.
    pub fn read_to(&self) -> Places {
        Places(self.sessions.iter().map(Session::place).collect())
    }
}

/// The last change of a transaction stands where the transaction ends; those before it, one lower each.
fn number(unit: Unit, transaction: Transaction) -> Vec<Changed> {
    let first = unit.position + 1 - u64::from(unit.changes);
    let positions = (first..).map(Position);
    positions.zip(transaction.changes).map(|(position, order)| Changed { position, order }).collect()
}
