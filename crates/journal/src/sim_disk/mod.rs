//! A disk in memory that loses what was not synced, for tests and for the simulator.
//!
//! What holds here: a write is seen by reads at once and is durable only after a sync. A [`SimDisk::crash`] decides
//! for each unsynced sector of 512 bytes, and for each unsynced directory entry, by itself whether it survives, so
//! writes tear and overtake each other. A sync that fails keeps an arbitrary part and forgets that the rest was
//! ever unsynced, as page caches do: a second sync succeeds and saves nothing. Everything follows from the seeds
//! given; the same calls with the same seeds leave the same bytes.
//!
//! A clone is the same disk. After a crash, or after the power failed by plan, all older handles only fail, as
//! those of a dead process would; the handle that `crash` returns is the next life's.
//!
//! What must never happen: a real file, a real clock, or randomness from outside.

mod store;

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Disk, DiskFile, DiskLock};
use store::Store;

/// Kinds of calls that can be counted and made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Lock,
    Create,
    Open,
    List,
    Remove,
    Rename,
    SyncDir,
    Write,
    Read,
    Sync,
    Length,
    SetLength,
}

impl Call {
    pub const COUNT: usize = 12;

    /// Calls that may change what a crash leaves.
    pub fn changes(self) -> bool {
        use Call::{Create, Remove, Rename, SetLength, Sync, SyncDir, Write};
        matches!(self, Create | Remove | Rename | SyncDir | Write | Sync | SetLength)
    }
}

#[derive(Clone)]
pub struct SimDisk {
    store: Arc<Mutex<Store>>,
    life: u64,
}

impl SimDisk {
    /// An empty disk without bound.
    pub fn new(seed: u64) -> Self {
        Self { store: Arc::new(Mutex::new(Store::new(seed))), life: 0 }
    }

    /// Takes the power away. Unsynced writes and entries survive or not as `seed` decides; plans of failures are
    /// forgotten, the limit of room is not. Returns the handle of the next life.
    pub fn crash(&self, seed: u64) -> Self {
        let mut store = self.inner();
        store.crash(seed);
        Self { store: Arc::clone(&self.store), life: store.life }
    }

    /// An independent copy of what is there now, unsynced state included, to try several crashes from one moment.
    pub fn fork(&self) -> Self {
        let store = self.inner().clone();
        let life = store.life;
        Self { store: Arc::new(Mutex::new(store)), life }
    }

    /// Lets the `nth` call of that kind from now on (1 is the next) fail with `error`.
    pub fn fail_nth(&self, call: Call, nth: u64, error: io::ErrorKind) {
        self.inner().fail_nth(call, nth, error);
    }

    /// Lets `changing_calls` more calls that [`Call::changes`] happen, then the power is gone and every call fails.
    pub fn power_off_after(&self, changing_calls: u64) {
        self.inner().power_off_after(changing_calls);
    }

    /// Bounds the sum of all files; `None` takes the bound away.
    pub fn limit_bytes(&self, bytes: Option<u64>) {
        self.inner().limit_bytes = bytes;
    }

    /// Calls of that kind so far, failed ones included.
    pub fn calls(&self, call: Call) -> u64 {
        self.inner().counts[call as usize]
    }

    /// Calls so far that [`Call::changes`].
    pub fn changing_calls(&self) -> u64 {
        self.inner().changing_calls()
    }

    /// What a read would see of a file now; `None` if there is no such file.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        self.inner().content(name)
    }

    /// What is sure to be there after a crash.
    pub fn durable_content(&self, name: &str) -> Option<Vec<u8>> {
        self.inner().durable_content(name)
    }

    /// Puts a file in place, durable at once, as if somebody had done it while nobody looked.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.inner().put(name, bytes);
    }

    /// Takes a file away, durable at once.
    pub fn take(&self, name: &str) {
        self.inner().take(name);
    }

    pub fn names(&self) -> Vec<String> {
        self.inner().names()
    }

    fn inner(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call, and fails it if it is planned to fail or its caller is dead.
    fn enter(&self, call: Call) -> io::Result<MutexGuard<'_, Store>> {
        let mut store = self.inner();
        store.enter(call, self.life)?;
        Ok(store)
    }
}

/// Names only: contents would drown every message.
impl fmt::Debug for SimDisk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SimDisk").field("life", &self.life).field("names", &self.names()).finish()
    }
}

impl Disk for SimDisk {
    fn lock(&self) -> io::Result<Box<dyn DiskLock>> {
        let mut store = self.enter(Call::Lock)?;
        if store.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        store.locked = true;
        Ok(Box::new(SimLock { disk: self.clone() }))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut store = self.enter(Call::Create)?;
        let file = store.create(name, bytes)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let store = self.enter(Call::Open)?;
        let file = store.find(name)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.enter(Call::List)?.names())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.enter(Call::Remove)?.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.enter(Call::Rename)?.rename(from, to)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.enter(Call::SyncDir)?.sync_dir();
        Ok(())
    }

    fn salt(&self) -> u64 {
        self.inner().random.next()
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: u64,
}

impl DiskFile for SimFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self.disk.enter(Call::Write) {
            Ok(mut store) => store.write(self.file, offset, bytes),
            Err(error) => {
                self.disk.inner().write_part(self.disk.life, self.file, offset, bytes);
                Err(error)
            }
        }
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.enter(Call::Read)?.read(self.file, offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.disk.enter(Call::Sync) {
            Ok(mut store) => {
                store.sync(self.file);
                Ok(())
            }
            Err(error) => {
                self.disk.inner().sync_part(self.disk.life, self.file);
                Err(error)
            }
        }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.enter(Call::Length)?.length(self.file))
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.disk.enter(Call::SetLength)?.set_length(self.file, bytes)
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut store = self.disk.inner();
        // A dead owner's lock has already been given back by the crash.
        if store.life == self.disk.life {
            store.locked = false;
        }
    }
}
