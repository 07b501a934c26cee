//! The last steps of a move, of which the middle one closes its buckets for writes.
//!
//! What holds: between the closing and the switch nothing is written in these buckets, since every write locks its
//! bucket's row and looks at it. What is carried over in that time is bounded: few notes are left before, and many open
//! messages put the closing off. The switch is one transaction on the source, and finds its buckets closed or does not
//! happen. Whatever fails before it, the buckets are given back.

use mysql_async::{Row, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::arrival::{NOW_MS, open_arrived, reopen};
use super::record::{self, BucketMove, MoveStep};
use super::table::{ANSWERS, ARCHIVED, Ends, Key, ORDERS, VOIDS, write_in_parts};
use super::{BUCKET_OF_ORDER, STAGED, numbers};
use crate::database::Database;
use crate::error::Fault;
use crate::outbox::CONSUMED;
use crate::session::{Session, Statement, decode};
use crate::topology::{CLOSED, COMING, LEAVING, MOVED, OPEN, READY, is_served};

/// Notes carried over at once.
const NOTES_AT_ONCE: usize = 1_000;
/// So few notes are left to the time in which the buckets are closed.
const NOTES_FEW: usize = 100;
/// How often notes are carried over before the writers count as faster than the mover.
const ROUNDS_MAX: usize = 2_000;
/// More open messages than this would keep the buckets closed for too long.
const OPEN_MESSAGES_MAX: u64 = 20_000;

const MESSAGE_COLUMNS: &str = "message_id, tx_id, bucket, topic, payload, status, retry_count, next_retry, created_at";
const STAGE_MESSAGES: Statement = Statement {
    head: "INSERT INTO t_local_message (message_id, tx_id, bucket, topic, payload, status, retry_count, next_retry, \
           created_at)",
    columns: 9,
    tail: "ON DUPLICATE KEY UPDATE status = VALUES(status), payload = VALUES(payload), \
           retry_count = VALUES(retry_count), next_retry = VALUES(next_retry)",
};
const WAITING_COLUMNS: &str = "consumer, message_id, order_id, arrival, tries, next_at, cause, payload";
const STAGE_WAITING: Statement = Statement {
    head: "INSERT INTO t_waiting_coming (consumer, message_id, order_id, arrival, tries, next_at, cause, payload)",
    columns: 8,
    tail: "",
};
const LETTER_COLUMNS: &str = "message_id, consumer, order_id, arrival, tries, cause, parked_at, payload";
const STAGE_LETTERS: Statement = Statement {
    head: "INSERT INTO t_dead_letter_coming (message_id, consumer, order_id, arrival, tries, cause, parked_at, payload)",
    columns: 8,
    tail: "",
};

/// Begins a move: the target knows what is coming, and the source notes what is written from here on.
pub(super) async fn begin(ends: &Ends<'_>, moving: &BucketMove) -> Result<(), Fault> {
    let buckets = numbers(&moving.buckets);
    let sql = format!("SELECT bucket, epoch, state FROM t_bucket WHERE bucket IN ({buckets})");
    let here: Vec<(u16, u64, u8)> = ends.source.read_text("t_bucket", &sql).await?;
    if here.len() != moving.buckets.len() || here.iter().any(|(_, _, state)| !is_served(*state)) {
        return Err(Fault::Refused(format!("shard {} does not have all buckets of {}", moving.source, moving.id)));
    }
    let mut session = ends.target.begin().await?;
    record::fence(&mut session, &moving.id, ends.mover).await?;
    let there: Vec<(u16, u8)> = decode(
        "t_bucket",
        session.text(&format!("SELECT bucket, state FROM t_bucket WHERE bucket IN ({buckets}) FOR UPDATE")).await?,
    )?;
    if let Some((bucket, _)) = there.iter().find(|(_, state)| !matches!(*state, MOVED | COMING | READY)) {
        return Err(Fault::Refused(format!("bucket {bucket} is served by the shard that it should move to")));
    }
    let coming: Vec<String> =
        here.iter().map(|(bucket, epoch, _)| format!("({bucket},{},{COMING})", epoch + 1)).collect();
    let sql = format!(
        "INSERT INTO t_bucket (bucket, epoch, state) VALUES {} \
         ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), state = VALUES(state)",
        coming.join(",")
    );
    session.text(&sql).await?;
    session.commit().await?;
    let mut session = ends.source.begin().await?;
    record::fence(&mut session, &moving.id, ends.mover).await?;
    // Exclusive: the groups that run now were not told to note; they are waited for.
    lock_buckets(&mut session, &moving.buckets, "0, 3, 4").await?;
    session.text(&format!("DELETE FROM t_change_note WHERE bucket IN ({buckets})")).await?;
    session.text(&format!("UPDATE t_bucket SET state = {LEAVING} WHERE bucket IN ({buckets})")).await?;
    record::save(&mut session, moving).await?;
    session.commit().await
}

/// Locks the buckets' rows in the order in which groups do; how many are in one of these states.
pub(super) async fn lock_buckets(session: &mut Session, buckets: &[u16], states: &str) -> Result<usize, Fault> {
    let sql = format!(
        "SELECT bucket FROM t_bucket WHERE bucket IN ({}) AND state IN ({states}) ORDER BY bucket FOR UPDATE",
        numbers(buckets)
    );
    Ok(session.text(&sql).await?.len())
}

/// Carries what is noted until no more than `few` were left at a time.
async fn follow(ends: &Ends<'_>, few: usize) -> Result<u64, Fault> {
    let mut carried = 0;
    for _ in 0..ROUNDS_MAX {
        let sql = format!(
            "SELECT seq, kind, what FROM t_change_note WHERE bucket IN ({}) ORDER BY seq LIMIT {NOTES_AT_ONCE}",
            numbers(&ends.moving.buckets)
        );
        let notes: Vec<(u64, u8, Key)> = ends.source.read("t_change_note", &sql, Vec::new()).await?;
        let of_kind = |wanted: u8| {
            let mut keys: Vec<Key> =
                notes.iter().filter(|(_, kind, _)| *kind == wanted).map(|(.., what)| what.clone()).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        let orders = of_kind(0);
        ORDERS.carry(ends, &orders).await?;
        ARCHIVED.carry(ends, &orders).await?;
        VOIDS.carry(ends, &orders).await?;
        ANSWERS.carry(ends, &of_kind(1)).await?;
        if !notes.is_empty() {
            let mut session = ends.source.begin().await?;
            record::fence(&mut session, &ends.moving.id, ends.mover).await?;
            let seqs = crate::dialect::list(notes.iter().map(|(seq, ..)| *seq));
            session.text(&format!("DELETE FROM t_change_note WHERE seq IN ({seqs})")).await?;
            session.commit().await?;
        }
        carried += notes.len() as u64;
        if notes.len() <= few {
            return Ok(carried);
        }
    }
    Err(Fault::Refused("these buckets are written faster than they can be copied; move fewer at once".to_owned()))
}

/// Follows, closes, carries the rest, switches. `false`: the buckets were given back meanwhile; to be tried again.
pub(super) async fn switch(ends: &Ends<'_>, moving: &mut BucketMove) -> Result<bool, Fault> {
    moving.rows_copied += follow(ends, NOTES_FEW).await?;
    refuse_flood(ends).await?;
    unready(ends).await?;
    let began = ends.source.clock.monotonic();
    close(ends).await?;
    let done = while_closed(ends, moving).await;
    if matches!(done, Ok(true)) {
        // The target opens in this time too: nobody is told before.
        open(ends).await?;
        let took = ends.source.clock.monotonic().saturating_sub(began);
        moving.closed_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }
    if !matches!(done, Ok(true)) {
        // Nothing was switched, or nobody knows: what is not closed any more stays as it is.
        let mut session = ends.source.begin().await?;
        reopen(&mut session, &ends.moving.id, &ends.moving.buckets).await?;
        session.commit().await?;
    }
    done
}

async fn refuse_flood(ends: &Ends<'_>) -> Result<(), Fault> {
    let sql = format!(
        "SELECT COUNT(*) FROM t_local_message FORCE INDEX (idx_status_next_retry) WHERE status IN (0, 1, 3) \
         AND bucket IN ({})",
        numbers(&ends.moving.buckets)
    );
    let counted: Vec<(u64,)> = ends.source.read("t_local_message", &sql, Vec::new()).await?;
    match counted.first() {
        Some((open,)) if *open > OPEN_MESSAGES_MAX => Err(Fault::Refused(format!(
            "{open} messages of these buckets are open, and at most {OPEN_MESSAGES_MAX} can be carried while they are \
             closed; bring the broker back or move fewer at once, then resume"
        ))),
        _ => Ok(()),
    }
}

/// A target that an earlier try has made ready is not: the source was written since.
async fn unready(ends: &Ends<'_>) -> Result<(), Fault> {
    let mut session = ends.target.begin().await?;
    record::fence(&mut session, &ends.moving.id, ends.mover).await?;
    let buckets = numbers(&ends.moving.buckets);
    let sql = format!("UPDATE t_bucket SET state = {COMING} WHERE bucket IN ({buckets}) AND state = {READY}");
    session.text(&sql).await?;
    session.commit().await
}

async fn close(ends: &Ends<'_>) -> Result<(), Fault> {
    let (moving, buckets) = (ends.moving, numbers(&ends.moving.buckets));
    let mut session = ends.source.begin().await?;
    record::fence(&mut session, &moving.id, ends.mover).await?;
    if lock_buckets(&mut session, &moving.buckets, "3, 4").await? != moving.buckets.len() {
        return Err(Fault::Refused(format!("the buckets of {} are not leaving shard {}", moving.id, moving.source)));
    }
    session.text(&format!("UPDATE t_bucket SET state = {CLOSED} WHERE bucket IN ({buckets})")).await?;
    session
        .exec(&format!("UPDATE t_move SET closed_at = {NOW_MS} WHERE id = ?"), vec![moving.id.as_str().into()])
        .await?;
    session.commit().await
}

async fn while_closed(ends: &Ends<'_>, moving: &mut BucketMove) -> Result<bool, Fault> {
    moving.rows_copied += follow(ends, 0).await?;
    carry_mail(ends).await?;
    let buckets = numbers(&ends.moving.buckets);
    let mut session = ends.source.begin().await?;
    record::fence(&mut session, &ends.moving.id, ends.mover).await?;
    if lock_buckets(&mut session, &ends.moving.buckets, "4").await? != ends.moving.buckets.len() {
        session.rollback().await?;
        return Ok(false);
    }
    session.text(&format!("UPDATE t_bucket SET state = {MOVED} WHERE bucket IN ({buckets})")).await?;
    // The target publishes them from here on.
    let sql =
        format!("UPDATE t_local_message SET status = {CONSUMED} WHERE status IN (0, 1, 3) AND bucket IN ({buckets})");
    session.text(&sql).await?;
    for table in ["t_waiting", "t_dead_letter"] {
        session.text(&format!("DELETE FROM {table} WHERE {BUCKET_OF_ORDER} IN ({buckets})")).await?;
    }
    session.exec("UPDATE t_move SET closed_at = NULL WHERE id = ?", vec![ends.moving.id.as_str().into()]).await?;
    let next = BucketMove { step: MoveStep::Switched, ..moving.clone() };
    record::save(&mut session, &next).await?;
    session.commit().await?;
    *moving = next;
    Ok(true)
}

/// Open, waiting and parked messages and the marks of ids; with them the target is ready.
async fn carry_mail(ends: &Ends<'_>) -> Result<(), Fault> {
    let mail = read_mail(ends.source, &ends.moving.buckets, ["0, 1, 3", "t_waiting", "t_dead_letter"]).await?;
    let marks: Vec<(u64, u64, i64)> =
        ends.source.read_text("t_id_mark", "SELECT worker, epoch, mark FROM t_id_mark").await?;
    let buckets = numbers(&ends.moving.buckets);
    let mut session = ends.target.begin().await?;
    record::fence(&mut session, &ends.moving.id, ends.mover).await?;
    session
        .text(&format!("DELETE FROM t_local_message WHERE status IN (10, 11, 13) AND bucket IN ({buckets})"))
        .await?;
    for table in ["t_waiting_coming", "t_dead_letter_coming"] {
        session.text(&format!("DELETE FROM {table} WHERE {BUCKET_OF_ORDER} IN ({buckets})")).await?;
    }
    let [messages, waiting, letters] = &mail;
    let staged = messages.values().map(|cells| {
        let mut cells = cells.clone();
        cells[5] = Value::Int(status_of(&cells) + i64::from(STAGED));
        cells
    });
    write_in_parts(&mut session, &STAGE_MESSAGES, staged.collect()).await?;
    write_in_parts(&mut session, &STAGE_WAITING, waiting.values().cloned().collect()).await?;
    write_in_parts(&mut session, &STAGE_LETTERS, letters.values().cloned().collect()).await?;
    carry_marks(&mut session, &marks).await?;
    session
        .text(&format!("UPDATE t_bucket SET state = {READY} WHERE bucket IN ({buckets}) AND state = {COMING}"))
        .await?;
    session.commit().await?;
    let mut there =
        read_mail(ends.target, &ends.moving.buckets, ["10, 11, 13", "t_waiting_coming", "t_dead_letter_coming"])
            .await?;
    for cells in there[0].values_mut() {
        cells[5] = Value::Int(status_of(cells) - i64::from(STAGED));
    }
    if there == mail {
        Ok(())
    } else {
        Err(Fault::Refused(format!("the copy of the messages of {} differs", ends.moving.id)))
    }
}

fn status_of(cells: &[Value]) -> i64 {
    match &cells[5] {
        Value::Int(status) => *status,
        Value::UInt(status) => status.cast_signed(),
        _ => 0,
    }
}

/// Whoever takes a worker's number next looks at all shards; marks and epochs only ever grow.
pub(super) async fn carry_marks(session: &mut Session, marks: &[(u64, u64, i64)]) -> Result<(), Fault> {
    for (worker, epoch, mark) in marks {
        let sql = "INSERT INTO t_id_mark (worker, epoch, mark) VALUES (?,?,?) ON DUPLICATE KEY UPDATE \
                   epoch = GREATEST(epoch, VALUES(epoch)), mark = GREATEST(mark, VALUES(mark))";
        session.exec(sql, vec![(*worker).into(), (*epoch).into(), (*mark).into()]).await?;
    }
    Ok(())
}

type Mail = BTreeMap<String, Vec<Value>>;

async fn read_mail(
    database: &Arc<Database>,
    buckets: &[u16],
    [statuses, waiting, letters]: [&str; 3],
) -> Result<[Mail; 3], Fault> {
    let buckets = numbers(buckets);
    let messages = format!(
        "SELECT {MESSAGE_COLUMNS} FROM t_local_message FORCE INDEX (idx_status_next_retry) \
         WHERE status IN ({statuses}) AND bucket IN ({buckets})"
    );
    let of_these = format!("{BUCKET_OF_ORDER} IN ({buckets})");
    Ok([
        mail(database, &messages, &[0]).await?,
        mail(database, &format!("SELECT {WAITING_COLUMNS} FROM {waiting} WHERE {of_these}"), &[0, 1]).await?,
        mail(database, &format!("SELECT {LETTER_COLUMNS} FROM {letters} WHERE {of_these}"), &[0]).await?,
    ])
}

async fn mail(database: &Arc<Database>, sql: &str, key: &[usize]) -> Result<Mail, Fault> {
    let rows: Vec<Row> = database.read("messages", sql, Vec::new()).await?;
    let named = rows.into_iter().map(Row::unwrap);
    Ok(named.map(|cells| (key.iter().map(|at| cells[*at].as_sql(false)).collect::<String>(), cells)).collect())
}

/// Opens the target, unless a reader of the map was faster.
pub(super) async fn open(ends: &Ends<'_>) -> Result<(), Fault> {
    let buckets = numbers(&ends.moving.buckets);
    let sql = format!("SELECT bucket, epoch FROM t_bucket WHERE bucket IN ({buckets}) AND state = {READY}");
    let ready: Vec<(u16, u64)> = ends.target.read_text("t_bucket", &sql).await?;
    if !ready.is_empty() {
        open_arrived(ends.target, &ready).await?;
    }
    let sql = format!("SELECT bucket FROM t_bucket WHERE bucket IN ({buckets}) AND state = {OPEN}");
    if ends.target.read_text::<(u16,)>("t_bucket", &sql).await?.len() == ends.moving.buckets.len() {
        return Ok(());
    }
    Err(Fault::Refused(format!("not all buckets of {} are open at their new shard", ends.moving.id)))
}
