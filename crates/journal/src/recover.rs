//! Opening: what the files say, whether that may be believed, and making it durable before anybody is told.
//!
//! One thing may be cut without asking: the last group, when it does not hold, nothing valid follows it in the
//! last segment, and no follower's position lies past it. That is what a crash leaves. Everything else is damage
//! and refuses to start; with `accept_loss` the operator has the journal cut at the damage instead, whole later
//! segments being kept aside as `*.lost`.
//!
//! Why nothing stale can come back after a cut: the space behind the last group is written with zeros and synced
//! before the first append, and even when it looks clean a group's length of it is written again, since a sync
//! that failed before this opening may have left zeros in the page cache that never reached the disk. For the
//! same reason the last group is written again over itself. Should bytes survive all the same, they have to fit
//! the chain of checksums, which names the very group before.
//!
//! Nothing here decides what a record means, and nothing is served before the last sync below has returned.

use std::sync::Arc;

use crate::{
    Disk, Error, Options, Position,
    format::{ALIGN, HEADER_BYTES, HeaderFlaw, SegmentHeader, VERSION},
    scan::{Rest, Scan, scan},
    segment::{Opened, Segment, Spare, base_of_name, file_bytes_for, open_whole, segment_name},
};

/// Zeros are written in pieces of this size.
const ZERO_CHUNK_BYTES: u64 = 1 << 20;

/// What opening found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    pub oldest: Position,
    pub end: Position,
    /// Groups and records that are kept.
    pub groups: u64,
    pub records: u64,
    /// Number that the next group will have.
    pub next_group: u64,
    /// The last group, if it did not hold and was cut. A crash leaves a group unfinished only before it was
    /// acknowledged; damage that befell the very last group later looks the same, so the owner should say so aloud.
    pub cut: Option<Cut>,
    /// What the operator gave up; only ever set with `accept_loss`.
    pub loss: Option<Loss>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    pub segment: String,
    pub offset: u64,
    /// What did not hold, as a clause.
    pub found: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The damage at which the journal was cut.
    pub segment: String,
    pub offset: u64,
    pub found: String,
    /// Groups behind the damage in the same segment whose headers could still be read.
    pub groups_behind: u64,
    /// Later segments, now called `*.lost`.
    pub segments_set_aside: Vec<String>,
    /// The journal ended here after the cut. Where followers hold more, it goes on from their position.
    pub end: Position,
}

#[derive(Debug)]
pub(crate) struct Recovered {
    pub segments: Vec<Arc<Segment>>,
    pub offset: u64,
    pub chain: u32,
    pub report: Recovery,
}

/// A segment that may be believed up to its scan's end.
struct Found {
    segment: Segment,
    scan: Scan,
}

impl Found {
    fn end(&self) -> Position {
        self.scan.end(&self.segment.header)
    }
}

struct Damage {
    segment: String,
    offset: u64,
    found: String,
    groups_behind: u64,
}

impl Damage {
    fn new(segment: &str, offset: u64, found: impl Into<String>) -> Self {
        Self { segment: segment.to_owned(), offset, found: found.into(), groups_behind: 0 }
    }

    fn refusal(self) -> Error {
        Error::Corrupt { segment: self.segment, offset: self.offset, found: self.found }
    }
}

pub(crate) fn recover(
    disk: &dyn Disk,
    options: Options,
    spare: &Spare,
    floor: Position,
    accept_loss: bool,
) -> Result<Recovered, Error> {
    let names = tidy_and_list(disk)?;
    let (mut found, damage) = examine_all(disk, &names)?;
    let damage = damage.or_else(|| against_floor(&names, &found, floor));
    let mut loss = None;
    if let Some(damage) = damage {
        if !accept_loss {
            return Err(damage.refusal());
        }
        let segments_set_aside = set_aside(disk, &names[found.len()..])?;
        let end = found.last().map_or(0, Found::end);
        let Damage { segment, offset, found, groups_behind } = damage;
        loss = Some(Loss { segment, offset, found, groups_behind, segments_set_aside, end });
    }
    let cut = match (found.last(), &loss) {
        (Some(Found { segment, scan }), None) => match &scan.rest {
            Rest::Dirty { flaw, .. } => {
                Some(Cut { segment: segment.name.clone(), offset: scan.end_offset, found: (*flaw).to_owned() })
            }
            Rest::Clean => None,
        },
        _ => None,
    };
    if let Some(last) = found.last() {
        make_durable(last, options)?;
    }
    disk.sync_dir().map_err(Error::io("sync", "the journal's directory"))?;
    let floor = floor.next_multiple_of(ALIGN as u64);
    if found.last().is_none_or(|last| last.end() < floor) {
        let first_name_base = names.first().map_or(0, |(base, _)| *base);
        let segment = begin_at(disk, options, spare, found.last(), floor.max(first_name_base))?;
        let scan = scan(&segment.header, &[], |_| {});
        found.push(Found { segment, scan });
    }
    Ok(summed_up(found, cut, loss))
}

fn summed_up(found: Vec<Found>, cut: Option<Cut>, loss: Option<Loss>) -> Recovered {
    let (first, last) = (&found[0], &found[found.len() - 1]);
    let report = Recovery {
        oldest: first.segment.header.base,
        end: last.end(),
        groups: found.iter().map(|found| found.scan.groups).sum(),
        records: found.iter().map(|found| found.scan.records).sum(),
        next_group: last.scan.next_group,
        cut,
        loss,
    };
    let (offset, chain) = (last.scan.end_offset, last.scan.chain);
    let segments = found.into_iter().map(|found| Arc::new(found.segment)).collect();
    Recovered { segments, offset, chain, report }
}

/// Throws away what a crash left half made and lists the segments in order.
fn tidy_and_list(disk: &dyn Disk) -> Result<Vec<(Position, String)>, Error> {
    for name in disk.list().map_err(Error::io("list", "the journal's directory"))? {
        if name.ends_with(".tmp") {
            disk.remove(&name).map_err(Error::io("remove", &name))?;
        }
    }
    list(disk)
}

/// The segments in order, by the position each begins at.
pub(crate) fn list(disk: &dyn Disk) -> Result<Vec<(Position, String)>, Error> {
    let mut names = Vec::new();
    for name in disk.list().map_err(Error::io("list", "the journal's directory"))? {
        if let Some(base) = base_of_name(&name) {
            names.push((base?, name));
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Segments that may be believed, and where the last group in them ends; nothing is changed on disk. Damage refuses.
pub(crate) fn believed(disk: &dyn Disk, names: &[(Position, String)]) -> Result<(Vec<Arc<Segment>>, Position), Error> {
    let (found, damage) = examine_all(disk, names)?;
    if let Some(damage) = damage {
        return Err(damage.refusal());
    }
    let end = found.last().map_or(0, Found::end);
    Ok((found.into_iter().map(|found| Arc::new(found.segment)).collect(), end))
}

/// Believes segment after segment until one does not fit.
fn examine_all(disk: &dyn Disk, names: &[(Position, String)]) -> Result<(Vec<Found>, Option<Damage>), Error> {
    let mut found: Vec<Found> = Vec::new();
    let mut bytes = Vec::new();
    for (index, (base, name)) in names.iter().enumerate() {
        let Opened { file, header, length } = open_whole(disk, name, &mut bytes)?;
        let header = match header {
            Ok(header) => header,
            Err(HeaderFlaw::Damaged(flaw)) => return Ok((found, Some(Damage::new(name, 0, flaw)))),
            Err(HeaderFlaw::Version(version)) => {
                return Err(Error::Format { segment: name.clone(), version, known: VERSION });
            }
        };
        if let Some(damage) = misfit(&header, *base, name, found.last()) {
            return Ok((found, Some(damage)));
        }
        let scan = scan(&header, &bytes, |_| {});
        let is_last = index + 1 == names.len();
        let damage = flaw_of(&scan, name, &header, length, is_last);
        found.push(Found { segment: Segment { name: name.clone(), header, file }, scan });
        if damage.is_some() {
            return Ok((found, damage));
        }
    }
    Ok((found, None))
}

/// Does this header belong to the file's name and to the segment before?
fn misfit(header: &SegmentHeader, base: Position, name: &str, before: Option<&Found>) -> Option<Damage> {
    if header.base != base {
        return Some(Damage::new(name, 0, format!("its header says it begins at position {}", header.base)));
    }
    let before = before?;
    if header.previous_end != before.end() {
        let found = format!(
            "it continues from position {}, but the segment before it, {}, ends at {}",
            header.previous_end,
            before.segment.name,
            before.end()
        );
        return Some(Damage::new(name, 0, found));
    }
    let fits = header.first_group == before.scan.next_group && header.previous_check == before.scan.chain;
    (!fits).then(|| Damage::new(name, 0, "it does not continue the last group of the segment before it"))
}

fn flaw_of(scan: &Scan, name: &str, header: &SegmentHeader, length: u64, is_last: bool) -> Option<Damage> {
    if length != header.file_bytes {
        let found = format!("the file is {length} bytes long, its header says {}", header.file_bytes);
        return Some(Damage::new(name, length.min(header.file_bytes), found));
    }
    let Rest::Dirty { flaw, followed_at, groups_behind } = &scan.rest else {
        return None;
    };
    let found = match followed_at {
        Some(at) => format!("{flaw}, and a group written later stands at byte {at}"),
        None if !is_last => format!("{flaw}, and later segments follow"),
        None => return None,
    };
    Some(Damage { groups_behind: *groups_behind, ..Damage::new(name, scan.end_offset, found) })
}

/// A follower that has seen more than the journal holds, or less than it has dropped, proves that something is gone.
fn against_floor(names: &[(Position, String)], found: &[Found], floor: Position) -> Option<Damage> {
    let Some((first, last)) = found.first().zip(found.last()) else {
        let found = format!("there is no segment, but position {floor} is held elsewhere");
        return (floor > 0).then(|| Damage::new(&segment_name(0), 0, found));
    };
    debug_assert_eq!(names.len(), found.len());
    if floor > last.end() {
        let found = format!("the journal ends at position {}, but position {floor} is held elsewhere", last.end());
        return Some(Damage::new(&last.segment.name, last.scan.end_offset, found));
    }
    let oldest = first.segment.header.base;
    let found = format!("the oldest segment begins at position {oldest}, but only {floor} is held elsewhere");
    (floor < oldest).then(|| Damage::new(&first.segment.name, 0, found))
}

/// Renames from the last to the first, so that a crash in between leaves no hole, only fewer segments.
fn set_aside(disk: &dyn Disk, names: &[(Position, String)]) -> Result<Vec<String>, Error> {
    let mut aside = Vec::new();
    for (_, name) in names.iter().rev() {
        let lost = format!("{name}.lost");
        disk.rename(name, &lost).map_err(Error::io("set aside", name))?;
        disk.sync_dir().map_err(Error::io("sync", "the journal's directory"))?;
        aside.insert(0, lost);
    }
    Ok(aside)
}

/// Writes the last group again, zeros behind it, and syncs. See the module's header for why both.
fn make_durable(last: &Found, options: Options) -> Result<(), Error> {
    let Found { segment, scan } = last;
    let (file, name) = (segment.file.as_ref(), segment.name.as_str());
    if let Some(group) = &scan.last {
        let mut bytes = vec![0; group.total_bytes as usize];
        file.read_at(group.offset, &mut bytes).map_err(Error::io("read", name))?;
        file.write_at(group.offset, &bytes).map_err(Error::io("write", name))?;
    }
    let length = file.length().map_err(Error::io("measure", name))?;
    if length > segment.header.file_bytes {
        file.set_length(segment.header.file_bytes).map_err(Error::io("shorten", name))?;
    }
    let until = match scan.rest {
        Rest::Clean if length == segment.header.file_bytes => {
            segment.header.file_bytes.min(scan.end_offset + options.group_bytes_max)
        }
        _ => segment.header.file_bytes,
    };
    let zeros = vec![0; ZERO_CHUNK_BYTES.min(until - scan.end_offset) as usize];
    let mut offset = scan.end_offset;
    while offset < until {
        let chunk = (until - offset).min(ZERO_CHUNK_BYTES);
        file.write_at(offset, &zeros[..chunk as usize]).map_err(Error::io("clear the tail of", name))?;
        offset += chunk;
    }
    file.sync_data().map_err(Error::io("sync", name))
}

/// The first segment of a new journal, or the first after positions that are lost for good.
fn begin_at(
    disk: &dyn Disk,
    options: Options,
    spare: &Spare,
    before: Option<&Found>,
    base: Position,
) -> Result<Segment, Error> {
    let header = SegmentHeader {
        salt: disk.salt(),
        base,
        previous_end: before.map_or(base, Found::end),
        first_group: before.map_or(1, |before| before.scan.next_group),
        previous_check: before.map_or(0, |before| before.scan.chain),
        file_bytes: file_bytes_for(HEADER_BYTES, options.segment_bytes),
    };
    spare.become_segment(disk, header)
}
