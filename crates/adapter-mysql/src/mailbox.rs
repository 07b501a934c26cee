//! A consumer's progress, stored in the transaction of the effects it speaks of.

use doos_domain::ids::MessageId;
use doos_domain::message::{Consumer, Message};
use doos_domain::time::Timestamp;
use doos_ports::inbox::Progress;
use mysql_async::Value;
use std::collections::BTreeMap;

use crate::dialect::list;
use crate::rows::{MESSAGES_AGAIN, json, message_values};
use crate::script::Script;
use crate::session::Statement;

const WAIT: Statement = Statement {
    head: "INSERT INTO t_waiting (consumer, message_id, order_id, arrival, tries, next_at, cause, payload)",
    columns: 8,
    tail: "ON DUPLICATE KEY UPDATE arrival = VALUES(arrival), tries = VALUES(tries), next_at = VALUES(next_at), \
           cause = VALUES(cause), payload = VALUES(payload)",
};
const PARK: Statement = Statement {
    head: "INSERT INTO t_dead_letter (message_id, consumer, order_id, arrival, tries, cause, parked_at, payload)",
    columns: 8,
    tail: "ON DUPLICATE KEY UPDATE arrival = VALUES(arrival), tries = VALUES(tries), cause = VALUES(cause), \
           parked_at = VALUES(parked_at), payload = VALUES(payload)",
};
const POSITION: Statement = Statement {
    head: "INSERT INTO t_progress (consumer, bus_position)",
    columns: 2,
    tail: "ON DUPLICATE KEY UPDATE bus_position = GREATEST(bus_position, VALUES(bus_position))",
};
/// A cause is for people to read; the column takes no more.
const CAUSE_CHARS_MAX: usize = 4_000;

fn text_of(ids: &[&MessageId]) -> String {
    list(ids.iter().map(|id| id.as_str()))
}

fn cause(text: &str) -> Value {
    text.chars().take(CAUSE_CHARS_MAX).collect::<String>().into()
}

/// Adds all of a progress that belongs to this database. `poll_at`: when the poll may take the outgoing messages.
pub(crate) fn settle(script: &mut Script, progress: &Progress, poll_at: Timestamp) {
    let consumer = progress.consumer;
    let waiting: Vec<&MessageId> = progress.wait.iter().map(|waiting| &waiting.message.id).collect();
    let parked: Vec<&MessageId> = progress.park.iter().map(|letter| &letter.message.id).collect();
    let settled: Vec<&MessageId> = progress.settled.iter().collect();
    remove(script, consumer, &[settled.clone(), parked].concat(), "t_waiting");
    remove(script, consumer, &[settled, waiting].concat(), "t_dead_letter");
    let wait = progress.wait.iter().map(|waiting| {
        let message = &waiting.message;
        vec![
            consumer.name().into(),
            message.id.as_str().into(),
            message.order_id.get().into(),
            waiting.sequence.into(),
            u64::from(waiting.tries).into(),
            waiting.next_at.as_millis().into(),
            cause(&waiting.cause),
            json(message).into(),
        ]
    });
    script.rows(&WAIT, last_of_each(wait, 1));
    let park = progress.park.iter().map(|letter| {
        let message = &letter.message;
        vec![
            message.id.as_str().into(),
            letter.consumer.name().into(),
            message.order_id.get().into(),
            letter.sequence.into(),
            u64::from(letter.tries).into(),
            cause(&letter.cause),
            letter.parked_at.as_millis().into(),
            json(message).into(),
        ]
    });
    script.rows(&PARK, last_of_each(park, 0));
    send(script, &progress.outgoing, poll_at);
    if let Some(position) = progress.position {
        // Last, since every unit of this consumer meets in this row.
        script.rows(&POSITION, [vec![consumer.name().into(), position.0.into()]]);
    }
}

/// Messages of a context, new or told again.
pub(crate) fn send(script: &mut Script, messages: &[Message], poll_at: Timestamp) {
    script.rows(&MESSAGES_AGAIN, messages.iter().map(|message| message_values(message, poll_at)));
}

fn remove(script: &mut Script, consumer: Consumer, ids: &[&MessageId], table: &str) {
    if !ids.is_empty() {
        let ids = text_of(ids);
        script.add(format!("DELETE FROM {table} WHERE message_id IN ({ids}) AND consumer = '{consumer}'"));
    }
}

/// One row for each message: the last one said about it.
fn last_of_each(rows: impl Iterator<Item = Vec<Value>>, id_column: usize) -> Vec<Vec<Value>> {
    let mut last = BTreeMap::new();
    for row in rows {
        last.insert(row[id_column].as_sql(false), row);
    }
    last.into_values().collect()
}
