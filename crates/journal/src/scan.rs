//! Walks the bytes of one segment from its first group on and says how they end.
//!
//! A pure function over bytes. It follows numbers and the chain of checksums, and when a group does not hold it
//! looks through all that is left: if any group header written for its place stands there, a later group was
//! written, so the broken one had been synced, so this is damage and no unfinished write.

use crate::{
    Position,
    format::{ALIGN, Flaw, GROUP_MAGIC, GroupHeader, HEADER_BYTES, SegmentHeader, decode_group},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub number: u64,
    pub offset: u64,
    pub total_bytes: u64,
    pub records: u32,
}

#[derive(Debug)]
pub(crate) struct Scan {
    pub groups: u64,
    pub records: u64,
    /// Offset behind the last group that holds.
    pub end_offset: u64,
    pub last: Option<Seen>,
    pub next_group: u64,
    /// Checksum that the next group must name.
    pub chain: u32,
    pub rest: Rest,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Zeros to the end of the file.
    Clean,
    /// Something stands there that is no group in its order; `followed_at` is where a valid group header was found.
    Dirty { flaw: Flaw, followed_at: Option<u64>, groups_behind: u64 },
}

impl Scan {
    pub fn end(&self, header: &SegmentHeader) -> Position {
        header.position_of(self.end_offset)
    }
}

/// `bytes` is the whole file, header page included; `visit` is told of every group that holds.
pub(crate) fn scan(header: &SegmentHeader, bytes: &[u8], mut visit: impl FnMut(&Seen)) -> Scan {
    let mut scan = Scan {
        groups: 0,
        records: 0,
        end_offset: HEADER_BYTES,
        last: None,
        next_group: header.first_group,
        chain: header.previous_check,
        rest: Rest::Clean,
    };
    loop {
        let rest = bytes.get(scan.end_offset as usize..).unwrap_or_default();
        if is_zero(rest) {
            return scan;
        }
        let group = match next_in_order(header, &scan, rest) {
            Ok(group) => group,
            Err(flaw) => {
                let (followed_at, groups_behind) = later_groups(header, bytes, scan.end_offset, flaw);
                scan.rest = Rest::Dirty { flaw: flaw.text(), followed_at, groups_behind };
                return scan;
            }
        };
        let seen = Seen {
            number: group.number,
            offset: scan.end_offset,
            total_bytes: group.total_bytes() as u64,
            records: group.records,
        };
        visit(&seen);
        scan.groups += 1;
        scan.records += u64::from(group.records);
        scan.end_offset += seen.total_bytes;
        scan.next_group = group.number + 1;
        scan.chain = group.check;
        scan.last = Some(seen);
    }
}

/// By the page, since this looks at whole segments that are mostly empty.
fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

#[derive(Debug, Clone, Copy)]
enum Misfit {
    /// The bytes do not hold; an unfinished write looks like this.
    Broken(Flaw),
    /// The bytes hold, but for another history; no crash makes this.
    Misplaced(Flaw),
}

impl Misfit {
    fn text(self) -> Flaw {
        match self {
            Self::Broken(flaw) | Self::Misplaced(flaw) => flaw,
        }
    }
}

fn next_in_order(header: &SegmentHeader, scan: &Scan, rest: &[u8]) -> Result<GroupHeader, Misfit> {
    let (group, _) = decode_group(header, scan.end(header), rest).map_err(Misfit::Broken)?;
    if group.number != scan.next_group {
        return Err(Misfit::Misplaced("a group has the wrong number"));
    }
    if group.previous != scan.chain {
        return Err(Misfit::Misplaced("a group does not continue the one before it"));
    }
    Ok(group)
}

/// Where the first group header stands that proves the break at `from` to be damage, and how many there are.
fn later_groups(header: &SegmentHeader, bytes: &[u8], from: u64, misfit: Misfit) -> (Option<u64>, u64) {
    let first = match misfit {
        Misfit::Broken(_) => from as usize + ALIGN,
        Misfit::Misplaced(_) => from as usize,
    };
    let mut found = None;
    let mut count = 0;
    for offset in (first..bytes.len()).step_by(ALIGN) {
        let candidate = &bytes[offset..];
        if candidate.starts_with(&GROUP_MAGIC)
            && GroupHeader::decode(header, header.position_of(offset as u64), candidate).is_ok()
        {
            found.get_or_insert(offset as u64);
            count += 1;
        }
    }
    (found, count)
}
