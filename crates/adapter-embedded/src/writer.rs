//! The writer: the one owner of the journal. It takes all that waits, checks each unit against what is synced and
//! what is about to be, writes one group, and only after the sync makes it visible and answers.
//!
//! What holds: a refused unit never fails its neighbours; one that depends on a refused one is refused as well,
//! because it is checked against accepted units only. After a failure whose outcome is unknown the store stops: the
//! group in flight is answered `Unknown`, everything later `Unavailable`, until the next opening has decided.
//!
//! Everything here runs without a thread of its own: [`Writer::write_group`] is one step, for whoever drives it.

use doos_domain::answer::Answer;
use doos_journal::{Appended, Journal};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::error::{ENGINE, Error, Result};
use crate::locks::read;
use crate::newest_ids::NewestIds;
use crate::record::{Record, decode};
use crate::shared::{Applied, Job, PanicAlarm, Shared, Verdicts};
use crate::unit::{AnswerCheck, Check, Refused, Unit};

/// A record's framing in the journal, and a group's, never more than this.
const FRAME_BYTES: usize = 32;

/// What the writer takes in one step.
pub struct Group(doos_batcher::Group<Job, Verdicts>);

pub struct Writer {
    shared: Arc<Shared>,
    journal: Journal,
    queue: doos_batcher::Receiver<Job, Verdicts>,
    newest: NewestIds,
    answers: RememberedAnswers,
}

/// What is known of an order id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Void,
    Version(u32),
}

/// What the accepted units of the group being built will have changed.
#[derive(Default)]
struct Draft {
    ids: HashMap<u64, Known>,
    answers: HashMap<u64, Vec<Arc<Answer>>>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        journal: Journal,
        queue: doos_batcher::Receiver<Job, Verdicts>,
        newest_id: u64,
    ) -> Self {
        let answers = RememberedAnswers::new(shared.options.answers_remembered_max, shared.applied());
        Self { shared, journal, queue, newest: NewestIds::starting_at(newest_id), answers }
    }

    /// Waits for work; `None` after the store was closed.
    pub async fn next_group(&mut self) -> Option<Group> {
        self.queue.next_group().await.map(Group)
    }

    /// Writes groups until the store is closed.
    pub fn run(mut self) {
        let _alarm = PanicAlarm::new(&self.shared, "writer");
        while let Some(group) = self.queue.next_group_blocking() {
            if !self.write_group(Group(group)) {
                return;
            }
        }
    }

    /// Does everything that is asked in one group. `false`: that was the last one.
    pub fn write_group(&mut self, group: Group) -> bool {
        let (jobs, replies) = group.0.into_parts();
        let mut verdicts: Vec<Verdicts> = Vec::with_capacity(jobs.len());
        let mut accepted: Vec<(usize, usize, Unit)> = Vec::new();
        let mut draft = Draft::default();
        let mut drop_before = None;
        let mut goes_on = true;
        let mut callers = 0;
        for (job_index, job) in jobs.into_iter().enumerate() {
            let units = match job {
                Job::Store(units) => units,
                Job::DropBefore(position) => {
                    drop_before = Some(position);
                    Vec::new()
                }
                Job::Close => {
                    goes_on = false;
                    Vec::new()
                }
            };
            callers += units.len();
            let mut of_job = Verdicts::with_capacity(units.len());
            for (unit_index, unit) in units.into_iter().enumerate() {
                let verdict = self.check(&unit, &mut draft);
                if verdict.is_ok() && !unit.is_empty() {
                    accepted.push((job_index, unit_index, unit));
                }
                of_job.push(verdict);
            }
            verdicts.push(of_job);
        }
        self.write_accepted(accepted, &mut verdicts);
        self.shared.fold_signal.written(self.shared.applied(), callers);
        replies.send(verdicts);
        if let Some(position) = drop_before {
            self.drop_before(position);
        }
        goes_on
    }

    fn write_accepted(&mut self, accepted: Vec<(usize, usize, Unit)>, verdicts: &mut [Verdicts]) {
        let mut failed: Option<doos_ports::Error> = None;
        let mut rest = accepted.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(self.fitting(rest));
            rest = after;
            // What follows may have been checked against what has failed, so it fails, too; nothing of it is written.
            let outcome = failed.clone().map_or_else(|| self.append(chunk), Err);
            if let Err(error) = outcome {
                for (job, unit, _) in chunk {
                    verdicts[*job][*unit] = Err(Refused::Engine(error.clone()));
                }
                failed.get_or_insert_with(|| not_begun(&error));
            }
        }
    }

    /// How many of the units fit into one group of the journal; each alone does, or it would not be here.
    fn fitting(&self, units: &[(usize, usize, Unit)]) -> usize {
        let max = self.shared.options.journal.group_bytes_max as usize;
        let mut bytes = 0;
        let fitting = units.iter().take_while(|(.., unit)| {
            bytes += framed_bytes(unit);
            bytes <= max
        });
        fitting.count().max(1)
    }

    fn append(&mut self, chunk: &[(usize, usize, Unit)]) -> doos_ports::Result<()> {
        self.shared.check_running()?;
        let records: Vec<&[u8]> =
            chunk.iter().flat_map(|(.., unit)| &unit.entries).map(|entry| entry.bytes.as_slice()).collect();
        let appended = match self.journal.append(&records) {
            Ok(appended) => appended,
            Err(error) => return Err(self.refusal_of(error)),
        };
        if self.shared.journal_full.ends() {
            tracing::info!("the journal has room again");
        }
        // The group is on disk. If it cannot be made visible now, nobody may go on as if it were not there.
        self.make_visible(chunk, &appended).map_err(|error| {
            let cause = error.in_full();
            self.shared.stop(&cause);
            doos_ports::Error::Unknown { engine: ENGINE, cause }
        })
    }

    fn refusal_of(&self, error: doos_journal::Error) -> doos_ports::Error {
        let (changed_nothing, is_full) = (error.changed_nothing(), matches!(error, doos_journal::Error::Full { .. }));
        let cause = Error::from(error).in_full();
        if is_full && self.shared.journal_full.begins(&cause) {
            tracing::error!(cause, "the journal cannot grow: what is to be stored is refused until there is room");
        }
        if !changed_nothing || self.journal.stopped().is_some() {
            tracing::error!(cause, "the store has stopped: its journal failed");
            self.shared.stop(&cause);
        }
        if changed_nothing {
            doos_ports::Error::Unavailable { engine: ENGINE, cause }
        } else {
            doos_ports::Error::Unknown { engine: ENGINE, cause }
        }
    }

    fn make_visible(&mut self, chunk: &[(usize, usize, Unit)], appended: &Appended) -> Result<()> {
        let mut batch = Vec::with_capacity(appended.positions.len());
        let mut positions = appended.positions.iter();
        for (.., unit) in chunk {
            let last = unit.entries.len();
            for (index, entry) in unit.entries.iter().enumerate() {
                let position = *positions.next().expect("the journal gives one position for each record");
                let record = decode(&entry.bytes).map_err(|found| Error::Record { position, found })?;
                match &record {
                    Record::Order(head, _) => self.newest.note(head.id),
                    Record::Void(id) => self.newest.note(*id),
                    Record::Answer(head, _) => self.answers.note(position, head.hash),
                    _ => {}
                }
                batch.push(Applied { position, record, live: entry.live.clone(), ends_unit: index + 1 == last });
            }
        }
        self.shared.apply(appended.start, appended.end, batch)
    }

    /// Checks one unit and, if it may be stored, lets the draft know.
    fn check(&self, unit: &Unit, draft: &mut Draft) -> Result<(), Refused> {
        let (bytes, max) = (framed_bytes(unit), self.shared.options.journal.group_bytes_max);
        if bytes as u64 > max {
            let cause = format!("what is to be stored together takes {bytes} bytes, the journal takes {max} at once");
            return Err(Refused::Engine(doos_ports::Error::Broken { engine: ENGINE, cause }));
        }
        let broken = |error: Error| Refused::Engine(error.into());
        // Within one unit later checks build on earlier ones; outside they count only if all pass.
        let mut of_unit: HashMap<u64, Known> = HashMap::new();
        for check in &unit.checks {
            match check {
                Check::NoAnswer(check) => {
                    if let Some(answer) = self.find_answer(check, draft).map_err(broken)? {
                        return Err(Refused::Answered(answer));
                    }
                }
                Check::Version { id, expected, next } => {
                    let known = of_unit.get(id).or_else(|| draft.ids.get(id)).copied();
                    let known = known.map_or_else(|| self.look_up(*id), Ok).map_err(broken)?;
                    match known {
                        Known::Void => return Err(Refused::Void),
                        Known::Nothing if *expected == 0 => {}
                        Known::Version(version) if version == *expected && version > 0 => {}
                        _ => return Err(Refused::Conflict { expected: *expected }),
                    }
                    of_unit.insert(*id, Known::Version(*next));
                }
                Check::Unused { id } => {
                    let known = draft.ids.get(id).copied();
                    match known.map_or_else(|| self.look_up(*id), Ok).map_err(broken)? {
                        Known::Nothing => of_unit.insert(*id, Known::Void),
                        Known::Void => return Err(Refused::Void),
                        Known::Version(_) => return Err(Refused::Order),
                    };
                }
            }
        }
        draft.ids.extend(of_unit);
        for check in &unit.checks {
            if let Check::NoAnswer(AnswerCheck { hash, answer, .. }) = check {
                draft.answers.entry(*hash).or_default().push(Arc::clone(answer));
            }
        }
        Ok(())
    }

    fn look_up(&self, id: u64) -> Result<Known> {
        if self.newest.is_certainly_new(id) {
            return Ok(Known::Nothing);
        }
        {
            let tail = read(&self.shared.tail);
            if let Some(entry) = tail.order(id) {
                return Ok(Known::Version(entry.version));
            }
            if tail.is_void(id) {
                return Ok(Known::Void);
            }
        }
        self.shared.pool.read(|rows| match rows.order_version(id)? {
            Some(version) => Ok(Known::Version(version)),
            None if rows.is_void(id)? => Ok(Known::Void),
            None => Ok(Known::Nothing),
        })
    }

    fn find_answer(&self, check: &AnswerCheck, draft: &Draft) -> Result<Option<Arc<Answer>>> {
        let key = &check.answer.key;
        let drafted = draft.answers.get(&check.hash).into_iter().flatten();
        if let Some(answer) = drafted.into_iter().find(|answer| answer.key == *key) {
            return Ok(Some(Arc::clone(answer)));
        }
        if self.answers.is_certainly_new(check.hash, check.absent_until) {
            return Ok(None);
        }
        Ok(self.shared.find_answer(check.hash, key)?.map(Arc::new))
    }

    fn drop_before(&mut self, position: u64) {
        match self.journal.drop_before(position) {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, position, "folded journal segments were given back"),
            Err(error) => {
                let refusal = self.refusal_of(error);
                tracing::warn!(%refusal, "folded journal segments could not be given back");
            }
        }
    }
}

/// What a unit takes in the journal at most, a group's own framing included.
fn framed_bytes(unit: &Unit) -> usize {
    FRAME_BYTES + unit.bytes() + FRAME_BYTES * unit.entries.len()
}

/// Why a unit was not even begun after another one of its group had failed.
fn not_begun(error: &doos_ports::Error) -> doos_ports::Error {
    let cause = format!("an earlier part of its group failed: {error}");
    doos_ports::Error::Unavailable { engine: ENGINE, cause }
}

/// Hashes of the latest answers, so that the writer need not look for a key its caller has just looked for.
struct RememberedAnswers {
    latest: VecDeque<(u64, u64)>,
    /// How often each stands in `latest`.
    hashes: HashMap<u64, u32>,
    count_max: usize,
    /// Every answer after this position is remembered.
    complete_after: u64,
}

impl RememberedAnswers {
    fn new(count_max: usize, complete_after: u64) -> Self {
        Self { latest: VecDeque::new(), hashes: HashMap::new(), count_max, complete_after }
    }

    fn note(&mut self, position: u64, hash: u64) {
        self.latest.push_back((position, hash));
        *self.hashes.entry(hash).or_default() += 1;
        while self.latest.len() > self.count_max {
            if let Some((position, hash)) = self.latest.pop_front() {
                self.complete_after = position;
                if let Entry::Occupied(mut count) = self.hashes.entry(hash) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
        }
    }

    fn is_certainly_new(&self, hash: u64, absent_until: u64) -> bool {
        absent_until >= self.complete_after && !self.hashes.contains_key(&hash)
    }
}
