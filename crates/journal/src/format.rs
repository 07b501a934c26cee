//! The bytes of a segment: one header page, then groups back to back, then zeros to the end of the file.
//!
//! All numbers are little endian. Groups and records begin on multiples of eight bytes; the padding is zero and
//! covered by the group's checksum. The table is in `docs/adr/0001-journal.md`.
//!
//! Every checksum of a group or record is seeded with the segment's salt and first position, the group's number
//! and the position of the very bytes. A valid checksum therefore says: written for this segment, this group and
//! this place. Bytes of an older file, a write that landed elsewhere, or a payload made to look like a group do
//! not fit. Each group also names the checksum of the one before it, so that two histories never join unnoticed.
//!
//! Nothing in here reads or writes a file.

use std::ops::Range;

use crc32fast::Hasher;

/// Byte offset over all groups the journal has ever held. Segment headers do not count.
pub type Position = u64;

pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER_BYTES: u64 = 4096;
pub(crate) const GROUP_HEADER_BYTES: usize = 32;
pub(crate) const RECORD_HEADER_BYTES: usize = 16;
pub(crate) const ALIGN: usize = 8;

const SEGMENT_MAGIC: &[u8; 8] = b"DOOSJRNL";
pub(crate) const GROUP_MAGIC: [u8; 4] = [0xd0, 0x05, 0x67, 0x70];
const PAGE_CHECK_AT: usize = HEADER_BYTES as usize - 4;

/// What was wrong with some bytes, as a clause for a message.
pub(crate) type Flaw = &'static str;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the slice is four bytes long"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the slice is eight bytes long"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Drawn anew for each segment; keeps checksums from fitting anywhere else.
    pub salt: u64,
    /// Position of the first group.
    pub base: Position,
    /// Where the segment before ended. Equal to `base`, unless positions were lost and accepted as lost.
    pub previous_end: Position,
    pub first_group: u64,
    /// Checksum of the last group before this segment, 0 for none.
    pub previous_check: u32,
    /// Length of the file, so that a shortened one is noticed even where only zeros are gone.
    pub file_bytes: u64,
}

/// Why a header page was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderFlaw {
    Damaged(Flaw),
    /// Whole, but written by a program with another format.
    Version(u32),
}

impl SegmentHeader {
    pub fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; HEADER_BYTES as usize];
        page[..8].copy_from_slice(SEGMENT_MAGIC);
        page[8..12].copy_from_slice(&VERSION.to_le_bytes());
        page[12..16].copy_from_slice(&self.previous_check.to_le_bytes());
        for (slot, value) in
            [self.salt, self.base, self.previous_end, self.first_group, self.file_bytes].into_iter().enumerate()
        {
            page[16 + 8 * slot..24 + 8 * slot].copy_from_slice(&value.to_le_bytes());
        }
        let check = crc32fast::hash(&page[..PAGE_CHECK_AT]);
        page[PAGE_CHECK_AT..].copy_from_slice(&check.to_le_bytes());
        page
    }

    pub fn decode(page: &[u8]) -> Result<Self, HeaderFlaw> {
        if page.len() < HEADER_BYTES as usize {
            return Err(HeaderFlaw::Damaged("the file ends inside the header page"));
        }
        if &page[..8] != SEGMENT_MAGIC {
            return Err(HeaderFlaw::Damaged("the file does not begin like a segment"));
        }
        if crc32fast::hash(&page[..PAGE_CHECK_AT]) != u32_at(page, PAGE_CHECK_AT) {
            return Err(HeaderFlaw::Damaged("the header page's checksum is wrong"));
        }
        match u32_at(page, 8) {
            VERSION => Ok(Self {
                previous_check: u32_at(page, 12),
                salt: u64_at(page, 16),
                base: u64_at(page, 24),
                previous_end: u64_at(page, 32),
                first_group: u64_at(page, 40),
                file_bytes: u64_at(page, 48),
            }),
            version => Err(HeaderFlaw::Version(version)),
        }
    }

    pub fn position_of(&self, offset: u64) -> Position {
        self.base + (offset - HEADER_BYTES)
    }

    pub fn offset_of(&self, position: Position) -> u64 {
        position - self.base + HEADER_BYTES
    }

    /// A checksum begun with everything that says where and when its bytes belong.
    fn seeded(&self, kind: u8, group: u64, at: Position) -> Hasher {
        let mut seed = [0; 33];
        seed[0] = kind;
        for (slot, value) in [self.salt, self.base, group, at].into_iter().enumerate() {
            seed[1 + 8 * slot..9 + 8 * slot].copy_from_slice(&value.to_le_bytes());
        }
        let mut hasher = Hasher::new();
        hasher.update(&seed);
        hasher
    }

    fn check(&self, kind: u8, group: u64, at: Position, bytes: &[u8]) -> u32 {
        let mut hasher = self.seeded(kind, group, at);
        hasher.update(bytes);
        hasher.finalize()
    }

    fn record_check(&self, group: u64, at: Position, header_rest: &[u8], payload: &[u8]) -> u32 {
        let mut hasher = self.seeded(b'R', group, at);
        hasher.update(header_rest);
        hasher.update(payload);
        hasher.finalize()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    pub number: u64,
    pub records: u32,
    pub body_bytes: u32,
    /// `check` of the group before.
    pub previous: u32,
    pub body_check: u32,
    /// Covers all of the above, and through `body_check` the whole group.
    pub check: u32,
}

impl GroupHeader {
    pub fn total_bytes(&self) -> usize {
        GROUP_HEADER_BYTES + self.body_bytes as usize
    }

    /// Accepts the first bytes of a group if they were written for this very place.
    pub fn decode(segment: &SegmentHeader, start: Position, bytes: &[u8]) -> Result<Self, Flaw> {
        if bytes.len() < GROUP_HEADER_BYTES {
            return Err("the segment ends inside a group header");
        }
        if bytes[..4] != GROUP_MAGIC {
            return Err("no group begins here");
        }
        let header = Self {
            records: u32_at(bytes, 4),
            number: u64_at(bytes, 8),
            body_bytes: u32_at(bytes, 16),
            previous: u32_at(bytes, 20),
            body_check: u32_at(bytes, 24),
            check: u32_at(bytes, 28),
        };
        if segment.check(b'G', header.number, start, &bytes[..28]) != header.check {
            return Err("the group header's checksum is wrong");
        }
        Ok(header)
    }
}

/// Size on disk of a record with that payload.
pub(crate) fn framed_bytes(payload_bytes: usize) -> u64 {
    (RECORD_HEADER_BYTES as u64 + payload_bytes as u64).next_multiple_of(ALIGN as u64)
}

/// Lays a group out in `buffer`, replacing its content. Returns each record's position and the group's checksum.
/// The caller has made sure that lengths and counts fit their fields.
pub(crate) fn encode_group<R: AsRef<[u8]>>(
    segment: &SegmentHeader,
    number: u64,
    start: Position,
    previous: u32,
    records: &[R],
    buffer: &mut Vec<u8>,
) -> (Vec<Position>, u32) {
    buffer.clear();
    buffer.resize(GROUP_HEADER_BYTES, 0);
    let ordinal = (number - segment.first_group) as u32;
    let mut positions = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        let payload = record.as_ref();
        let at = start + buffer.len() as u64;
        positions.push(at);
        let mut header = [0; RECORD_HEADER_BYTES];
        header[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[4..8].copy_from_slice(&ordinal.to_le_bytes());
        header[8..12].copy_from_slice(&(index as u32).to_le_bytes());
        let check = segment.record_check(number, at, &header[..12], payload);
        header[12..].copy_from_slice(&check.to_le_bytes());
        buffer.extend_from_slice(&header);
        buffer.extend_from_slice(payload);
        buffer.resize(buffer.len().next_multiple_of(ALIGN), 0);
    }
    let body_check = segment.check(b'B', number, start, &buffer[GROUP_HEADER_BYTES..]);
    let body_bytes = (buffer.len() - GROUP_HEADER_BYTES) as u32;
    buffer[..4].copy_from_slice(&GROUP_MAGIC);
    buffer[4..8].copy_from_slice(&(records.len() as u32).to_le_bytes());
    buffer[8..16].copy_from_slice(&number.to_le_bytes());
    buffer[16..20].copy_from_slice(&body_bytes.to_le_bytes());
    buffer[20..24].copy_from_slice(&previous.to_le_bytes());
    buffer[24..28].copy_from_slice(&body_check.to_le_bytes());
    let check = segment.check(b'G', number, start, &buffer[..28]);
    buffer[28..32].copy_from_slice(&check.to_le_bytes());
    (positions, check)
}

/// Checks a whole group that begins at `bytes[0]` and returns where its payloads lie in `bytes`.
pub(crate) fn decode_group(
    segment: &SegmentHeader,
    start: Position,
    bytes: &[u8],
) -> Result<(GroupHeader, Vec<Range<usize>>), Flaw> {
    let header = GroupHeader::decode(segment, start, bytes)?;
    let total = header.total_bytes();
    if bytes.len() < total {
        return Err("the segment ends inside a group");
    }
    if segment.check(b'B', header.number, start, &bytes[GROUP_HEADER_BYTES..total]) != header.body_check {
        return Err("the group's checksum is wrong");
    }
    let mut payloads = Vec::with_capacity((header.records as usize).min(total / RECORD_HEADER_BYTES));
    let mut at = GROUP_HEADER_BYTES;
    for index in 0..header.records {
        let record = decode_record(segment, start + at as u64, &bytes[at..total])?;
        if record.group != header.number || record.index != index {
            return Err("a record belongs to another place");
        }
        let payload = at + RECORD_HEADER_BYTES;
        payloads.push(payload..payload + record.payload_bytes);
        at += framed_bytes(record.payload_bytes) as usize;
    }
    if at != total {
        return Err("the group's records do not fill it");
    }
    Ok((header, payloads))
}

/// Length of the payload that follows a record header; `bytes` must hold the header.
pub(crate) fn record_payload_bytes(bytes: &[u8]) -> usize {
    u32_at(bytes, 0) as usize
}

#[derive(Debug)]
pub(crate) struct RecordFrame {
    pub group: u64,
    pub index: u32,
    pub payload_bytes: usize,
}

/// Checks the one record that begins at `bytes[0]`; `bytes` may hold more.
pub(crate) fn decode_record(segment: &SegmentHeader, at: Position, bytes: &[u8]) -> Result<RecordFrame, Flaw> {
    if bytes.len() < RECORD_HEADER_BYTES {
        return Err("the segment ends inside a record header");
    }
    let payload_bytes = record_payload_bytes(bytes);
    let group = segment.first_group.wrapping_add(u64::from(u32_at(bytes, 4)));
    let Some(payload) = bytes[RECORD_HEADER_BYTES..].get(..payload_bytes) else {
        return Err("no record begins here, or its length is wrong");
    };
    if segment.record_check(group, at, &bytes[..12], payload) != u32_at(bytes, 12) {
        return Err("no record begins here, or its checksum is wrong");
    }
    Ok(RecordFrame { group, index: u32_at(bytes, 8), payload_bytes })
}
