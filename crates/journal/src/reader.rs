//! Reading beside the writer: single records by position, and whole groups in order.
//!
//! A reader sees what is synced and nothing else. It holds a lock only to copy a handle out of the list of
//! segments, never while it reads, so the writer does not wait for it. Every byte served has had its checksum
//! verified at this very reading.
//!
//! A cursor is an iterator that ends at the synced end and yields more once more has been synced.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    Error, Position, SegmentSummary,
    format::{GROUP_HEADER_BYTES, GroupHeader, RECORD_HEADER_BYTES, decode_group, decode_record, record_payload_bytes},
    segment::Segment,
};

/// Most records fit, so that most reads are one call.
const RECORD_GUESS_BYTES: u64 = 2048;
/// A cursor reads ahead this far: small groups then cost far less than one call each.
const READ_AHEAD_BYTES: u64 = 256 << 10;

/// What the writer and the readers have in common. The writer alone changes it.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Oldest first, never empty, the active one last.
    pub segments: RwLock<Vec<Arc<Segment>>>,
    /// End of the last synced group.
    pub end: AtomicU64,
}

/// A segment and how far it may be read.
#[derive(Debug, Clone)]
struct Span {
    segment: Arc<Segment>,
    start: Position,
    end: Position,
}

impl Shared {
    pub fn end(&self) -> Position {
        self.end.load(Ordering::Acquire)
    }

    pub fn publish(&self, end: Position) {
        self.end.store(end, Ordering::Release);
    }

    pub fn oldest(&self) -> Position {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.first().map_or(0, |segment| segment.header.base)
    }

    pub fn snapshot(&self) -> Vec<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn push(&self, segment: Arc<Segment>) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        // A segment that never held a group gives way to a larger one of the same first position.
        segments.retain(|kept| kept.header.base != segment.header.base);
        segments.push(segment);
    }

    pub fn forget_oldest(&self) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).remove(0);
    }

    pub fn summaries(&self) -> Vec<SegmentSummary> {
        let end = self.end();
        let segments = self.snapshot();
        let ends = segments.iter().skip(1).map(|next| next.header.previous_end).chain([end]);
        segments
            .iter()
            .zip(ends)
            .map(|(segment, end)| SegmentSummary {
                name: segment.name.clone(),
                start: segment.header.base,
                end,
                file_bytes: segment.header.file_bytes,
            })
            .collect()
    }

    /// The segment in which the bytes at `position` lie, or the next one if positions were lost there. `position`
    /// must lie before `end`, which the caller has loaded before.
    fn locate(&self, position: Position, end: Position) -> Result<Span, Error> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let after = segments.partition_point(|segment| segment.header.base <= position);
        let Some(mut index) = after.checked_sub(1) else {
            let oldest = segments.first().map_or(0, |segment| segment.header.base);
            return Err(Error::Dropped { position, oldest });
        };
        let mut start = position;
        if let Some(next) = segments.get(after).filter(|next| position >= next.header.previous_end) {
            (index, start) = (after, next.header.base);
        }
        let end = segments.get(index + 1).map_or(end, |next| next.header.previous_end.min(end));
        Ok(Span { segment: Arc::clone(&segments[index]), start, end })
    }
}

#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// End of the last synced group.
    pub fn end(&self) -> Position {
        self.shared.end()
    }

    pub fn oldest(&self) -> Position {
        self.shared.oldest()
    }

    /// The record at a position that an append returned or a group listed.
    pub fn read(&self, position: Position) -> Result<Vec<u8>, Error> {
        let end = self.end();
        if position >= end {
            return Err(Error::PastEnd { position, end });
        }
        let Span { segment, start, end } = self.shared.locate(position, end)?;
        let offset = segment.header.offset_of(start);
        let available = end - start;
        let mut bytes = read(&segment, offset, available.min(RECORD_GUESS_BYTES))?;
        if bytes.len() >= RECORD_HEADER_BYTES {
            let wanted = (RECORD_HEADER_BYTES + record_payload_bytes(&bytes)) as u64;
            if wanted > bytes.len() as u64 && wanted <= available {
                bytes.extend(read(&segment, offset + bytes.len() as u64, wanted - bytes.len() as u64)?);
            }
        }
        let record = decode_record(&segment.header, start, &bytes).map_err(|found| damage(&segment, offset, found))?;
        bytes.truncate(RECORD_HEADER_BYTES + record.payload_bytes);
        bytes.drain(..RECORD_HEADER_BYTES);
        Ok(bytes)
    }

    /// Whole groups from a position where one begins: an [`crate::Appended::start`] or `end`, a [`Group::end`], or
    /// the oldest position.
    pub fn groups(&self, from: Position) -> Result<GroupCursor, Error> {
        let end = self.end();
        if from > end {
            return Err(Error::PastEnd { position: from, end });
        }
        let oldest = self.oldest();
        if from < oldest {
            return Err(Error::Dropped { position: from, oldest });
        }
        Ok(GroupCursor { shared: Arc::clone(&self.shared), at: from, ahead: None })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub number: u64,
    pub start: Position,
    pub end: Position,
    pub records: Vec<(Position, Vec<u8>)>,
}

/// Bytes of one segment that were read ahead, all of them synced.
#[derive(Debug)]
struct Ahead {
    span: Span,
    start: Position,
    bytes: Vec<u8>,
}

impl Ahead {
    fn end(&self) -> Position {
        self.start + self.bytes.len() as u64
    }
}

#[derive(Debug)]
pub struct GroupCursor {
    shared: Arc<Shared>,
    at: Position,
    ahead: Option<Ahead>,
}

impl GroupCursor {
    /// Where the next group begins; a cursor made from this goes on without repeating or skipping.
    pub fn position(&self) -> Position {
        self.at
    }

    fn step(&mut self) -> Result<Option<Group>, Error> {
        let end = self.shared.end();
        if self.at >= end {
            return Ok(None);
        }
        if !self.have(GROUP_HEADER_BYTES, end)? {
            return Ok(None);
        }
        let total = {
            let (segment, start, bytes) = self.here();
            GroupHeader::decode(&segment.header, start, bytes)
                .map_err(|found| damage(segment, segment.header.offset_of(start), found))?
                .total_bytes()
        };
        self.have(total, end)?;
        let (segment, start, bytes) = self.here();
        let (header, payloads) = decode_group(&segment.header, start, bytes)
            .map_err(|found| damage(segment, segment.header.offset_of(start), found))?;
        let record = |payload: std::ops::Range<usize>| {
            let at = start + (payload.start - RECORD_HEADER_BYTES) as u64;
            (at, bytes[payload].to_vec())
        };
        let group = Group {
            number: header.number,
            start,
            end: start + total as u64,
            records: payloads.into_iter().map(record).collect(),
        };
        self.at = group.end;
        Ok(Some(group))
    }

    /// Segment, position and bytes from where the cursor stands.
    fn here(&self) -> (&Segment, Position, &[u8]) {
        let ahead = self.ahead.as_ref().expect("`have` has been called before");
        (&ahead.span.segment, self.at, &ahead.bytes[(self.at - ahead.start) as usize..])
    }

    /// Sees to it that `bytes` from where the cursor stands are in memory, or as many as the segment has.
    /// `false` if nothing is there: positions were lost up to the end.
    fn have(&mut self, bytes: usize, end: Position) -> Result<bool, Error> {
        let until = self.at + bytes as u64;
        if self.ahead.as_ref().is_some_and(|ahead| ahead.start <= self.at && until <= ahead.end()) {
            return Ok(true);
        }
        let span = self.shared.locate(self.at, end)?;
        self.at = span.start;
        let wanted = (bytes as u64).max(READ_AHEAD_BYTES).min(span.end.saturating_sub(self.at));
        let bytes = read(&span.segment, span.segment.header.offset_of(self.at), wanted)?;
        self.ahead = Some(Ahead { span, start: self.at, bytes });
        Ok(wanted > 0)
    }
}

impl Iterator for GroupCursor {
    type Item = Result<Group, Error>;

    /// `None` means: nothing more is synced yet. After an error the cursor stays where it is.
    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

fn read(segment: &Segment, offset: u64, bytes: u64) -> Result<Vec<u8>, Error> {
    let mut buffer = vec![0; bytes as usize];
    segment.file.read_at(offset, &mut buffer).map_err(Error::io("read", &segment.name))?;
    Ok(buffer)
}

fn damage(segment: &Segment, offset: u64, found: &str) -> Error {
    Error::Corrupt { segment: segment.name.clone(), offset, found: found.to_owned() }
}
