//! The machine under the embedded store: a simulated disk for the journal, a directory in memory for the database.
//!
//! What holds: a process that dies leaves both as they are. A power cut takes unsynced writes of the journal at random,
//! and may take the database back to an earlier state, as the file system would: never behind what the oldest segment
//! of the journal still explains.

use doos_adapter_embedded::{Options, Parts, Store};
use doos_journal::sim_disk::SimDisk;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

use crate::planted::Planted;

/// Earlier states of the database kept for a power cut to go back to.
const STATES_KEPT_MAX: usize = 4;

pub struct Machine {
    disk: SimDisk,
    home: TempDir,
    /// Copies of the database with the folded position they hold.
    states: Vec<(u64, PathBuf)>,
    copies: u64,
}

impl Machine {
    pub fn new(seed: u64) -> io::Result<Self> {
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() { TempDir::new_in(memory)? } else { TempDir::new()? };
        Ok(Self { disk: SimDisk::new(seed), home, states: Vec::new(), copies: 0 })
    }

    pub fn disk(&self) -> SimDisk {
        self.disk.clone()
    }

    fn database(&self) -> PathBuf {
        self.home.path().join("database")
    }

    /// Starts the store anew, as a process does.
    pub fn open(&self, planted: &Planted) -> Result<Parts, doos_adapter_embedded::Error> {
        // Small segments, so that a run goes through many of them.
        let journal = doos_journal::Options { segment_bytes: 64 << 10, group_bytes_max: 32 << 10 };
        let options = Options {
            journal,
            group_len_max: 16,
            orders_cached_max: 4,
            changes_cached_max: 8,
            messages_cached_max: 4,
            answers_remembered_max: 4,
            feed_kept_bytes: 16 << 20,
            ..Options::default()
        };
        Store::open(planted.disk(Arc::new(self.disk.clone())), &self.database(), options)
    }

    /// Keeps the database as it is now, for a later power cut.
    pub fn keep_state(&mut self, folded: u64) -> io::Result<()> {
        self.copies += 1;
        let copy = self.home.path().join(format!("state-{}", self.copies));
        copy_files(&self.database(), &copy)?;
        self.states.push((folded, copy));
        if self.states.len() > STATES_KEPT_MAX {
            fs::remove_dir_all(self.states.remove(0).1)?;
        }
        Ok(())
    }

    /// The power is gone. `back`: the database too falls back to an earlier state, if there is one that the journal
    /// still reaches back to.
    pub fn lose_power(&mut self, seed: u64, back: bool, journal_oldest: u64) -> io::Result<()> {
        self.disk = self.disk.crash(seed);
        let Some((_, state)) = self.states.iter().find(|(folded, _)| *folded >= journal_oldest).filter(|_| back) else {
            return Ok(());
        };
        let state = state.clone();
        fs::remove_dir_all(self.database())?;
        copy_files(&state, &self.database())?;
        // What was kept later never happened on this disk.
        let kept = self.states.iter().position(|(_, path)| *path == state).map_or(0, |index| index + 1);
        for (_, later) in self.states.split_off(kept) {
            fs::remove_dir_all(later)?;
        }
        Ok(())
    }
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        // The index of the log is rebuilt by whoever opens it first.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
