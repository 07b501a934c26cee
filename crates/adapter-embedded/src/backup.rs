//! A backup of a data directory, also beside the process that runs on it: the database at one position, the journal
//! from there on. The end of the copied journal is the cut; restoring is starting from the copy.
//!
//! What holds: the database is copied first and in one read transaction, the journal after it, so the journal's copy
//! begins where the database's ends and nothing lies between. The copied journal is written anew, group by group, so
//! a group that its writer was just writing is in it whole or not at all, and positions stay what they were.
//!
//! What must never happen: a file of the source changed, or its owner's lock taken.

use doos_journal::{Disk, Journal, RealDisk, peek};
use doos_ports::bus::Position;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use crate::database::{FOLDED, meta, open_for_reading};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::store::Layout;

/// How often a copy starts again because the owner has given back the segment that it was about to read.
const TRIES_MAX: usize = 5;

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// Everything up to here is in it, nothing after it.
    pub cut: Position,
    /// Up to here it stands in the database, from here in the journal.
    pub folded: Position,
    /// Journal groups copied.
    pub groups: u64,
}

/// Copies the store of `data_dir` into `target`, which must not exist or be empty.
pub fn backup(data_dir: &Path, target: &Path, options: Options) -> Result<BackupReport> {
    let (source, copy) = (Layout::of(data_dir), Layout::of(target));
    if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::NotEmpty(target.to_owned()));
    }
    if !source.database().is_file() {
        let missing = std::io::ErrorKind::NotFound.into();
        return Err(Error::Io { action: "find a store in the data directory", source: missing });
    }
    let failed = |source| Error::Io { action: "make the backup's directory", source };
    let mut tries = 0;
    loop {
        tries += 1;
        fs::create_dir_all(&copy.database_dir).map_err(failed)?;
        let folded = copy_database(&source, &copy)?;
        match copy_journal(&source, &copy, folded, options) {
            Err(Error::Journal(doos_journal::Error::Dropped { .. })) if tries < TRIES_MAX => {
                fs::remove_dir_all(&copy.database_dir).map_err(failed)?;
            }
            outcome => return outcome,
        }
    }
}

/// Returns the position that the copy holds.
fn copy_database(source: &Layout, copy: &Layout) -> Result<u64> {
    let from = open_for_reading(&source.database())?;
    let path = copy.database();
    let mut to = Connection::open(&path).map_err(Error::database("make the copy of"))?;
    let run = |to: &mut Connection| {
        let backup = Backup::new(&from, to)?;
        // All pages in one step: a step apart, every fold in between would start the copy again.
        backup.step(-1)
    };
    match run(&mut to).map_err(Error::database("copy"))? {
        StepResult::Done => {}
        other => {
            let found = format!("the copy ended early: {other:?}");
            return Err(Error::Row { what: "the database".to_owned(), found });
        }
    }
    let folded = meta(&to, FOLDED)?;
    drop(to);
    let synced = File::open(&path).and_then(|file| file.sync_all());
    synced.and_then(|()| File::open(&copy.database_dir)?.sync_all()).map_err(sync_failed)?;
    Ok(folded)
}

fn sync_failed(source: std::io::Error) -> Error {
    Error::Io { action: "sync the backup", source }
}

fn copy_journal(source: &Layout, copy: &Layout, folded: u64, options: Options) -> Result<BackupReport> {
    let failed = |source| Error::Io { action: "open the journal's directory", source };
    let from = RealDisk::open(&source.journal_dir).map_err(failed)?;
    let from = peek(&from)?;
    let to: Arc<dyn Disk> = Arc::new(RealDisk::open(&copy.journal_dir).map_err(failed)?);
    // The copy begins in the middle of things. What lies before is not lost but folded, which is what the journal
    // must be told to begin elsewhere than at 0.
    let (mut journal, _) = Journal::open(to, options.journal, folded, folded > 0)?;
    let mut groups = 0;
    for group in from.groups(folded)? {
        let group = group?;
        let records: Vec<&[u8]> = group.records.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        let appended = journal.append(&records)?;
        if appended.start != group.start {
            let found = format!("the group at {} would stand at {} in the copy", group.start, appended.start);
            return Err(Error::Record { position: group.start, found });
        }
        groups += 1;
    }
    Ok(BackupReport { cut: Position(journal.end()), folded: Position(folded), groups })
}
