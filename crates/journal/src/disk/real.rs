//! A directory of the file system behind the [`Disk`] trait.
//!
//! Files are private to their owner (mode 0600): a journal holds names and addresses. The lock is an advisory lock
//! on a file of its own, which the kernel releases when the process ends however it ends, so a crash never leaves
//! a journal locked. The lock file itself is never removed: removing it would let two processes lock two files.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    hash::{BuildHasher, RandomState},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Disk, DiskFile, DiskLock};

const LOCK_NAME: &str = "journal.lock";
/// Zeros are written in pieces of this size: large enough to stream, small enough not to be noticed in memory.
const ZERO_CHUNK_BYTES: usize = 1 << 20;

#[derive(Debug, Clone)]
pub struct RealDisk {
    dir: PathBuf,
}

impl RealDisk {
    /// Makes the directory if it is missing, and makes that durable.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        if !dir.is_dir() {
            fs::create_dir_all(&dir)?;
            if let Some(parent) = dir.canonicalize()?.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self { dir })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Says that there is too little room before filling what there is: on a nearly full disk each vain try would
    /// take the last room from whoever else writes. Somebody else may still be faster; then the writing says it.
    fn check_room(&self, bytes: u64) -> io::Result<()> {
        let space = rustix::fs::statvfs(&self.dir)?;
        let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
        // File systems that know no number of blocks do not know how many are free either.
        if space.f_blocks > 0 && free_bytes < bytes { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn writable(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        options
    }
}

impl Disk for RealDisk {
    fn lock(&self) -> io::Result<Box<dyn DiskLock>> {
        let file = self.writable().create(true).truncate(false).open(self.dir.join(LOCK_NAME))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(RealLock { _file: file })),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.writable().create(true).truncate(true).open(self.dir.join(name))?;
        self.check_room(bytes)?;
        let zeros = vec![0; ZERO_CHUNK_BYTES];
        let mut offset = 0;
        while offset < bytes {
            let chunk = (bytes - offset).min(ZERO_CHUNK_BYTES as u64);
            file.write_all_at(&zeros[..chunk as usize], offset)?;
            offset += chunk;
        }
        Ok(Arc::new(RealFile { file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        // Inspection must work beside a running owner and on a read-only copy, hence the second try.
        let path = self.dir.join(name);
        let file = match self.writable().open(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path)?,
            other => other?,
        };
        Ok(Arc::new(RealFile { file }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn salt(&self) -> u64 {
        // The standard library keys its hash maps from the system's randomness; a hash under such keys is a
        // number nobody can guess, which is all that is asked here.
        RandomState::new().hash_one(std::process::id())
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
}

impl DiskFile for RealFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
}

#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl DiskLock for RealLock {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_no_disk_has_is_missed_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(dir.path()).unwrap();
        assert!(disk.check_room(1).is_ok());
        assert_eq!(disk.check_room(1 << 60).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
