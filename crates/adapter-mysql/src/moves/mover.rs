//! Who carries moves out, one after the other, and goes on where another one was cut off.
//!
//! What holds: one mover at a time, by a lock that goes with its connection; one that lost it without noticing is fenced.
//! How far a move is, is stored behind each window, so nothing is done twice but the window that a crash cut.

use std::sync::Arc;
use std::time::Duration;

use super::cancel;
use super::plan::{self, Ask};
use super::record::{self, BucketMove, MoveStep};
use super::switch;
use super::table::{self, ANSWERS, ARCHIVED, Ends, MESSAGES, ORDERS, Table, VOIDS, Window};
use crate::database::Database;
use crate::engines::Databases;
use crate::error::{Error, Fault};
use crate::router::read_all;
use crate::session::Session;
use crate::topology::Topology;

/// How often something that met a deadlock, or a bucket given back, is tried again.
const TRIES_MAX: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);
/// So long a mover waits for the lock of one that was just killed.
const LOCK_WAIT_SECONDS: u64 = 5;

/// A move remembers its table by its place in these lists, so they only ever grow.
const COPIED: [&Table; 4] = [&ORDERS, &VOIDS, &ANSWERS, &ARCHIVED];
const CLEARED: [&Table; 5] = [&MESSAGES, &ORDERS, &VOIDS, &ANSWERS, &ARCHIVED];

/// How far the move in hand is; told after each of its windows.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    #[serde(flatten)]
    pub moving: BucketMove,
    /// The table that was worked on.
    pub table: &'static str,
}

/// Carries out moves of buckets.
pub struct Mover {
    shards: Vec<Arc<Database>>,
    token: u64,
    lock: Session,
}

impl Databases {
    /// Takes the mover's lock. Every shard must be there.
    pub async fn mover(&self) -> Result<Mover, Error> {
        for standing in self.standing().await? {
            if !standing.pending.is_empty() {
                let missing = standing.pending.iter().map(|(version, _)| *version).collect();
                return Err(Error::SchemaTooOld { database: standing.database, missing });
            }
        }
        let mut lock = self.shards[0].own_session().await.map_err(|fault| self.failed(&fault))?;
        let sql = "SELECT GET_LOCK(CONCAT('doos_move/', DATABASE()), ?)";
        let taken: Vec<Option<i64>> = lock
            .patiently(LOCK_WAIT_SECONDS)
            .fetch("a lock", sql, vec![LOCK_WAIT_SECONDS.into()])
            .await
            .map_err(|fault| self.failed(&fault))?;
        if taken.first().copied().flatten() != Some(1) {
            return Err(Error::MoveLocked);
        }
        let token =
            self.clock.random() ^ self.clock.now().as_millis().unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Ok(Mover { shards: self.shards.clone(), token, lock })
    }
}

impl Mover {
    /// For other work that must not be done while buckets move.
    pub(crate) fn into_lock(self) -> Session {
        self.lock
    }

    /// Moves that are planned or under way, oldest first.
    pub async fn open(&self) -> Result<Vec<BucketMove>, Error> {
        let mut open = Vec::new();
        for shard in &self.shards {
            open.extend(record::open_moves(shard).await.map_err(|fault| failed(shard, &fault))?);
        }
        open.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(open)
    }

    /// Writes down what is to be moved; [`run`](Self::run) does it. Refused while an earlier move is open.
    pub async fn plan(&mut self, ask: &Ask) -> Result<Vec<BucketMove>, Error> {
        if !self.open().await?.is_empty() {
            return Err(Error::MoveOpen);
        }
        let first = &self.shards[0];
        let rows = read_all(&self.shards).await.into_iter().zip(&self.shards);
        let rows = rows.map(|(rows, shard)| rows.map_err(|fault| failed(shard, &fault)));
        let topology = Topology::read(&rows.collect::<Result<Vec<_>, _>>()?)?.whole()?;
        let owners: Vec<usize> = topology.places().filter_map(|(_, place)| Some(place?.shard)).collect();
        let now = first.clock.now();
        let moves = plan::moves(&owners, self.shards.len(), ask, now.as_millis()).map_err(Error::Move)?;
        for (number, shard) in self.shards.iter().enumerate() {
            let own: Vec<BucketMove> = moves.iter().filter(|moving| moving.source == number).cloned().collect();
            record::plan(shard, &own, now).await.map_err(|fault| failed(shard, &fault))?;
        }
        Ok(moves)
    }

    /// Carries out all that is open. What fails or is cut off here is gone on with by the next call, of whatever process.
    pub async fn run(&mut self, tell: &(dyn Fn(&Progress) + Sync)) -> Result<Vec<BucketMove>, Error> {
        let mut done = Vec::new();
        for mut moving in self.open().await? {
            self.carry_out(&mut moving, tell).await?;
            done.push(moving);
        }
        Ok(done)
    }

    /// Gives up all that is open and not switched: the buckets stay where they are, and the copies are removed. Returns
    /// what was given up; what is switched already is left open, for [`run`](Self::run).
    pub async fn cancel(&mut self, tell: &(dyn Fn(&Progress) + Sync)) -> Result<Vec<BucketMove>, Error> {
        let mut given_up = Vec::new();
        for mut moving in self.open().await? {
            if matches!(moving.step, MoveStep::Switched | MoveStep::Clearing) {
                continue;
            }
            let (source, target) = self.ends_of(&moving)?;
            let stuck = |fault: Fault| stuck(&source, &target, &fault);
            record::adopt(&moving, &source, &target, self.token, source.clock.now()).await.map_err(stuck)?;
            if moving.step != MoveStep::Cancelling {
                let ends = Ends { moving: &moving.clone(), source: &source, target: &target, mover: self.token };
                cancel::give_up(&ends, &mut moving).await.map_err(stuck)?;
            }
            self.carry_out(&mut moving, tell).await?;
            given_up.push(moving);
        }
        Ok(given_up)
    }

    fn ends_of(&self, moving: &BucketMove) -> Result<(Arc<Database>, Arc<Database>), Error> {
        let beyond = |shard: usize| Error::Move(format!("{} needs shard {shard}, which is not configured", moving.id));
        let find = |shard: usize| self.shards.get(shard).map(Arc::clone).ok_or_else(|| beyond(shard));
        Ok((find(moving.source)?, find(moving.target)?))
    }

    async fn carry_out(&mut self, moving: &mut BucketMove, tell: &(dyn Fn(&Progress) + Sync)) -> Result<(), Error> {
        let (source, target) = self.ends_of(moving)?;
        let stuck = |fault: Fault| stuck(&source, &target, &fault);
        record::adopt(moving, &source, &target, self.token, source.clock.now()).await.map_err(stuck)?;
        tell(&Progress { moving: moving.clone(), table: "" });
        let mut tries = 0;
        while !moving.step.is_over() {
            // The lock is gone if this connection is; the fence would notice, but later.
            self.lock.text("DO 0").await.map_err(|_| Error::MoveLocked)?;
            match self.step(moving, &source, &target, tell).await {
                Ok(true) => tries = 0,
                Ok(false) | Err(Fault::Contended(_)) if tries < TRIES_MAX => {
                    tries += 1;
                    source.clock.sleep(PAUSE * tries).await;
                }
                Ok(false) => return Err(stuck(Fault::Refused("the buckets could not be kept closed".to_owned()))),
                Err(fault) => return Err(stuck(fault)),
            }
            tell(&Progress { moving: moving.clone(), table: "" });
        }
        Ok(())
    }

    /// One step, or what is left of it. `false`: to be tried again.
    async fn step(
        &self,
        moving: &mut BucketMove,
        source: &Arc<Database>,
        target: &Arc<Database>,
        tell: &(dyn Fn(&Progress) + Sync),
    ) -> Result<bool, Fault> {
        let known = moving.clone();
        let ends = Ends { moving: &known, source, target, mover: self.token };
        match moving.step {
            MoveStep::Planned => {
                let next = BucketMove { step: MoveStep::Copying, ..known.clone() };
                switch::begin(&ends, &next).await?;
                *moving = next;
            }
            MoveStep::Copying => {
                walk(&ends, moving, Work::Copy, tell).await?;
                self.enter(&ends, moving, MoveStep::Verifying).await?;
            }
            MoveStep::Verifying => {
                walk(&ends, moving, Work::Verify, tell).await?;
                self.enter(&ends, moving, MoveStep::Following).await?;
            }
            MoveStep::Following => return switch::switch(&ends, moving).await,
            MoveStep::Switched => {
                switch::open(&ends).await?;
                self.enter(&ends, moving, MoveStep::Clearing).await?;
            }
            MoveStep::Clearing => self.clear(&ends, moving, tell).await?,
            MoveStep::Cancelling => {
                walk(&ends, moving, Work::Forget, tell).await?;
                cancel::forget_coming(&ends).await?;
                self.enter(&ends, moving, MoveStep::Cancelled).await?;
            }
            MoveStep::Done | MoveStep::Cancelled => {}
        }
        Ok(true)
    }

    async fn enter(&self, ends: &Ends<'_>, moving: &mut BucketMove, step: MoveStep) -> Result<(), Fault> {
        let next = BucketMove { step, walk: 0, after: Vec::new(), ..moving.clone() };
        store(ends, &next).await?;
        *moving = next;
        Ok(())
    }

    async fn clear(
        &self,
        ends: &Ends<'_>,
        moving: &mut BucketMove,
        tell: &(dyn Fn(&Progress) + Sync),
    ) -> Result<(), Fault> {
        walk(ends, moving, Work::Clear, tell).await?;
        let sql = format!("DELETE FROM t_change_note WHERE bucket IN ({})", super::numbers(&moving.buckets));
        ends.source.write_text(&sql).await?;
        self.enter(ends, moving, MoveStep::Done).await
    }
}

/// What is done with each window.
#[derive(Clone, Copy)]
enum Work {
    Copy,
    Verify,
    Clear,
    /// Removes copies.
    Forget,
}

impl Work {
    const fn tables(self) -> &'static [&'static Table] {
        match self {
            Self::Copy | Self::Verify | Self::Forget => &COPIED,
            Self::Clear => &CLEARED,
        }
    }

    async fn on(self, ends: &Ends<'_>, table: &Table, window: &Window, moving: &mut BucketMove) -> Result<(), Fault> {
        match self {
            Self::Copy => moving.rows_copied += table.copy(ends, window).await?,
            Self::Verify => moving.rows_verified += table.verify(ends, window).await?,
            Self::Clear => {
                if table.name == MESSAGES.name {
                    moving.rows_copied += table::copy_consumed(ends, window).await?;
                }
                table.clear(ends, window).await?;
            }
            Self::Forget => table.forget(ends, window).await?,
        }
        Ok(())
    }
}

/// Goes through the tables from where the move is, window by window, and stores how far it came behind each.
async fn walk(
    ends: &Ends<'_>,
    moving: &mut BucketMove,
    work: Work,
    tell: &(dyn Fn(&Progress) + Sync),
) -> Result<(), Fault> {
    while let Some(table) = work.tables().get(moving.walk).copied() {
        let walked = if matches!(work, Work::Forget) { ends.target } else { ends.source };
        let window = table.window(walked, &moving.after).await?;
        let mut next = moving.clone();
        work.on(ends, table, &window, &mut next).await?;
        match window.end {
            Some(end) => next.after = end,
            None => {
                next.walk += 1;
                next.after = Vec::new();
            }
        }
        store(ends, &next).await?;
        *moving = next;
        tell(&Progress { moving: moving.clone(), table: table.name });
    }
    Ok(())
}

async fn store(ends: &Ends<'_>, moving: &BucketMove) -> Result<(), Fault> {
    let mut session = ends.source.begin().await?;
    record::fence(&mut session, &moving.id, ends.mover).await?;
    record::save(&mut session, moving).await?;
    session.commit().await
}

fn stuck(source: &Database, target: &Database, fault: &Fault) -> Error {
    Error::Move(format!("{} -> {}: {fault}", source.name, target.name))
}

pub(super) fn failed(database: &Database, fault: &Fault) -> Error {
    Error::Database { database: database.name.clone(), cause: fault.to_string() }
}
