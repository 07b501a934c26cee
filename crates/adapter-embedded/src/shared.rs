//! What the writer, the folder and the ports have in common.
//!
//! What holds: `apply` is the one place where synced records become visible; the writer calls it after every sync,
//! and opening calls it for what was not folded. A reader that walks more than one row holds `fold_gate`, so that no
//! entry leaves the tail under it; a reader of one row needs only the order *tail first, database second*.
//!
//! What must never happen: a lock held across an await, or the writer waiting for a reader's disk.

use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::{Consumer, Message};
use doos_domain::order::Order;
use doos_domain::stock::StockRow;
use doos_journal::Reader;
use doos_ports::bus::Position;
use doos_ports::inbox::{DeadLetter, Waiting};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::watch;

use crate::bell::Bell;
use crate::database::Pool;
use crate::error::{ENGINE, Error, Result};
use crate::fold_signal::FoldSignal;
use crate::live::{Absences, Changes, InboxIndex, Mailbox, RecentOrders, Unread};
use crate::locks::{lock, read, write};
use crate::newest_ids::NewestIds;
use crate::options::Options;
use crate::outage::Hindrance;
use crate::record::{DocHead, Record, slot};
use crate::table::Table;
use crate::tail::Tail;
use crate::unit::{Live, Refused, Unit};

/// A group's start is remembered for every so many bytes of journal, to start cursors near a position.
const MARK_EVERY_BYTES: u64 = 256 << 10;
/// Entries filed or taken out under one lock of the tail, so that readers never wait long for it.
pub(crate) const TAIL_CHUNK: usize = 512;

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Job {
    Store(Vec<Unit>),
    /// Give back the journal's segments before this position.
    DropBefore(u64),
    /// Everything queued before this is done; end.
    Close,
}

pub(crate) type Verdicts = Vec<Result<(), Refused>>;

/// A synced record on its way into the indexes.
pub(crate) struct Applied<'a> {
    pub position: u64,
    pub record: Record<'a>,
    pub live: Live,
    /// Whether the next record belongs to another unit.
    pub ends_unit: bool,
}

pub(crate) struct Shared {
    pub options: Options,
    pub reader: Reader,
    pub pool: Pool,
    pub queue: doos_batcher::Sender<Job, Verdicts>,
    pub tail: RwLock<Tail>,
    pub fold_gate: RwLock<()>,
    pub recent: Mutex<RecentOrders>,
    pub absences: Mutex<Absences>,
    pub changes: Mutex<Changes>,
    pub mailboxes: [Mutex<Mailbox>; Consumer::ALL.len()],
    /// Position of the newest message, per consumer.
    pub mail: [watch::Sender<u64>; Consumer::ALL.len()],
    /// Position of the newest change of an order.
    pub changed: Bell,
    pub inbox: RwLock<InboxIndex>,
    pub stock: RwLock<BTreeMap<u64, StockRow>>,
    /// Orders about whose stock there is a decision.
    pub decided: Mutex<NewestIds>,
    /// Everything before this is in the database.
    pub folded: AtomicU64,
    /// Everything before this is visible to readers.
    pub applied: AtomicU64,
    marks: Mutex<BTreeSet<u64>>,
    pub stopped: watch::Sender<Option<String>>,
    pub closing: AtomicBool,
    pub fold_signal: FoldSignal,
    /// Why nothing can be folded just now.
    pub fold_pause: Hindrance,
    /// Why the journal takes nothing just now.
    pub journal_full: Hindrance,
    /// Why the journal's next segment could not be made ahead of need.
    pub segment_missing: Hindrance,
}

impl Shared {
    pub fn new(options: Options, reader: Reader, pool: Pool, queue: doos_batcher::Sender<Job, Verdicts>) -> Self {
        let (start, oldest) = (reader.end(), reader.oldest());
        Self {
            options,
            pool,
            queue,
            tail: RwLock::default(),
            fold_gate: RwLock::default(),
            recent: Mutex::new(RecentOrders::new(options.orders_cached_max)),
            absences: Mutex::default(),
            changes: Mutex::new(Changes::new(options.changes_cached_max, start)),
            mailboxes: std::array::from_fn(|_| Mutex::new(Mailbox::new(options.messages_cached_max))),
            mail: std::array::from_fn(|_| watch::Sender::new(0)),
            changed: Bell::default(),
            inbox: RwLock::default(),
            stock: RwLock::default(),
            decided: Mutex::new(NewestIds::starting_at(0)),
            folded: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            marks: Mutex::new(BTreeSet::from([oldest])),
            stopped: watch::Sender::new(None),
            closing: AtomicBool::new(false),
            fold_signal: FoldSignal::default(),
            fold_pause: Hindrance::default(),
            journal_full: Hindrance::default(),
            segment_missing: Hindrance::default(),
            reader,
        }
    }

    pub fn folded(&self) -> u64 {
        self.folded.load(Ordering::Acquire)
    }

    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    pub fn mailbox(&self, consumer: Consumer) -> &Mutex<Mailbox> {
        &self.mailboxes[slot(consumer)]
    }

    /// Remembers the first cause; from now on everything is refused.
    pub fn stop(&self, cause: &str) {
        self.stopped.send_if_modified(|stopped| {
            let is_first = stopped.is_none();
            stopped.get_or_insert_with(|| cause.to_owned());
            is_first
        });
        self.fold_signal.close();
    }

    pub fn check_running(&self) -> doos_ports::Result<()> {
        match &*self.stopped.borrow() {
            None => Ok(()),
            Some(cause) => {
                Err(doos_ports::Error::Unavailable { engine: ENGINE, cause: format!("it has stopped: {cause}") })
            }
        }
    }

    /// Hands units to the writer and waits for their verdicts.
    pub async fn submit(&self, units: Vec<Unit>) -> doos_ports::Result<Verdicts> {
        self.check_running()?;
        if self.closing.load(Ordering::Acquire) {
            return Err(refusal_of(doos_batcher::Error::Closed));
        }
        let weight = units.iter().map(Unit::bytes).sum();
        let pending = self.queue.submit(Job::Store(units), weight).map_err(refusal_of)?;
        pending.reply().await.map_err(refusal_of)
    }

    pub async fn submit_one(&self, unit: Unit) -> Result<(), Refused> {
        let mut verdicts = self.submit(vec![unit]).await.map_err(Refused::Engine)?;
        verdicts.pop().expect("the writer gives one verdict for each unit")
    }

    /// Whether new work must be turned away until folder and consumers have caught up.
    pub fn check_room(&self) -> doos_ports::Result<()> {
        let Options { tail_orders_max, tail_bytes_max, unread_messages_max, unread_bytes_max, .. } = self.options;
        let applied = self.applied();
        let full = read(&self.tail).order_count() >= tail_orders_max
            || applied.saturating_sub(self.folded()) >= tail_bytes_max
            || self.mailboxes.iter().any(|mailbox| {
                let mailbox = lock(mailbox);
                let unread_bytes = mailbox.first().map_or(0, |first| applied.saturating_sub(first));
                mailbox.count() >= unread_messages_max || unread_bytes >= unread_bytes_max
            })
            || {
                let inbox = read(&self.inbox);
                Consumer::ALL.into_iter().any(|consumer| inbox.waiting_count(consumer) >= unread_messages_max)
            };
        if full { Err(doos_ports::Error::Busy { engine: ENGINE }) } else { Ok(()) }
    }

    /// Why orders are refused just now though the store runs: there is no room on the disk.
    pub fn hindrance(&self) -> Option<String> {
        let pause = self.fold_pause.cause().filter(|_| self.check_room().is_err());
        self.journal_full.cause().or(pause)
    }

    /// Whether the folder should still let others go first.
    pub fn tail_is_below_half(&self) -> bool {
        let orders = read(&self.tail).order_count();
        let bytes = self.applied().saturating_sub(self.folded());
        orders < self.options.tail_orders_max / 2 && bytes < self.options.tail_bytes_max / 2
    }

    /// No consumer has an unread message before this.
    pub fn unread_floor(&self) -> u64 {
        let applied = self.applied();
        let firsts = self.mailboxes.iter().filter_map(|mailbox| lock(mailbox).first());
        firsts.min().unwrap_or(applied).min(applied)
    }

    /// Makes a synced group visible. `start` and `end` are the group's.
    pub fn apply(&self, start: u64, end: u64, batch: Vec<Applied<'_>>) -> Result<()> {
        self.mark(start);
        {
            let mut recent = lock(&self.recent);
            for applied in &batch {
                if let Live::Order(order) = &applied.live {
                    recent.put(order);
                }
            }
        }
        self.note_decisions(&batch);
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(unit_boundary(rest));
            let mut tail = write(&self.tail);
            for applied in chunk {
                tail.insert(applied.position, &applied.record);
            }
            rest = after;
        }
        self.apply_stock_rows(&batch)?;
        for applied in &batch {
            if let Record::Doc(head, value) = &applied.record {
                self.apply_doc(applied.position, head, value)?;
            }
        }
        self.deliver(batch);
        self.applied.store(end, Ordering::Release);
        Ok(())
    }

    /// Before they can be found: who is told that there is none must be right.
    fn note_decisions(&self, batch: &[Applied<'_>]) {
        let mut decided = lock(&self.decided);
        for applied in batch {
            if let Record::Doc(DocHead { table: Table::Decision, key, .. }, _) = &applied.record
                && let Some(order) = key.as_number()
            {
                decided.note(order);
            }
        }
    }

    /// All rows of a group at once: whoever reads all rows sees each unit's rows together.
    fn apply_stock_rows(&self, batch: &[Applied<'_>]) -> Result<()> {
        let mut rows = Vec::new();
        for Applied { position, record, .. } in batch {
            if let Record::Doc(DocHead { table: Table::StockRow, .. }, value) = record {
                let row: StockRow = serde_json::from_str(value)
                    .map_err(|error| Error::Record { position: *position, found: error.to_string() })?;
                rows.push((row.product_id.get(), row));
            }
        }
        if !rows.is_empty() {
            write(&self.stock).extend(rows);
        }
        Ok(())
    }

    /// Brings the indexes of small contexts up to date.
    fn apply_doc(&self, position: u64, head: &DocHead, value: &str) -> Result<()> {
        let unreadable = |error: serde_json::Error| Error::Record { position, found: error.to_string() };
        match head.table {
            Table::Progress => {
                let settled: Position = serde_json::from_str(value).map_err(unreadable)?;
                if let Some(consumer) = key_text(head, 0).as_deref().and_then(Consumer::from_name) {
                    lock(self.mailbox(consumer)).settle(settled.0);
                }
            }
            Table::Waiting => {
                let consumer = key_text(head, 0).as_deref().and_then(Consumer::from_name);
                let (Some(consumer), Some(id)) = (consumer, key_text(head, 1)) else {
                    return Err(Error::Record { position, found: "its key names no consumer's message".to_owned() });
                };
                if head.deleted {
                    write(&self.inbox).remove_waiting(consumer, &MessageId::from_text(id));
                } else {
                    let waiting: Waiting = serde_json::from_str(value).map_err(unreadable)?;
                    self.index_waiting(consumer, &waiting);
                }
            }
            Table::DeadLetter => {
                if let (true, Some(id)) = (head.deleted, key_text(head, 0)) {
                    write(&self.inbox).remove_parked(&MessageId::from_text(id));
                } else {
                    let letter: DeadLetter = serde_json::from_str(value).map_err(unreadable)?;
                    self.index_dead_letter(&letter);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub fn index_waiting(&self, consumer: Consumer, waiting: &Waiting) {
        let Message { id, order_id, .. } = &waiting.message;
        let next_at = waiting.next_at.as_millis();
        write(&self.inbox).put_waiting(consumer, order_id.get(), waiting.sequence, id.clone(), next_at);
    }

    pub fn index_dead_letter(&self, letter: &DeadLetter) {
        let Message { id, order_id, .. } = &letter.message;
        let parked_at = letter.parked_at.as_millis();
        write(&self.inbox).put_parked(letter.consumer, order_id.get(), letter.sequence, id.clone(), parked_at);
    }

    /// Puts messages into mailboxes and changes into the feed, and wakes those who wait for them.
    fn deliver(&self, batch: Vec<Applied<'_>>) {
        let mut newest_mail = [0; Consumer::ALL.len()];
        let mut newest_change = 0;
        for Applied { position, record, live, .. } in batch {
            match (record, live) {
                (Record::Message(head, _), live) => {
                    let message = match live {
                        Live::Message(message) => Some(message),
                        _ => None,
                    };
                    let unread = Unread { position, order: head.order, asks_for_stock: head.asks_for_stock, message };
                    lock(self.mailbox(head.to)).push(unread);
                    newest_mail[slot(head.to)] = position;
                }
                (Record::Order(..), live) => {
                    if let Live::Order(order) = live {
                        lock(&self.changes).push(position, order);
                    }
                    newest_change = position;
                }
                _ => {}
            }
        }
        for (mail, newest) in self.mail.iter().zip(newest_mail) {
            if newest > 0 {
                mail.send_replace(newest);
            }
        }
        if newest_change > 0 {
            self.changed.ring(newest_change);
        }
    }

    fn mark(&self, start: u64) {
        let mut marks = lock(&self.marks);
        if marks.last().is_none_or(|last| start >= last + MARK_EVERY_BYTES) {
            marks.insert(start);
            *marks = marks.split_off(&self.reader.oldest());
        }
    }

    pub fn add_marks(&self, starts: impl IntoIterator<Item = u64>) {
        lock(&self.marks).extend(starts);
    }

    /// A position where a group begins, at or before the given one, as near as is known.
    pub fn group_start_before(&self, position: u64) -> u64 {
        let oldest = self.reader.oldest();
        let start = lock(&self.marks).range(..=position).next_back().copied();
        start.unwrap_or(oldest).max(oldest)
    }
}

/// Stops the store when the thread that holds this panics: what it was about to do would never be done.
pub(crate) struct PanicAlarm {
    shared: Arc<Shared>,
    whose: &'static str,
}

impl PanicAlarm {
    pub fn new(shared: &Arc<Shared>, whose: &'static str) -> Self {
        Self { shared: Arc::clone(shared), whose }
    }
}

impl Drop for PanicAlarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.stop(&format!("its {} panicked", self.whose));
        }
    }
}

/// Where the first chunk of whole units ends.
fn unit_boundary(batch: &[Applied<'_>]) -> usize {
    let mut count = 0;
    while count < batch.len() {
        count += 1;
        if batch[count - 1].ends_unit && count >= TAIL_CHUNK {
            break;
        }
    }
    count
}

fn key_text(head: &DocHead, index: usize) -> Option<String> {
    match head.key.values(head.table.layout().key)?.into_iter().nth(index)? {
        rusqlite::types::Value::Text(text) => Some(text),
        _ => None,
    }
}

fn refusal_of(error: doos_batcher::Error) -> doos_ports::Error {
    match error {
        doos_batcher::Error::Full => doos_ports::Error::Busy { engine: ENGINE },
        doos_batcher::Error::Closed => {
            doos_ports::Error::Unavailable { engine: ENGINE, cause: "it is closed".to_owned() }
        }
        doos_batcher::Error::Gone => {
            doos_ports::Error::Unknown { engine: ENGINE, cause: "its writer ended before it answered".to_owned() }
        }
    }
}

/// The order behind stored JSON.
pub(crate) fn parse_order(id: u64, doc: &str) -> Result<Arc<Order>> {
    let parsed: std::result::Result<Order, _> = serde_json::from_str(doc);
    parsed.map(Arc::new).map_err(|error| Error::Row { what: format!("order {id}"), found: error.to_string() })
}

/// Ids come from the port's typed ids and go back into them.
pub(crate) fn order_id(id: u64) -> Result<OrderId> {
    OrderId::new(id)
        .ok_or_else(|| Error::Row { what: format!("order {id}"), found: "that number is no order id".to_owned() })
}
