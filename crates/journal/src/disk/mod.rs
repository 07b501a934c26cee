//! The few things a journal asks of a disk: one flat directory of files, written and read at offsets.
//!
//! The contract is that of a POSIX file system and no more. A write is visible to reads at once and durable only
//! after `sync_data`; a directory entry is durable only after `sync_dir`; between the two anything may survive in
//! any order. After a failed `sync_data` nothing is known of the bytes it covered, and a second call may report
//! success without having written them.
//!
//! Nothing else in this crate may touch a file. [`RealDisk`] is the one that ships; `sim_disk` is the one that
//! tests break.

mod real;

use std::{fmt, io, sync::Arc};

pub use real::RealDisk;

/// One directory. Shared by the writer, the readers and whoever prepares segments.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Takes the directory for this owner until the value is dropped. `WouldBlock` if somebody else has it.
    fn lock(&self) -> io::Result<Box<dyn DiskLock>>;

    /// Makes a file of `bytes` zeros, written out rather than reserved, so that later writes change no metadata.
    /// Replaces a file of that name. Neither content nor entry is synced. A failure may leave a part of it.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>>;

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Names of all files, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;

    fn remove(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name in one step, replacing what had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes all creations, removals and renames up to now durable.
    fn sync_dir(&self) -> io::Result<()>;

    /// A number nobody outside can guess, other at every call. It seeds the checksums of one segment.
    fn salt(&self) -> u64;
}

/// One open file. A handle stays readable after its file has been renamed or removed.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Writes all of `bytes` or fails; a failure may leave any part of them.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `bytes` or fails; the end of the file inside the range is `UnexpectedEof`.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Makes every write to this file up to now durable, its length included.
    fn sync_data(&self) -> io::Result<()>;

    fn length(&self) -> io::Result<u64>;

    /// Cuts the file, or extends it with zeros.
    fn set_length(&self, bytes: u64) -> io::Result<()>;
}

/// Proof of ownership; dropping it lets the next owner in.
pub trait DiskLock: Send + Sync + fmt::Debug {}
