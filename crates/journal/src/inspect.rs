//! A journal as an operator sees it: segment by segment, group by group, good or bad.
//!
//! Takes no lock and writes nothing, so it works beside a running owner and on a damaged copy. It shows each
//! segment for itself; whether the journal as a whole may be opened is for opening to say. Beside a running owner
//! the newest group may show as unfinished, because it is.

use std::fmt;

use crate::{
    Disk, Error,
    format::{HeaderFlaw, SegmentHeader},
    scan::{Rest, scan},
    segment::{base_of_name, open_whole},
};

/// What an inspection counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inspection {
    pub segments: u64,
    pub groups: u64,
    pub records: u64,
    /// Segments in which something did not hold.
    pub flawed_segments: u64,
}

/// Prints the named segments, or all in order if `names` is `None`.
pub fn inspect(disk: &dyn Disk, names: Option<&[String]>, out: &mut dyn fmt::Write) -> Result<Inspection, Error> {
    let mut totals = Inspection::default();
    let mut bytes = Vec::new();
    for name in &chosen(disk, names)? {
        let opened = open_whole(disk, name, &mut bytes)?;
        totals.segments += 1;
        let flawed = match opened.header {
            Ok(header) => print_segment(out, name, &header, &bytes, opened.length, &mut totals),
            Err(HeaderFlaw::Damaged(flaw)) => print_bad_header(out, name, flaw),
            Err(HeaderFlaw::Version(version)) => print_bad_header(out, name, &format!("unknown format {version}")),
        };
        let flawed = flawed.map_err(|fmt::Error| Error::Options { reason: "the output takes no more text" })?;
        totals.flawed_segments += u64::from(flawed);
    }
    Ok(totals)
}

fn chosen(disk: &dyn Disk, names: Option<&[String]>) -> Result<Vec<String>, Error> {
    if let Some(names) = names {
        return Ok(names.to_vec());
    }
    let mut names = disk.list().map_err(Error::io("list", "the journal's directory"))?;
    names.retain(|name| base_of_name(name).is_some());
    names.sort_unstable();
    Ok(names)
}

fn print_bad_header(out: &mut dyn fmt::Write, name: &str, flaw: &str) -> Result<bool, fmt::Error> {
    writeln!(out, "segment {name}\n  BAD at byte 0: {flaw}")?;
    Ok(true)
}

fn print_segment(
    out: &mut dyn fmt::Write,
    name: &str,
    header: &SegmentHeader,
    bytes: &[u8],
    length: u64,
    totals: &mut Inspection,
) -> Result<bool, fmt::Error> {
    writeln!(out, "segment {name}")?;
    writeln!(
        out,
        "  header: first position {}, first group {}, continues from position {}, {} bytes",
        header.base, header.first_group, header.previous_end, header.file_bytes
    )?;
    let mut printed = Ok(());
    let scan = scan(header, bytes, |group| {
        let line = format_args!(
            "  group {}: byte {}, position {}, {} records, {} bytes, ok\n",
            group.number,
            group.offset,
            header.position_of(group.offset),
            group.records,
            group.total_bytes
        );
        printed = printed.and_then(|()| out.write_fmt(line));
    });
    printed?;
    totals.groups += scan.groups;
    totals.records += scan.records;
    let mut flawed = false;
    if let Rest::Dirty { flaw, followed_at, groups_behind } = scan.rest {
        flawed = true;
        writeln!(out, "  BAD at byte {}: {flaw}", scan.end_offset)?;
        match followed_at {
            Some(at) => writeln!(out, "  {groups_behind} groups written later stand behind it, from byte {at}")?,
            None => writeln!(out, "  nothing valid behind it: an unfinished last group looks like this")?,
        }
    }
    if length != header.file_bytes {
        flawed = true;
        writeln!(out, "  BAD at byte {length}: the file is {length} bytes long")?;
    }
    writeln!(out, "  end: byte {}, position {}", scan.end_offset, scan.end(header))?;
    Ok(flawed)
}
