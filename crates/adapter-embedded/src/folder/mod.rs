//! The folder: applies journal records to the database, in large transactions that carry the position.
//!
//! What holds: only synced groups are folded, whole groups only, and an entry leaves the tail after its transaction
//! has committed. The database is written without a sync of its own; before a journal segment is given back, one
//! synced commit makes sure that a power cut cannot take the database back behind it.
//!
//! A database that cannot be written for a while, for want of room or because of somebody's lock, is waited for: its
//! transaction is undone, the tail keeps what is not folded, and orders are taken up to the tail's bound. Anything
//! else, a failed sync above all, stops the store.
//!
//! While callers wait for each other the folder takes small bites and pauses between them, until the tail has grown to
//! half of its bound; then it takes its share. When it has caught up it pauses as well, so that an order's next version,
//! which follows soon, is written with it. [`Folder::fold_once`] is one step, for whoever drives it.

use doos_journal::{Group, GroupCursor, Preparer};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::database::{AnswersKept, FOLDED, FoldedMarks, Folding, put_meta};
use crate::error::{Error, Result};
use crate::locks::write;
use crate::outage::Outage;
use crate::record::{Record, decode};
use crate::shared::{Job, PanicAlarm, Shared, TAIL_CHUNK};
use crate::tail::Filed;

/// A step also ends here, so that a few huge records do not make a huge transaction.
const STEP_BYTES_MAX: u64 = 8 << 20;

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    pub records: usize,
    pub groups: usize,
    /// Everything before this position is in the database.
    pub position: u64,
}

pub struct Folder {
    shared: Arc<Shared>,
    connection: Connection,
    preparer: Preparer,
    cursor: Option<GroupCursor>,
    /// Segments before this have been asked to be given back.
    dropped: u64,
    /// Giving back has failed and is still owed, also if nothing more is to be folded.
    owes_segments: bool,
    /// The database cannot be written.
    database: Outage,
    /// The next segment's file cannot be made.
    segment: Outage,
}

/// How a step of the folder's own thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Whether everything there was is folded.
    Done {
        caught_up: bool,
    },
    /// Nothing was lost; the step is to be tried again after this.
    Paused(Duration),
    Stopped,
}

impl Folder {
    pub(crate) fn new(shared: Arc<Shared>, connection: Connection, preparer: Preparer) -> Self {
        let dropped = shared.reader.oldest();
        Self {
            shared,
            connection,
            preparer,
            cursor: None,
            dropped,
            owes_segments: false,
            database: Outage::default(),
            segment: Outage::default(),
        }
    }

    /// Folds until the store is closed.
    pub fn run(mut self) {
        let _alarm = PanicAlarm::new(&self.shared, "folder");
        let options = self.shared.options;
        let pause = Duration::from_millis(options.fold_pause_max_ms);
        loop {
            self.prepare_segment();
            if !self.database.is_on() {
                let folded = self.shared.folded();
                if !self.shared.fold_signal.wait_for_work(folded, self.segment.left()) {
                    return;
                }
            }
            let yields = self.shared.fold_signal.is_pressed() && self.shared.tail_is_below_half();
            let records_max = if yields { options.fold_records_yielding_max } else { options.fold_records_max };
            let goes_on = match self.step(records_max) {
                Step::Done { caught_up } if yields || caught_up => self.shared.fold_signal.wait_out(pause),
                Step::Done { .. } => true,
                Step::Paused(wait) => self.shared.fold_signal.wait_out(wait),
                Step::Stopped => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Makes the next segment's file ahead of need, here, where nobody waits for it. A failure changes nothing: the
    /// append that needs the segment tries for itself.
    fn prepare_segment(&mut self) {
        // On a full disk the next room belongs to the database: what it takes in gives segments back.
        if self.database.is_on() || self.segment.left().is_some() {
            return;
        }
        match self.preparer.prepare() {
            Ok(()) => {
                self.segment.is_over();
                if self.shared.segment_missing.ends() {
                    tracing::info!("the next journal segment is prepared again");
                }
                if self.shared.journal_full.ends() {
                    tracing::info!("the journal has room again");
                }
            }
            Err(error) => {
                self.segment.failed();
                let cause = Error::from(error).in_full();
                if self.shared.segment_missing.begins(&cause) {
                    tracing::warn!(cause, "the next journal segment could not be prepared; it is tried again");
                }
            }
        }
    }

    /// Folds once, and says what is to follow.
    fn step(&mut self, records_max: usize) -> Step {
        match self.fold_once(records_max) {
            Ok(folded) => {
                self.database.is_over();
                if self.shared.fold_pause.ends() {
                    tracing::info!("the database can be written again; folding goes on");
                }
                Step::Done { caught_up: folded.records < records_max }
            }
            Err(error) if error.may_pass() => {
                let cause = error.in_full();
                if self.shared.fold_pause.begins(&cause) {
                    tracing::error!(cause, "the database cannot be written: folding pauses and is tried again");
                }
                Step::Paused(self.database.failed())
            }
            Err(error) => {
                let cause = error.in_full();
                tracing::error!(cause, "the store has stopped: its journal could not be folded");
                self.shared.stop(&cause);
                Step::Stopped
            }
        }
    }

    /// Folds whole groups until at least `records_max` records are taken or nothing is left.
    pub fn fold_once(&mut self, records_max: usize) -> Result<Folded> {
        let groups = self.take_groups(records_max)?;
        let Some(position) = groups.last().map(|group| group.end) else {
            if self.owes_segments {
                self.give_back_segments(self.shared.folded())?;
            }
            return Ok(Folded { position: self.shared.folded(), ..Folded::default() });
        };
        let mut records: Vec<(u64, Record<'_>)> = Vec::new();
        for (position, bytes) in groups.iter().flat_map(|group| &group.records) {
            let record = decode(bytes).map_err(|found| Error::Record { position: *position, found })?;
            records.push((*position, record));
        }
        let kept = AnswersKept {
            kept_ms: self.shared.options.answer_kept_ms,
            gap_max_ms: self.shared.options.answer_gap_max_ms,
            count_max: self.shared.options.answers_forgotten_max,
        };
        let folding = Folding::begin(&mut self.connection)?;
        folding.apply(&records)?;
        folding.forget_answers(&records, kept)?;
        folding.commit(&FoldedMarks {
            folded: position,
            unread_floor: self.shared.unread_floor(),
            newest_change: self.shared.changed.position(),
        })?;
        self.shared.folded.store(position, Ordering::Release);
        self.take_out_of_tail(&records, position);
        self.give_back_segments(position)?;
        Ok(Folded { records: records.len(), groups: groups.len(), position })
    }

    fn take_groups(&mut self, records_max: usize) -> Result<Vec<Group>> {
        let folded = self.shared.folded();
        // Synced but not yet visible groups stay: their entries are not in the tail yet, so they could not leave it.
        let visible = self.shared.applied();
        if folded >= visible {
            return Ok(Vec::new());
        }
        // A step that failed has moved the cursor ahead of what is folded; then it starts again.
        let at_folded = self.cursor.take().filter(|cursor| cursor.position() == folded);
        let mut cursor = match at_folded {
            Some(cursor) => cursor,
            None => self.shared.reader.groups(folded)?,
        };
        let mut groups = Vec::new();
        let mut records = 0;
        while records < records_max && cursor.position() < visible.min(folded + STEP_BYTES_MAX) {
            let Some(group) = cursor.next() else { break };
            let group = group?;
            records += group.records.len();
            groups.push(group);
        }
        self.cursor = Some(cursor);
        Ok(groups)
    }

    fn take_out_of_tail(&self, records: &[(u64, Record<'_>)], folded: u64) {
        for chunk in records.chunks(TAIL_CHUNK) {
            let filed: Vec<(u64, Filed)> =
                chunk.iter().map(|(position, record)| (*position, Filed::of(record))).collect();
            let _gate = write(&self.shared.fold_gate);
            let mut tail = write(&self.shared.tail);
            for (position, filed) in &filed {
                tail.remove(filed, *position, folded);
            }
        }
    }

    /// Asks for segments to be given back once a whole one can go.
    fn give_back_segments(&mut self, folded: u64) -> Result<()> {
        let options = &self.shared.options;
        let keep_from = self.shared.applied().saturating_sub(options.feed_kept_bytes).min(folded);
        if keep_from < self.dropped.saturating_add(options.journal.segment_bytes) {
            return Ok(());
        }
        self.owes_segments = true;
        self.sync(folded)?;
        self.owes_segments = false;
        // If the queue is full just now, the next step asks again.
        if self.shared.queue.submit(Job::DropBefore(keep_from), 0).is_ok() {
            self.dropped = keep_from;
        }
        Ok(())
    }

    /// After this a power cut leaves the database at `folded` or later.
    fn sync(&mut self, folded: u64) -> Result<()> {
        let write = |connection: &Connection| {
            connection.pragma_update(None, "synchronous", "full")?;
            let written = put_meta(connection, FOLDED, folded);
            connection.pragma_update(None, "synchronous", "normal").and(written)
        };
        write(&self.connection).map_err(Error::database("sync"))
    }
}

#[cfg(test)]
mod tests;
