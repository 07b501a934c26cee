//! What readers of the map do for a mover that is gone.
//!
//! What holds: opening is decided by the source's `MOVED`, which the caller has seen; from then on the target's copy is
//! the bucket. Reopening gives a closed bucket back to its source, and the switch, which looks for `CLOSED` in its own
//! transaction, then does not happen.

use std::sync::Arc;

use super::{BUCKET_OF_ORDER, STAGED, numbers};
use crate::database::Database;
use crate::error::Fault;
use crate::session::{Session, decode};
use crate::topology::{CLOSED, LEAVING, OPEN, READY};

/// Longer than any switch takes; a mover that is slower finds its buckets open again and closes them once more.
const CLOSED_MAX_MS: i64 = 5_000;
/// The clock that `closed_at` is by.
pub(super) const NOW_MS: &str = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)";

/// Opens buckets that are ready here under these epochs. Returns whether any was.
pub(crate) async fn open_arrived(target: &Arc<Database>, buckets: &[(u16, u64)]) -> Result<bool, Fault> {
    let mut session = target.begin().await?;
    let numbered: Vec<u16> = buckets.iter().map(|(bucket, _)| *bucket).collect();
    let sql = format!(
        "SELECT bucket, epoch FROM t_bucket WHERE bucket IN ({}) AND state = {READY} ORDER BY bucket FOR UPDATE",
        numbers(&numbered)
    );
    let ready: Vec<(u16, u64)> = decode("t_bucket", session.text(&sql).await?)?;
    let ready: Vec<u16> = ready.into_iter().filter(|row| buckets.contains(row)).map(|(bucket, _)| bucket).collect();
    if ready.is_empty() {
        session.rollback().await?;
        return Ok(false);
    }
    let buckets = numbers(&ready);
    for table in ["t_waiting", "t_dead_letter"] {
        let of_these = format!("{BUCKET_OF_ORDER} IN ({buckets})");
        session.text(&format!("REPLACE INTO {table} SELECT * FROM {table}_coming WHERE {of_these}")).await?;
        session.text(&format!("DELETE FROM {table}_coming WHERE {of_these}")).await?;
    }
    let sql = format!(
        "UPDATE t_local_message SET status = status - {STAGED} WHERE status IN (10, 11, 13) AND bucket IN ({buckets})"
    );
    session.text(&sql).await?;
    session.text(&format!("UPDATE t_bucket SET state = {OPEN} WHERE bucket IN ({buckets})")).await?;
    session.commit().await?;
    Ok(true)
}

/// Gives buckets that were closed for too long back to this shard. Returns whether there were any.
pub(crate) async fn reopen_overdue(source: &Arc<Database>) -> Result<bool, Fault> {
    let sql = format!("SELECT id, buckets FROM t_move WHERE closed_at < {NOW_MS} - {CLOSED_MAX_MS} AND step < 4");
    let overdue: Vec<(String, String)> = source.read_text("t_move", &sql).await?;
    for (id, buckets) in &overdue {
        let buckets: Vec<u16> = crate::rows::parse("t_move.buckets", buckets.as_bytes())?;
        let mut session = source.begin().await?;
        reopen(&mut session, id, &buckets).await?;
        session.commit().await?;
        tracing::warn!(shard = %source.name, moving = %id, "a switch took too long: its buckets take writes again");
    }
    Ok(!overdue.is_empty())
}

/// Buckets of a move that are closed are open and leaving again.
pub(super) async fn reopen(session: &mut Session, id: &str, buckets: &[u16]) -> Result<(), Fault> {
    session.exec("UPDATE t_move SET closed_at = NULL WHERE id = ?", vec![id.into()]).await?;
    let sql =
        format!("UPDATE t_bucket SET state = {LEAVING} WHERE bucket IN ({}) AND state = {CLOSED}", numbers(buckets));
    session.text(&sql).await.map(drop)
}
