//! Moves as the shards remember them: the source's row is the move, the target's is there to fence and to count.

use doos_domain::time::Timestamp;
use mysql_async::Value;
use serde::Serialize;
use std::sync::Arc;

use super::arrival::NOW_MS;
use crate::database::Database;
use crate::error::Fault;
use crate::rows::{json, parse};
use crate::session::Session;

/// How far a move is; in the order in which it gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveStep {
    Planned,
    Copying,
    Verifying,
    Following,
    Switched,
    Clearing,
    Done,
    /// Given up: its buckets stay, and the copies on the target are being removed.
    Cancelling,
    Cancelled,
}

const STEPS: [MoveStep; 9] = [
    MoveStep::Planned,
    MoveStep::Copying,
    MoveStep::Verifying,
    MoveStep::Following,
    MoveStep::Switched,
    MoveStep::Clearing,
    MoveStep::Done,
    MoveStep::Cancelling,
    MoveStep::Cancelled,
];

impl MoveStep {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Copying => "copying",
            Self::Verifying => "verifying",
            Self::Following => "following",
            Self::Switched => "switched",
            Self::Clearing => "clearing",
            Self::Done => "done",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn number(self) -> u64 {
        self as u64
    }

    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// Some buckets on their way from one shard to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BucketMove {
    pub id: String,
    pub source: usize,
    pub target: usize,
    pub buckets: Vec<u16>,
    pub step: MoveStep,
    /// The table that the step has come to, and the key in it.
    #[serde(skip)]
    pub(super) walk: usize,
    #[serde(skip)]
    pub(super) after: Vec<u8>,
    pub rows_copied: u64,
    pub rows_verified: u64,
    /// How long its buckets took no writes, if that was in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_ms: Option<u64>,
}

type Row = (String, usize, usize, String, u8, u8, Vec<u8>, u64, u64);

fn move_of((id, source, target, buckets, step, walk, after, copied, verified): Row) -> Result<BucketMove, Fault> {
    let step = STEPS.get(usize::from(step)).copied().ok_or_else(|| Fault::row("t_move", format!("step {step}")))?;
    let (buckets, walk) = (parse("t_move.buckets", buckets.as_bytes())?, usize::from(walk));
    let (rows_copied, rows_verified, closed_ms) = (copied, verified, None);
    Ok(BucketMove { id, source, target, buckets, step, walk, after, rows_copied, rows_verified, closed_ms })
}

/// Moves that began on this shard and are not done, oldest first.
pub(super) async fn open_moves(source: &Arc<Database>) -> Result<Vec<BucketMove>, Fault> {
    let sql = format!(
        "SELECT id, source, target, buckets, step, walk, after_key, rows_copied, rows_verified FROM t_move \
         WHERE step NOT IN ({}, {}) ORDER BY id",
        MoveStep::Done.number(),
        MoveStep::Cancelled.number()
    );
    source.read::<Row>("t_move", &sql, Vec::new()).await?.into_iter().map(move_of).collect()
}

const INSERT: &str = "INSERT INTO t_move (id, source, target, buckets, step, mover, beat, walk, after_key, rows_copied, \
     rows_verified, started_at) VALUES (?,?,?,?,?,?,0,0,'',0,0,?) ON DUPLICATE KEY UPDATE mover = VALUES(mover)";

fn row(moving: &BucketMove, step: MoveStep, mover: u64, now: Timestamp) -> Vec<Value> {
    vec![
        moving.id.as_str().into(),
        moving.source.into(),
        moving.target.into(),
        json(&moving.buckets).into(),
        step.number().into(),
        mover.into(),
        now.as_millis().into(),
    ]
}

/// Writes a plan down: all of a shard's moves or none.
pub(super) async fn plan(source: &Arc<Database>, moves: &[BucketMove], now: Timestamp) -> Result<(), Fault> {
    let mut session = source.begin().await?;
    for moving in moves {
        session.exec(INSERT, row(moving, MoveStep::Planned, 0, now)).await?;
    }
    session.commit().await
}

/// From here on nobody but this mover may write for the move. On the target it is never open: only the source leads it.
pub(super) async fn adopt(
    moving: &BucketMove,
    source: &Arc<Database>,
    target: &Arc<Database>,
    mover: u64,
    now: Timestamp,
) -> Result<(), Fault> {
    for (database, step) in [(target, MoveStep::Done), (source, moving.step)] {
        let mut session = database.begin().await?;
        session.exec(INSERT, row(moving, step, mover, now)).await?;
        session.commit().await?;
    }
    Ok(())
}

/// The first statement of a transaction that writes for a move: fails if somebody else has taken the move over, and
/// marks the transaction for the change feed.
pub(super) async fn fence(session: &mut Session, id: &str, mover: u64) -> Result<(), Fault> {
    let sql = "UPDATE t_move SET beat = beat + 1 WHERE id = ? AND mover = ?";
    match session.affected_by(sql, vec![id.into(), mover.into()]).await? {
        1 => Ok(()),
        _ => Err(Fault::Refused(format!("another mover has taken over {id}"))),
    }
}

/// How far the move is, in a transaction that is fenced.
pub(super) async fn save(session: &mut Session, moving: &BucketMove) -> Result<(), Fault> {
    let ended = if moving.step.is_over() { NOW_MS } else { "NULL" };
    let sql = format!(
        "UPDATE t_move SET step = ?, walk = ?, after_key = ?, rows_copied = ?, rows_verified = ?, ended_at = {ended} \
         WHERE id = ?"
    );
    let values = vec![
        moving.step.number().into(),
        moving.walk.into(),
        Value::Bytes(moving.after.clone()),
        moving.rows_copied.into(),
        moving.rows_verified.into(),
        moving.id.as_str().into(),
    ];
    session.exec(&sql, values).await.map(drop)
}
