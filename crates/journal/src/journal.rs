//! The writer. One value owns the journal; it appends groups, rolls to new segments and drops old ones.
//!
//! An append that returns `Ok` is on disk. An append that returns [`Error::Io`] stops the journal: whether that
//! group is there is decided by the next opening, and every later append is refused with the first cause. After a
//! failed sync the pages may be clean in memory and absent on disk, so trying again would acknowledge a loss.
//!
//! Only running out of room for a new segment is an ordinary refusal, because it is noticed before anything of
//! the group has been written.

use std::sync::{Arc, RwLock, atomic::AtomicU64};

use crate::{
    Disk, DiskLock, Error, Options, Position, Reader, Recovery, SegmentSummary,
    format::{GROUP_HEADER_BYTES, HEADER_BYTES, SegmentHeader, encode_group, framed_bytes},
    reader::Shared,
    recover::{Recovered, recover},
    segment::{Segment, Spare, file_bytes_for},
};

/// The buffer a group is laid out in is kept between groups up to this size.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// A group that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub group: u64,
    /// Where the group begins; a cursor can start here.
    pub start: Position,
    /// One for each record, in order; [`Reader::read`] takes them.
    pub positions: Vec<Position>,
    /// Where the next group will begin.
    pub end: Position,
}

#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    options: Options,
    shared: Arc<Shared>,
    spare: Arc<Spare>,
    active: Arc<Segment>,
    /// Where in the active segment's file the next group goes.
    offset: u64,
    next_group: u64,
    chain: u32,
    buffer: Vec<u8>,
    stopped: Option<String>,
    _lock: Box<dyn DiskLock>,
}

impl Journal {
    /// Opens or begins a journal, and makes what is there durable before returning.
    ///
    /// `floor` is the highest position that any follower or folded database already holds, 0 if there is none.
    /// A journal that ends before it, or begins after it, has lost something and is refused. `accept_loss` is the
    /// operator's word: instead of refusing, cut the journal at the first damage and go on.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: Options,
        floor: Position,
        accept_loss: bool,
    ) -> Result<(Self, Recovery), Error> {
        let options = options.checked()?;
        let lock = disk.lock().map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => Error::Locked,
            _ => Error::Io { action: "lock", file: "the journal's directory".to_owned(), source },
        })?;
        let spare = Arc::new(Spare::default());
        let Recovered { segments, offset, chain, report } =
            recover(disk.as_ref(), options, &spare, floor, accept_loss)?;
        let active = Arc::clone(segments.last().expect("recovery leaves at least one segment"));
        let shared = Shared { segments: RwLock::new(segments), end: AtomicU64::new(report.end) };
        let journal = Self {
            disk,
            options,
            shared: Arc::new(shared),
            spare,
            active,
            offset,
            next_group: report.next_group,
            chain,
            buffer: Vec::new(),
            stopped: None,
            _lock: lock,
        };
        Ok((journal, report))
    }

    /// Writes the records as one group and returns when it is durable. All of them will be there or none.
    pub fn append<R: AsRef<[u8]>>(&mut self, records: &[R]) -> Result<Appended, Error> {
        self.check_running()?;
        let bytes = self.checked_bytes(records)?;
        if self.offset + bytes > self.active.header.file_bytes {
            self.roll(bytes)?;
        }
        let header = &self.active.header;
        let start = header.position_of(self.offset);
        let (positions, chain) = encode_group(header, self.next_group, start, self.chain, records, &mut self.buffer);
        debug_assert_eq!(self.buffer.len() as u64, bytes);
        let written = self.write_and_sync();
        if let Err(error) = written {
            return Err(self.stop(error));
        }
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = Vec::new();
        }
        let group = self.next_group;
        self.offset += bytes;
        self.next_group += 1;
        self.chain = chain;
        self.shared.publish(start + bytes);
        Ok(Appended { group, start, positions, end: start + bytes })
    }

    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Position of the oldest group still kept, or the end if none is.
    pub fn oldest(&self) -> Position {
        self.shared.oldest()
    }

    /// End of the last synced group.
    pub fn end(&self) -> Position {
        self.shared.end()
    }

    /// Room the segments take on disk.
    pub fn bytes(&self) -> u64 {
        self.shared.snapshot().iter().map(|segment| segment.header.file_bytes).sum()
    }

    pub fn segments(&self) -> Vec<SegmentSummary> {
        self.shared.summaries()
    }

    /// The cause that stopped the journal, if one did.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// A handle with which any thread can make the next segment's file ahead of need.
    pub fn preparer(&self) -> Preparer {
        let bytes = self.options.segment_bytes;
        Preparer { disk: Arc::clone(&self.disk), spare: Arc::clone(&self.spare), bytes }
    }

    /// Makes the next segment's file now unless it is there, so that the append that needs it need not wait.
    pub fn prepare_next(&self) -> Result<(), Error> {
        self.preparer().prepare()
    }

    /// Removes the segments that end at or before `position` and returns how many. The active one always stays.
    pub fn drop_before(&mut self, position: Position) -> Result<usize, Error> {
        self.check_running()?;
        let doomed: Vec<_> = self
            .shared
            .snapshot()
            .windows(2)
            .take_while(|pair| pair[1].header.previous_end <= position)
            .map(|pair| Arc::clone(&pair[0]))
            .collect();
        for segment in &doomed {
            self.disk.remove(&segment.name).map_err(Error::io("remove", &segment.name))?;
            self.shared.forget_oldest();
            // One by one: two removals under one sync could come back in the other order and leave a hole.
            let synced = self.disk.sync_dir().map_err(Error::io("sync the removal of", &segment.name));
            if let Err(error) = synced {
                return Err(self.stop(error));
            }
        }
        Ok(doomed.len())
    }

    fn check_running(&self) -> Result<(), Error> {
        match &self.stopped {
            Some(cause) => Err(Error::Stopped { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn checked_bytes<R: AsRef<[u8]>>(&self, records: &[R]) -> Result<u64, Error> {
        if records.is_empty() {
            return Err(Error::GroupEmpty);
        }
        let framed: u64 = records.iter().map(|record| framed_bytes(record.as_ref().len())).sum();
        let bytes = GROUP_HEADER_BYTES as u64 + framed;
        let max = self.options.group_bytes_max;
        if bytes > max { Err(Error::GroupTooLarge { bytes, max }) } else { Ok(bytes) }
    }

    fn write_and_sync(&self) -> Result<(), Error> {
        let Segment { file, name, .. } = self.active.as_ref();
        file.write_at(self.offset, &self.buffer).map_err(Error::io("write", name))?;
        file.sync_data().map_err(Error::io("sync", name))
    }

    /// Goes on to a new segment that has room for a group of that size.
    fn roll(&mut self, group_bytes: u64) -> Result<(), Error> {
        let end = self.active.header.position_of(self.offset);
        // A segment that holds no group shares its first position, and so its name, with its successor, which then
        // takes its place and must continue from where it did.
        let is_empty = self.offset == HEADER_BYTES;
        let header = SegmentHeader {
            salt: self.disk.salt(),
            base: end,
            previous_end: if is_empty { self.active.header.previous_end } else { end },
            first_group: self.next_group,
            previous_check: self.chain,
            file_bytes: file_bytes_for(group_bytes, self.options.segment_bytes),
        };
        match self.spare.become_segment(self.disk.as_ref(), header) {
            Ok(segment) => {
                self.active = Arc::new(segment);
                self.offset = HEADER_BYTES;
                self.shared.push(Arc::clone(&self.active));
                Ok(())
            }
            Err(refusal @ Error::Full { .. }) => Err(refusal),
            Err(error) => Err(self.stop(error)),
        }
    }

    /// Remembers the first cause, with the system's own words, for every later refusal.
    fn stop(&mut self, error: Error) -> Error {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        self.stopped = Some(format!("{error}{}", source.unwrap_or_default()));
        error
    }
}

impl Drop for Journal {
    /// A preparer that outlives the journal must not touch the files of whoever takes the lock next.
    fn drop(&mut self) {
        self.spare.close();
    }
}

/// Makes segment files ahead of need, from any thread. Zeroing 64 MiB takes tens of milliseconds that no order
/// should wait for.
#[derive(Debug, Clone)]
pub struct Preparer {
    disk: Arc<dyn Disk>,
    spare: Arc<Spare>,
    bytes: u64,
}

impl Preparer {
    /// Does nothing if the spare file is there. A failure leaves the journal as it was: the file was not in use.
    pub fn prepare(&self) -> Result<(), Error> {
        self.spare.prepare(self.disk.as_ref(), self.bytes)
    }
}
