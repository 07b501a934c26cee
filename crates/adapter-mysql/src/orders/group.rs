//! The statements of one group of changes on one shard: lock and look, then write.
//!
//! What holds: bucket rows first, shared and in bucket order, so that a group and a void or a move of a bucket exclude
//! each other; then ids and keys; one packet for all of it. New orders are plain inserts: if another process was faster
//! with the id or the key, the group fails as a whole and is judged again.
//!
//! A group of nothing but new orders is not looked at first: it is one packet, which the server stops where something is
//! in the way; only then it is judged. What must never happen: a reason to refuse a new order that `judge.rs` knows, and
//! neither a key nor the condition in [`place`] does.

use doos_domain::message::Message;
use doos_domain::time::Timestamp;
use doos_ports::order_store::Change;
use mysql_async::{Row, Value};
use std::collections::{BTreeSet, HashMap};

use super::judge::Found;
use crate::dialect::list;
use crate::error::Fault;
use crate::moves::{NOTES, Note};
use crate::rows::{
    ANSWER_COLUMNS, AnswerRow, NEW_ANSWERS, NEW_MESSAGES, NEW_ORDERS, NEXT_VERSIONS, answer_of, answer_values,
    hash_literal, key_hash, message_values, order_values,
};
use crate::script::Script;
use crate::session::{Session, decode};
use crate::topology::OPEN;
use doos_domain::ids::OrderId;

/// The mark by which a connection can be asked later whether a group was committed.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub writer: u64,
    pub group: u64,
}

/// Begins the transaction and locks everything that the changes stand on.
/// `touched`: orders that nothing is changed of, and that something is stored about.
pub(super) async fn lock(
    session: &mut Session,
    mark: Mark,
    changes: &[&Change],
    touched: &BTreeSet<OrderId>,
) -> Result<Found, Fault> {
    let orders = changes.iter().map(|change| change.order.id).chain(touched.iter().copied());
    let buckets: BTreeSet<u16> = orders.map(|id| id.bucket().get()).collect();
    let ids: BTreeSet<u64> = changes.iter().map(|change| change.order.id.get()).collect();
    let new: BTreeSet<u64> =
        changes.iter().filter(|change| change.expected_version == 0).map(|change| change.order.id.get()).collect();
    let keys: BTreeSet<[u8; 16]> =
        changes.iter().filter_map(|change| change.answer.as_ref()).map(|answer| key_hash(&answer.key)).collect();
    let keys: Vec<String> = keys.iter().map(hash_literal).collect();
    let mut sql = format!(
        "START TRANSACTION; UPDATE t_writer SET last_group = {} WHERE id = {}; SELECT ROW_COUNT()",
        mark.group, mark.writer
    );
    sql += &format!(
        "; SELECT bucket, epoch, state FROM t_bucket WHERE bucket IN ({}) ORDER BY bucket LOCK IN SHARE MODE",
        list(buckets.into_iter().map(u64::from))
    );
    sql += &format!("; SELECT id, version FROM t_order WHERE id IN ({}) ORDER BY id FOR UPDATE", list(ids));
    sql += &format!("; SELECT id FROM t_void WHERE id IN ({})", list(new.iter().copied()));
    sql += &format!("; SELECT id, version FROM t_order_archive WHERE id IN ({})", list(new));
    let keys = if keys.is_empty() { "NULL".to_owned() } else { keys.join(",") };
    sql += &format!("; SELECT {ANSWER_COLUMNS} FROM t_answer WHERE id IN ({keys})");
    // Shared until the COMMIT, so that whoever raises the epoch waits for this group.
    let is_held = changes.iter().any(|change| change.gate_epoch.is_some());
    if is_held {
        sql += "; SELECT epoch FROM t_gate WHERE one = 1 LOCK IN SHARE MODE";
    }
    session.has_begun();
    let mut sets = session.texts(&sql).await?;
    // The first two statements have no rows.
    let mut next = |at: usize| sets.get_mut(at).map(std::mem::take).unwrap_or_default();
    let marked: Vec<(i64,)> = decode("t_writer", next(2))?;
    if marked.first() != Some(&(1,)) {
        return Err(Fault::Contended("this connection's mark is gone".to_owned()));
    }
    let mut found = found(next(3), next(4), next(5), next(7))?;
    found.add_archived(decode("t_order_archive", next(6))?);
    let epochs: Vec<(u64,)> = decode("t_gate", next(8))?;
    found.gate_epoch = epochs.first().map(|(epoch,)| *epoch);
    let later = changes.iter().filter(|change| change.expected_version > 0).map(|change| change.order.id);
    let missing: BTreeSet<u64> = later.filter(|id| !found.versions.contains_key(id)).map(OrderId::get).collect();
    if !missing.is_empty() {
        // Mostly a change that came too late for an order that was put away; it comes back.
        let sql =
            format!("SELECT id, version FROM t_order_archive WHERE id IN ({}) ORDER BY id FOR UPDATE", list(missing));
        found.add_archived(decode("t_order_archive", session.text(&sql).await?)?);
    }
    Ok(found)
}

/// A group of new orders as a whole, from its beginning to just before its COMMIT. A statement fails if a bucket is not
/// open here, an id is void or archived, or the gate's epoch is another one (the mark would be nothing), or if an id or a
/// key is there already. The gate's epoch must be the same for all.
pub(super) fn place(mark: Mark, changes: &[&Change], now: Timestamp, poll_at: Timestamp) -> Script {
    let buckets: BTreeSet<u64> = changes.iter().map(|change| u64::from(change.order.id.bucket().get())).collect();
    let (count, buckets) = (buckets.len(), list(buckets));
    let ids = list(changes.iter().map(|change| change.order.id.get()));
    let mut script = Script::default();
    script.add("START TRANSACTION");
    script.add(format!("SELECT bucket FROM t_bucket WHERE bucket IN ({buckets}) ORDER BY bucket LOCK IN SHARE MODE"));
    let epoch = changes.first().and_then(|change| change.gate_epoch);
    if epoch.is_some() {
        script.add("SELECT epoch FROM t_gate WHERE one = 1 LOCK IN SHARE MODE");
    }
    let in_epoch =
        epoch.map_or_else(String::new, |epoch| format!("AND (SELECT epoch FROM t_gate WHERE one = 1) = {epoch} "));
    script.add(format!(
        "INSERT INTO t_writer (id, opened_at, last_group) VALUES ({}, {}, IF((SELECT COUNT(*) FROM t_bucket \
         WHERE bucket IN ({buckets}) AND state = {OPEN}) = {count} \
         {in_epoch}AND NOT EXISTS (SELECT 1 FROM t_void WHERE id IN ({ids})) \
         AND NOT EXISTS (SELECT 1 FROM t_order_archive WHERE id IN ({ids})), {}, NULL)) \
         ON DUPLICATE KEY UPDATE last_group = VALUES(last_group)",
        mark.writer,
        now.as_millis(),
        mark.group
    ));
    // What is open is not leaving: there is nothing to note.
    write(&mut script, changes, &Found::default(), poll_at);
    script
}

fn found(buckets: Vec<Row>, versions: Vec<Row>, voids: Vec<Row>, answers: Vec<Row>) -> Result<Found, Fault> {
    let buckets: Vec<(u16, u64, u8)> = decode("t_bucket", buckets)?;
    let versions: Vec<(u64, u32)> = decode("t_order", versions)?;
    let voids: Vec<(u64,)> = decode("t_void", voids)?;
    let answers: Vec<AnswerRow> = decode("t_answer", answers)?;
    Ok(Found {
        buckets: buckets.into_iter().map(|(bucket, epoch, state)| (bucket, (epoch, state))).collect(),
        versions: versions.into_iter().filter_map(|(id, version)| Some((OrderId::new(id)?, version))).collect(),
        voids: voids.into_iter().filter_map(|(id,)| OrderId::new(id)).collect(),
        answers: answers.into_iter().map(answer_of).collect(),
        ..Found::default()
    })
}

/// What the winners of a group write, with notes for the mover of a leaving bucket. `poll_at`: when the poll may take their messages.
pub(super) fn write(script: &mut Script, winners: &[&Change], found: &Found, poll_at: Timestamp) {
    let new = winners.iter().filter(|change| change.expected_version == 0);
    script.rows(&NEW_ORDERS, new.map(|change| order_values(&change.order)));
    for layer in layers(winners) {
        script.rows(&NEXT_VERSIONS, layer.into_iter().map(|change| order_values(&change.order)));
    }
    // An archived order that is changed is in use again: its next version is a row of its table, which the feed sees.
    let back: BTreeSet<u64> = winners
        .iter()
        .map(|change| change.order.id)
        .filter(|id| found.archived.contains(id))
        .map(OrderId::get)
        .collect();
    if !back.is_empty() {
        script.add(format!("DELETE FROM t_order_archive WHERE id IN ({})", list(back)));
    }
    let messages = winners.iter().flat_map(|change| &change.messages);
    script.rows(&NEW_MESSAGES, messages.map(|message| message_values(message, poll_at)));
    let answers = winners.iter().filter_map(|change| Some((change.answer.as_ref()?, change.order.id.bucket().get())));
    script.rows(&NEW_ANSWERS, answers.map(|(answer, bucket)| answer_values(answer, bucket)));
    let noted = winners.iter().filter(|change| found.is_leaving(change.order.id));
    script.rows(&NOTES, noted.flat_map(|change| notes_of(change)));
}

fn notes_of(change: &Change) -> impl Iterator<Item = Vec<Value>> {
    let bucket = change.order.id.bucket().get();
    let answer = change.answer.as_ref().map(|answer| Note::Answer(key_hash(&answer.key)));
    [Note::Order(change.order.id.get())].into_iter().chain(answer).map(move |note| note.values(bucket))
}

/// Later versions, so cut that no statement has two of one order: each must be an event of its own in the feed.
fn layers<'a>(winners: &[&'a Change]) -> Vec<Vec<&'a Change>> {
    let mut depths: HashMap<OrderId, usize> = HashMap::new();
    let mut layers: Vec<Vec<&Change>> = Vec::new();
    for change in winners.iter().filter(|change| change.expected_version > 0) {
        let depth = depths.entry(change.order.id).or_default();
        if layers.len() == *depth {
            layers.push(Vec::new());
        }
        layers[*depth].push(change);
        *depth += 1;
    }
    layers
}

pub(super) fn messages_of<'a>(winners: &'a [&'a Change]) -> impl Iterator<Item = Message> + 'a {
    winners.iter().flat_map(|change| &change.messages).cloned()
}
