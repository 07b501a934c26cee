//! A company's memory on disk: one file, one line of JSON an event, only ever appended to.
//!
//! What holds: [`Log::synced`] returns once every line written before it is on disk. Whoever arrives while a sync is
//! running shares the next one, so many callers cost few syncs. A last line without its end was never answered for
//! and is cut at the next opening.
//!
//! What must never happen: a line that cannot be read and is skipped; a write or sync that is tried again after it has
//! failed, for nobody knows then what the disk holds. The log stays broken until it is opened anew.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use doos_ports::outside::OutsideError;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Mutex;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} cannot be opened", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("line {line_number} of {} is not an event", path.display())]
    BadLine { path: PathBuf, line_number: u64, source: serde_json::Error },
}

/// Without a file it keeps nothing and is always in sync.
#[derive(Default)]
pub(crate) struct Log {
    file: Option<Arc<File>>,
    written: AtomicU64,
    synced: AtomicU64,
    syncing: Mutex<()>,
    broken: AtomicBool,
}

impl Log {
    /// Hands every event of the file to `apply`, oldest first.
    pub(crate) fn open<E: DeserializeOwned>(path: &Path, apply: impl FnMut(E)) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        let open = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = open.map_err(failed)?;
        let whole = replay(path, &file, apply)?;
        file.set_len(whole).map_err(failed)?;
        // What was read is answered from now on, so it has to be durable; so has the file's own name.
        file.sync_all().map_err(failed)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or_else(|| Path::new("."))).and_then(|entry| entry.sync_all()).map_err(failed)?;
        Ok(Self::over(file))
    }

    fn over(file: File) -> Self {
        Self { file: Some(Arc::new(file)), ..Self::default() }
    }

    /// Writes one line; the caller makes sure that only one writes at a time. On an error nothing was done.
    pub(crate) fn append<E: Serialize>(&self, event: &E) -> Result<(), OutsideError> {
        let Some(file) = &self.file else { return Ok(()) };
        self.usable()?;
        let mut line = serde_json::to_vec(event).expect("events are plain structs with text keys");
        line.push(b'\n');
        (&**file).write_all(&line).map_err(|error| self.fail(&error))?;
        self.written.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    pub(crate) async fn synced(&self) -> Result<(), OutsideError> {
        let Some(file) = &self.file else { return Ok(()) };
        self.usable()?;
        let wanted = self.written.load(Ordering::Acquire);
        if self.synced.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        let _turn = self.syncing.lock().await;
        self.usable()?;
        if self.synced.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        let reached = self.written.load(Ordering::Acquire);
        let file = Arc::clone(file);
        let sync = tokio::task::spawn_blocking(move || file.sync_data()).await;
        sync.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|error| self.fail(&error))?;
        self.synced.store(reached, Ordering::Release);
        Ok(())
    }

    fn usable(&self) -> Result<(), OutsideError> {
        if self.broken.load(Ordering::Acquire) { Err(unwritable()) } else { Ok(()) }
    }

    fn fail(&self, error: &io::Error) -> OutsideError {
        self.broken.store(true, Ordering::Release);
        tracing::error!(error = %error, "a stand-in's books cannot be written any more; it answers nothing until restarted");
        unwritable()
    }
}

fn unwritable() -> OutsideError {
    OutsideError::Unclear("its books cannot be written".into())
}

/// Returns how many bytes are whole lines.
fn replay<E: DeserializeOwned>(path: &Path, file: &File, mut apply: impl FnMut(E)) -> Result<u64, OpenError> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    let (mut whole, mut line_number) = (0, 0);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        let len = read.map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        if line.last() != Some(&b'\n') {
            if len > 0 {
                tracing::warn!(path = %path.display(), bytes = len, "a torn last line was cut");
            }
            return Ok(whole);
        }
        line_number += 1;
        let event = serde_json::from_slice(&line);
        apply(event.map_err(|source| OpenError::BadLine { path: path.to_owned(), line_number, source })?);
        whole += u64::try_from(len).expect("a length fits 64 bits");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Result<(Log, Vec<u32>), OpenError> {
        let mut events = Vec::new();
        let log = Log::open(path, |event| events.push(event))?;
        Ok((log, events))
    }

    #[tokio::test]
    async fn what_was_written_is_read_back_at_every_length_of_a_torn_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.log");
        let (log, _) = read(&path).unwrap();
        for event in [7_u32, 88, 999] {
            log.append(&event).unwrap();
        }
        log.synced().await.unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for len in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let whole = bytes[..len].iter().filter(|byte| **byte == b'\n').count();
            let (log, events) = read(&path).unwrap();
            assert_eq!(events, [7, 88, 999][..whole], "cut at {len}");
            // What is written next starts a line of its own.
            log.append(&5_u32).unwrap();
            let (_, events) = read(&path).unwrap();
            assert_eq!(events.last(), Some(&5), "cut at {len}");
            assert_eq!(events.len(), whole + 1, "cut at {len}");
        }
    }

    #[test]
    fn a_whole_line_that_cannot_be_read_is_named_and_never_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.log");
        for bytes in ["1\nx\n3\n", "1\nx\n", "1\n\n"] {
            std::fs::write(&path, bytes).unwrap();
            let refused = read(&path).err();
            assert!(matches!(refused, Some(OpenError::BadLine { line_number: 2, .. })), "{refused:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bytes);
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn after_a_failed_write_nothing_is_answered_any_more() {
        let log = Log::over(OpenOptions::new().write(true).open("/dev/full").unwrap());
        assert!(log.synced().await.is_ok());
        assert_eq!(log.append(&1_u32), Err(unwritable()));
        assert_eq!(log.synced().await, Err(unwritable()));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_failed_sync_is_never_tried_again() {
        // A pipe takes the line and cannot be synced.
        let (_reader, writer) = io::pipe().unwrap();
        let log = Log::over(File::from(std::os::fd::OwnedFd::from(writer)));
        log.append(&1_u32).unwrap();
        assert_eq!(log.synced().await, Err(unwritable()));
        assert_eq!(log.append(&2_u32), Err(unwritable()));
        assert_eq!(log.synced().await, Err(unwritable()));
    }
}
