//! A group of the order context as a consumer: changes and progress as one unit, over however many shards it touches.
//!
//! On one shard the unit is one transaction. On several, every shard's part is locked, judged and written first; only if
//! all of them could be committed, they are, one after the other, and the one that carries the position comes last. So a
//! lost version anywhere stores nothing anywhere, and a crash between two commits leaves changes without their position:
//! the messages come again, find their orders moved on, and change nothing.

use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::Message;
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError};
use doos_ports::{Error, Result};
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group::{self, Mark};
use super::lane::{State, was_committed};
use super::{ENGINE, MySqlOrderStore};
use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::mailbox;
use crate::outbox::CONSUMED;
use crate::rows::{asked_by, order_in_id};
use crate::script::Script;
use crate::session::Session;

/// What one shard has to store of a unit.
pub(super) struct Part<'a> {
    changes: Vec<&'a Change>,
    progress: Progress,
    /// Messages of this shard's orders that the unit answers.
    answered: Vec<&'a str>,
    /// The orders of everything that is stored besides changes: their buckets must not leave meanwhile.
    touched: BTreeSet<OrderId>,
}

impl MySqlOrderStore {
    pub(super) async fn consume_parts(&self, parts: BTreeMap<usize, Part<'_>>) -> Result<(), CommitError> {
        // One unit at a time on each shard, taken in the order of the shards.
        let mut states = Vec::with_capacity(parts.len());
        for shard in parts.keys() {
            states.push(self.shards[*shard].consuming.lock().await);
        }
        // Side by side: shards have no row in common. If any part cannot be stored, the others' open transactions go
        // with their connections.
        let each = parts.iter().zip(&mut states);
        let prepared = try_join_all(each.map(|((shard, part), state)| self.prepare(*shard, part, state))).await?;
        let each = parts.iter().zip(&mut states).zip(prepared);
        for (committed, (((shard, part), state), (mut session, mark))) in each.enumerate() {
            let database = &self.shards[*shard].database;
            let old = session.id();
            if let Err(lost) = session.commit().await {
                drop(session);
                self.resolve(database, mark, old, &lost, committed > 0).await?;
            } else {
                state.give_back(session);
            }
            self.outbox
                .hand_over(*shard, group::messages_of(&part.changes).chain(part.progress.outgoing.iter().cloned()));
        }
        Ok(())
    }

    /// Locks, judges and writes one shard's part, and leaves the transaction open.
    async fn prepare(&self, shard: usize, part: &Part<'_>, state: &mut State) -> Result<(Session, Mark), CommitError> {
        let database = &self.shards[shard].database;
        let undone = |fault: Fault| CommitError::Engine(fault.undone(ENGINE));
        let (mut session, mark, mut found) = loop {
            let (mut session, mark) = state.take(database).await.map_err(undone)?;
            match group::lock(&mut session, mark, &part.changes, &part.touched).await {
                Ok(found) => break (session, mark, found),
                Err(fault) if state.was_stale(&fault) => {}
                Err(fault) => return Err(undone(fault)),
            }
        };
        let judged = part.touched.iter().map(|id| if found.takes(*id) { Ok(()) } else { Err(undone(Fault::Moved)) });
        let touched: Vec<_> = judged.collect();
        let judged = touched.into_iter().chain(part.changes.iter().map(|change| found.judge(change)));
        for verdict in judged.collect::<Vec<_>>() {
            if let Err(lost) = verdict {
                if session.rollback().await.is_ok() {
                    state.give_back(session);
                }
                return Err(lost);
            }
        }
        let poll_at = database.clock.now().plus_millis(self.poll_after_ms);
        let mut script = Script::default();
        group::write(&mut script, &part.changes, &found, poll_at);
        if !part.answered.is_empty() {
            script.add(format!(
                "UPDATE t_local_message SET status = {CONSUMED} WHERE message_id IN ({}) AND status IN (0, 1)",
                list(part.answered.iter().copied())
            ));
        }
        mailbox::settle(&mut script, &part.progress, poll_at);
        match session.run(script).await {
            Ok(()) => Ok((session, mark)),
            // Somebody was faster with an id or a key; asked again, the group is judged anew.
            Err(Fault::Duplicate(cause)) => Err(undone(Fault::Contended(cause))),
            Err(fault) => Err(undone(fault)),
        }
    }

    async fn resolve(
        &self,
        shard: &Arc<Database>,
        mark: Mark,
        old: u32,
        lost: &Fault,
        in_part: bool,
    ) -> Result<(), CommitError> {
        let cause = match was_committed(shard, mark, old).await {
            Ok(true) => return Ok(()),
            Ok(false) if !in_part => {
                return Err(Error::Unavailable { engine: ENGINE, cause: lost.to_string() }.into());
            }
            Ok(false) => "some shards have stored it, and one has not".to_owned(),
            Err(fault) => fault.to_string(),
        };
        Err(Error::Unknown { engine: ENGINE, cause }.into())
    }

    /// Who stores what of a unit. The position goes with the last shard there is.
    pub(super) fn split<'a>(&self, group: &'a [Change], progress: &'a Progress) -> BTreeMap<usize, Part<'a>> {
        let mut parts = BTreeMap::new();
        let consumer = progress.consumer;
        let part = |parts: &mut BTreeMap<usize, Part<'a>>, shard: usize, put: &mut dyn FnMut(&mut Part<'a>)| {
            let fresh = || Part {
                changes: Vec::new(),
                progress: Progress::new(consumer),
                answered: Vec::new(),
                touched: BTreeSet::new(),
            };
            put(parts.entry(shard).or_insert_with(fresh));
        };
        for change in group {
            part(&mut parts, self.place_of(change.order.id), &mut |part| part.changes.push(change));
        }
        let of_message = |message: &Message| self.place_of(message.order_id);
        for waiting in &progress.wait {
            part(&mut parts, of_message(&waiting.message), &mut |part| {
                part.touched.insert(waiting.message.order_id);
                part.progress.wait.push(waiting.clone());
            });
        }
        for letter in &progress.park {
            part(&mut parts, of_message(&letter.message), &mut |part| {
                part.touched.insert(letter.message.order_id);
                part.progress.park.push(letter.clone());
            });
        }
        for message in &progress.outgoing {
            part(&mut parts, of_message(message), &mut |part| {
                part.touched.insert(message.order_id);
                part.progress.outgoing.push(message.clone());
            });
        }
        for id in &progress.settled {
            for shard in self.places_of(id) {
                part(&mut parts, shard, &mut |part| {
                    part.touched.extend(order_in_id(id.as_str()));
                    part.progress.settled.push(id.clone());
                });
            }
        }
        for asked in progress.done.iter().filter_map(|id| asked_by(id.as_str())) {
            if let Some(order) = order_in_id(asked) {
                part(&mut parts, self.place_of(order), &mut |part| {
                    part.touched.insert(order);
                    part.answered.push(asked);
                });
            }
        }
        if progress.position.is_some() {
            let last = parts.keys().next_back().copied().unwrap_or(0);
            part(&mut parts, last, &mut |part| part.progress.position = progress.position);
        }
        parts
    }

    /// The shards that may know a message: all of them, if its id does not say.
    fn places_of(&self, id: &MessageId) -> Vec<usize> {
        match order_in_id(id.as_str()) {
            Some(order) => vec![self.place_of(order)],
            None => (0..self.shards.len()).collect(),
        }
    }
}
