//! One writing connection of a shard and the groups that go through it, one after the other.
//!
//! What holds: a group is one transaction, and every change of it gets its own result. A change that the server refuses
//! is found by halving the group, so that it costs its neighbours a few more commits and nothing else. A group number is
//! written in the group's own transaction: when a COMMIT gets no reply, the old session is ended, and the number, read
//! under the lock that the old transaction held until its end, says whether it was committed.
//!
//! What must never happen: a connection used again after somebody stopped listening to it half way, or a guess about a
//! lost COMMIT.

use doos_ports::Error;
use doos_ports::order_store::{Change, CommitError};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::group::{self, Mark};
use super::{ENGINE, Outcome};
use crate::database::Database;
use crate::error::Fault;
use crate::script::Script;
use crate::session::Session;

/// How often a group that met a deadlock, or a faster process, is judged again.
const TRIES_MAX: u32 = 4;
/// How often the outcome of a lost COMMIT is asked for before it counts as unknown.
const QUESTIONS_MAX: u32 = 5;

#[derive(Default)]
pub(super) struct Lane {
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    session: Option<Session>,
    /// This connection's row in `t_writer`.
    writer: Option<u64>,
    group: u64,
    reused: bool,
}

enum Tried {
    Settled(Vec<Outcome>),
    /// Nothing was stored; it may be judged again.
    Again(Fault),
    /// Nothing was stored, and something in it will be refused each time.
    Poisoned(Fault),
    /// Nothing was stored, and the shard is away.
    Away(Fault),
}

/// What became of a group of new orders that was sent unlooked-at.
enum Placed {
    Tried(Tried),
    /// Something was in the way; nothing is stored, and the connection is as before.
    MustBeJudged(Session),
}

impl Lane {
    /// Commits changes that all belong to this shard; one result each, in order.
    pub async fn commit(&self, shard: &Arc<Database>, poll_after_ms: i64, changes: &[&Change]) -> Vec<Outcome> {
        let mut state = self.state.lock().await;
        let mut outcomes: Vec<Option<Outcome>> = changes.iter().map(|_| None).collect();
        let mut parts: VecDeque<(Range<usize>, u32)> = VecDeque::from([(0..changes.len(), 0)]);
        while let Some((part, tries)) = parts.pop_front() {
            if part.is_empty() {
                continue;
            }
            let settled = match state.attempt(shard, poll_after_ms, &changes[part.clone()]).await {
                Tried::Settled(settled) => settled,
                Tried::Again(_) if tries < TRIES_MAX => {
                    parts.push_front((part, tries + 1));
                    continue;
                }
                Tried::Poisoned(_) if part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    parts.push_front((middle..part.end, 0));
                    parts.push_front((part.start..middle, 0));
                    continue;
                }
                Tried::Again(fault) | Tried::Poisoned(fault) | Tried::Away(fault) => {
                    let error = fault.undone(ENGINE);
                    part.clone().map(|_| Err(CommitError::Engine(error.clone()))).collect()
                }
            };
            for (place, outcome) in part.zip(settled) {
                outcomes[place] = Some(outcome);
            }
        }
        outcomes.into_iter().map(|outcome| outcome.expect("every part of the group was settled")).collect()
    }

    pub async fn lock(&self) -> tokio::sync::MutexGuard<'_, State> {
        self.state.lock().await
    }
}

impl State {
    /// The connection, alive as far as anybody knows, with a fresh mark. Taken out, so that whoever stops half way
    /// leaves nothing behind.
    pub async fn take(&mut self, shard: &Arc<Database>) -> Result<(Session, Mark), Fault> {
        let usable = self.session.take().filter(Session::is_usable);
        self.reused = usable.is_some();
        let mut session = match usable {
            Some(session) => session,
            None => shard.own_session().await?,
        };
        let writer = match self.writer {
            Some(writer) => writer,
            None => {
                let sql = "INSERT INTO t_writer (opened_at, last_group) VALUES (?, 0)";
                session.id_made_by(sql, vec![shard.clock.now().as_millis().into()]).await?
            }
        };
        self.writer = Some(writer);
        self.group += 1;
        Ok((session, Mark { writer, group: self.group }))
    }

    pub fn give_back(&mut self, session: Session) {
        self.session = Some(session).filter(Session::is_usable);
    }

    /// A first statement that failed on a connection from before may only mean that the server had closed it.
    pub const fn was_stale(&self, fault: &Fault) -> bool {
        self.reused && matches!(fault, Fault::Away(_))
    }

    pub fn forget_writer(&mut self) {
        self.writer = None;
    }

    async fn attempt(&mut self, shard: &Arc<Database>, poll_after_ms: i64, changes: &[&Change]) -> Tried {
        let (mut session, mark) = match self.take(shard).await {
            Ok(taken) => taken,
            Err(fault) => return self.sort(fault),
        };
        let epoch = changes.first().and_then(|change| change.gate_epoch);
        let is_plain =
            |change: &&Change| change.expected_version == 0 && change.order.version == 1 && change.gate_epoch == epoch;
        if changes.iter().all(is_plain) {
            session = match self.place(shard, poll_after_ms, session, mark, changes).await {
                Placed::Tried(tried) => return tried,
                Placed::MustBeJudged(session) => session,
            };
        }
        let mut found = match group::lock(&mut session, mark, changes, &BTreeSet::new()).await {
            Ok(found) => found,
            Err(fault) if self.was_stale(&fault) => return Tried::Again(fault),
            Err(fault) => return self.give_up(session, fault).await,
        };
        let outcomes: Vec<Outcome> = changes.iter().map(|change| found.judge(change)).collect();
        let won = changes.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        let winners: Vec<&Change> = won.map(|(change, _)| *change).collect();
        if winners.is_empty() {
            // The losers have their verdicts; an end that gets no reply takes nothing from them.
            if session.rollback().await.is_ok() {
                self.give_back(session);
            }
            return Tried::Settled(outcomes);
        }
        let poll_at = shard.clock.now().plus_millis(poll_after_ms);
        let old = session.id();
        let mut script = Script::default();
        group::write(&mut script, &winners, &found, poll_at);
        match session.run_to_commit(script).await {
            Ok(()) => {
                self.give_back(session);
                Tried::Settled(outcomes)
            }
            Err(fault) if !matches!(fault, Fault::Away(_)) => self.give_up(session, fault).await,
            Err(lost) => {
                drop(session);
                settle_lost(shard, mark, old, lost, outcomes).await
            }
        }
    }

    /// A group of new orders in one packet, as if nothing were in their way.
    async fn place(
        &mut self,
        shard: &Arc<Database>,
        poll_after_ms: i64,
        mut session: Session,
        mark: Mark,
        changes: &[&Change],
    ) -> Placed {
        let now = shard.clock.now();
        let old = session.id();
        session.has_begun();
        let script = group::place(mark, changes, now, now.plus_millis(poll_after_ms));
        let outcomes: Vec<Outcome> = changes.iter().map(|_| Ok(())).collect();
        match session.run_to_commit(script).await {
            Ok(()) => {
                self.give_back(session);
                Placed::Tried(Tried::Settled(outcomes))
            }
            Err(Fault::Away(cause)) => {
                drop(session);
                Placed::Tried(settle_lost(shard, mark, old, Fault::Away(cause), outcomes).await)
            }
            Err(_) => match session.rollback().await {
                Ok(()) => Placed::MustBeJudged(session),
                Err(fault) => Placed::Tried(self.sort(fault)),
            },
        }
    }

    async fn give_up(&mut self, mut session: Session, fault: Fault) -> Tried {
        if !matches!(fault, Fault::Away(_)) && session.rollback().await.is_ok() {
            self.give_back(session);
        }
        self.sort(fault)
    }

    fn sort(&mut self, fault: Fault) -> Tried {
        match fault {
            Fault::Away(_) => Tried::Away(fault),
            Fault::Contended(_) => {
                // It may be the mark that was gone; a new one costs one statement.
                self.forget_writer();
                Tried::Again(fault)
            }
            Fault::Duplicate(_) => Tried::Again(fault),
            Fault::Refused(_) | Fault::Moved => Tried::Poisoned(fault),
        }
    }
}

/// What becomes of a group whose COMMIT got no reply; `outcomes` are its verdicts if it was done.
async fn settle_lost(
    shard: &Arc<Database>,
    mark: Mark,
    old_session: u32,
    lost: Fault,
    mut outcomes: Vec<Outcome>,
) -> Tried {
    match was_committed(shard, mark, old_session).await {
        Ok(true) => {}
        Ok(false) => return Tried::Again(lost),
        Err(fault) => {
            let error = Error::Unknown { engine: ENGINE, cause: format!("{lost}; then {fault}") };
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(CommitError::Engine(error.clone()));
            }
        }
    }
    Tried::Settled(outcomes)
}

/// Ends a session whose COMMIT got no reply and finds out what became of it. An error means that nobody knows yet.
pub(super) async fn was_committed(shard: &Arc<Database>, mark: Mark, old_session: u32) -> Result<bool, Fault> {
    let mut last = None;
    for question in 0..QUESTIONS_MAX {
        if question > 0 {
            shard.clock.sleep(std::time::Duration::from_millis(100 << question)).await;
        }
        match ask(shard, mark, old_session).await {
            Ok(committed) => {
                tracing::warn!(shard = %shard.name, committed, "a COMMIT had no reply; its outcome was read again");
                return Ok(committed);
            }
            Err(fault) => last = Some(fault),
        }
    }
    Err(last.expect("at least one question was asked"))
}

async fn ask(shard: &Arc<Database>, mark: Mark, old_session: u32) -> Result<bool, Fault> {
    let mut session = shard.own_session().await?;
    // Whoever is gone already cannot be ended; the lock below waits for its end in any case.
    if let Err(Fault::Away(cause)) = session.text(&format!("KILL CONNECTION {old_session}")).await {
        return Err(Fault::Away(cause));
    }
    session.begin().await?;
    let sql = format!("SELECT last_group FROM t_writer WHERE id = {} FOR UPDATE", mark.writer);
    let rows: Vec<(u64,)> = crate::session::decode("t_writer", session.text(&sql).await?)?;
    let _ = session.rollback().await;
    match rows.first() {
        Some((last_group,)) => Ok(*last_group == mark.group),
        None => Err(Fault::Refused("the writer's mark is gone".to_owned())),
    }
}
