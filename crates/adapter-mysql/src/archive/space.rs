//! Giving the space of a month back whose orders are put away.
//!
//! What holds: between the look whether the partition is empty and its end nobody can write the table, since both are
//! done under one lock by one connection: if the connection dies, either nothing or all of it was done. The lock is
//! waited for only a moment, since everybody who comes behind it waits too.

use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::partitions::{self, Span};

/// So long, in seconds, the table's lock is waited for, and with it whoever places orders meanwhile.
const LOCK_WAIT_S: u64 = 1;
/// A large file takes its time to go.
const DROP_PATIENCE_S: u64 = 120;

/// What became of a month's partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Back,
    /// Somebody else has the table for long.
    InUse,
    /// A change has brought an order back in the last moment.
    NotEmpty,
}

/// Drops the month's partition if it is empty.
pub(super) async fn give_back(shard: &Arc<Database>, span: &Span) -> Result<Given, Fault> {
    let partition = partitions::name(span.month);
    let mut session = shard.own_session().await?;
    session.text(&format!("SET SESSION lock_wait_timeout = {LOCK_WAIT_S}")).await?;
    // Once without the lock: rows that were just deleted are walked over until the server has swept them up.
    let look = format!("SELECT id FROM t_order PARTITION ({partition}) LIMIT 1");
    if !session.patiently(DROP_PATIENCE_S).text(&look).await?.is_empty() {
        return Ok(Given::NotEmpty);
    }
    session.text("LOCK TABLES t_order WRITE").await?;
    if !session.text(&look).await?.is_empty() {
        return Ok(Given::NotEmpty);
    }
    session.text(&format!("ALTER TABLE t_order DROP PARTITION {partition}")).await?;
    session.text("UNLOCK TABLES").await?;
    Ok(Given::Back)
}
