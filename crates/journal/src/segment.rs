//! One segment file: its name, its header, its handle, and how a new one comes into being.
//!
//! A segment is built under a temporary name, synced, and only then given its real one. A file that has the name
//! of a segment is therefore complete, header and zeros, whatever moment a crash chose; what a crash leaves half
//! made has the temporary name and is thrown away at the next opening.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    Disk, DiskFile, Error, Position,
    format::{HEADER_BYTES, HeaderFlaw, SegmentHeader},
};

const SUFFIX: &str = ".seg";
/// The one name under which segments are built.
pub(crate) const SPARE_NAME: &str = "next.tmp";

/// Named by its first position, so that a listing in order of names is in order of positions.
pub(crate) fn segment_name(base: Position) -> String {
    format!("{base:020}{SUFFIX}")
}

/// The first position a name speaks of; `None` for files that are no segments.
pub(crate) fn base_of_name(name: &str) -> Option<Result<Position, Error>> {
    let digits = name.strip_suffix(SUFFIX)?;
    let base = digits.parse().ok().filter(|base| segment_name(*base) == name);
    Some(base.ok_or_else(|| Error::Corrupt {
        segment: name.to_owned(),
        offset: 0,
        found: "the file's name is not a position".to_owned(),
    }))
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub name: String,
    pub header: SegmentHeader,
    pub file: Arc<dyn DiskFile>,
}

/// What a listing shows of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSummary {
    pub name: String,
    pub start: Position,
    pub end: Position,
    pub file_bytes: u64,
}

/// A zeroed, synced file that waits to become the next segment. At most one exists.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    file: Option<Arc<dyn DiskFile>>,
    closed: bool,
}

impl Spare {
    /// Makes the spare unless it is there. Another caller in the meantime waits and finds it made.
    pub fn prepare(&self, disk: &dyn Disk, bytes: u64) -> Result<(), Error> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.file.is_none() && !slot.closed {
            slot.file = Some(zeroed_file(disk, bytes)?);
        }
        Ok(())
    }

    /// Waits for a preparation in progress and lets no further one begin.
    pub fn close(&self) {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// Turns the spare, or a new file if there is none of that size, into the segment `header` describes. When
    /// this returns, both content and directory entry are durable.
    ///
    /// Until the file has a segment's name it is nobody's, so a disk that is full up to there is an ordinary refusal,
    /// whichever call noticed it: the file is thrown away, and the next try makes one of its own.
    pub fn become_segment(&self, disk: &dyn Disk, header: SegmentHeader) -> Result<Segment, Error> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match slot.file.take() {
            Some(file) if file.length().map_err(Error::io("measure", SPARE_NAME))? == header.file_bytes => file,
            _ => zeroed_file(disk, header.file_bytes)?,
        };
        let (name, bytes) = (segment_name(header.base), header.file_bytes);
        file.write_at(0, &header.encode()).map_err(unfinished(disk, bytes, "write the header of", &name))?;
        file.sync_data().map_err(unfinished(disk, bytes, "sync", &name))?;
        disk.rename(SPARE_NAME, &name).map_err(unfinished(disk, bytes, "name", &name))?;
        disk.sync_dir().map_err(Error::io("sync the directory entry of", &name))?;
        Ok(Segment { name, header, file })
    }
}

/// Zeros on disk. Running out of room here is an ordinary refusal: no segment has been touched.
fn zeroed_file(disk: &dyn Disk, bytes: u64) -> Result<Arc<dyn DiskFile>, Error> {
    let file = disk.create(SPARE_NAME, bytes).map_err(unfinished(disk, bytes, "create", SPARE_NAME))?;
    file.sync_data().map_err(unfinished(disk, bytes, "sync", SPARE_NAME))?;
    Ok(file)
}

/// What it means that a call failed on a file that has no segment's name yet.
fn unfinished(disk: &dyn Disk, bytes: u64, action: &'static str, file: &str) -> impl FnOnce(io::Error) -> Error {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            // Gives the room back at once. If even that fails, the next creation replaces the file.
            let _ = disk.remove(SPARE_NAME);
            Error::Full { needed_bytes: bytes, source }
        }
        _ => Error::Io { action, file: file.to_owned(), source },
    }
}

/// What a file that has the name of a segment turned out to be.
#[derive(Debug)]
pub(crate) struct Opened {
    pub file: Arc<dyn DiskFile>,
    pub header: Result<SegmentHeader, HeaderFlaw>,
    pub length: u64,
}

/// Opens a segment and reads it into `buffer`, replacing its content: all that its header speaks of and the file
/// has, or the header page alone if that is not to be believed.
pub(crate) fn open_whole(disk: &dyn Disk, name: &str, buffer: &mut Vec<u8>) -> Result<Opened, Error> {
    let file = disk.open(name).map_err(Error::io("open", name))?;
    let length = file.length().map_err(Error::io("measure", name))?;
    buffer.clear();
    buffer.resize(length.min(HEADER_BYTES) as usize, 0);
    file.read_at(0, buffer).map_err(Error::io("read", name))?;
    let header = SegmentHeader::decode(buffer);
    if let Ok(header) = &header {
        buffer.resize(length.min(header.file_bytes).max(HEADER_BYTES) as usize, 0);
        file.read_at(HEADER_BYTES, &mut buffer[HEADER_BYTES as usize..]).map_err(Error::io("read", name))?;
    }
    Ok(Opened { file, header, length })
}

/// Smallest file that holds a group of that size.
pub(crate) fn file_bytes_for(group_bytes: u64, segment_bytes: u64) -> u64 {
    (HEADER_BYTES + group_bytes).next_multiple_of(HEADER_BYTES).max(segment_bytes)
}
