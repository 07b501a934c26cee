//! Giving a move up before its switch.
//!
//! What holds: from one transaction of the source on, its buckets are open there as if nothing had begun, and the move is
//! `CANCELLING`: it is open until the target has forgotten everything, so that no later move meets what this one left.
//! The target's copies go before its rows of buckets do, since those keep them out of every list.
//!
//! What must never happen: copies removed of a bucket that was switched.

use super::record::{self, BucketMove, MoveStep};
use super::switch::lock_buckets;
use super::table::{Ends, refuse_served};
use super::{BUCKET_OF_ORDER, numbers};
use crate::error::Fault;
use crate::topology::{CLOSED, COMING, LEAVING, OPEN, READY};

/// The source takes its buckets back, whatever step the move had come to before its switch.
pub(super) async fn give_up(ends: &Ends<'_>, moving: &mut BucketMove) -> Result<(), Fault> {
    let buckets = numbers(&moving.buckets);
    let mut session = ends.source.begin().await?;
    record::fence(&mut session, &moving.id, ends.mover).await?;
    if lock_buckets(&mut session, &moving.buckets, "0, 3, 4").await? != moving.buckets.len() {
        return Err(Fault::Refused(format!("shard {} does not have all buckets of {}", moving.source, moving.id)));
    }
    let sql =
        format!("UPDATE t_bucket SET state = {OPEN} WHERE bucket IN ({buckets}) AND state IN ({LEAVING}, {CLOSED})");
    session.text(&sql).await?;
    session.text(&format!("DELETE FROM t_change_note WHERE bucket IN ({buckets})")).await?;
    session.exec("UPDATE t_move SET closed_at = NULL WHERE id = ?", vec![moving.id.as_str().into()]).await?;
    let next = BucketMove { step: MoveStep::Cancelling, walk: 0, after: Vec::new(), ..moving.clone() };
    record::save(&mut session, &next).await?;
    session.commit().await?;
    *moving = next;
    Ok(())
}

/// The target knows of no bucket that is coming with this move, and has no mail for it.
pub(super) async fn forget_coming(ends: &Ends<'_>) -> Result<(), Fault> {
    let buckets = numbers(&ends.moving.buckets);
    let mut session = ends.target.begin().await?;
    record::fence(&mut session, &ends.moving.id, ends.mover).await?;
    refuse_served(&mut session, &ends.moving.buckets).await?;
    session
        .text(&format!("DELETE FROM t_local_message WHERE status IN (10, 11, 13) AND bucket IN ({buckets})"))
        .await?;
    for table in ["t_waiting_coming", "t_dead_letter_coming"] {
        session.text(&format!("DELETE FROM {table} WHERE {BUCKET_OF_ORDER} IN ({buckets})")).await?;
    }
    session.text(&format!("DELETE FROM t_bucket WHERE bucket IN ({buckets}) AND state IN ({COMING}, {READY})")).await?;
    session.commit().await
}
