//! The state behind a simulated disk: files as they look now, files as they are on the medium, and what lies
//! between the two.

use std::{collections::BTreeMap, io};

use super::Call;

const SECTOR_BYTES: u64 = 512;

/// SplitMix64: small, good enough for coins, and the same everywhere.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }

    fn up_to(&mut self, max: u64) -> u64 {
        self.next() % (max + 1)
    }
}

/// A change of a file that no sync has covered yet.
#[derive(Debug, Clone)]
enum Unsynced {
    Bytes { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

#[derive(Debug, Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

impl Content {
    fn put(target: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if target.len() < end {
            target.resize(end, 0);
        }
        target[start..end].copy_from_slice(bytes);
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        Self::put(&mut self.now, offset, bytes);
        self.unsynced.push(Unsynced::Bytes { offset, bytes: bytes.to_vec() });
    }

    fn resize(&mut self, bytes: u64) {
        self.now.resize(bytes as usize, 0);
        self.unsynced.push(Unsynced::Length(bytes));
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Unsynced::Bytes { offset, bytes } => Self::put(&mut self.durable, offset, &bytes),
                Unsynced::Length(bytes) => self.durable.resize(bytes as usize, 0),
            }
        }
    }

    /// Each sector of each unsynced write reaches the medium or does not; then nothing is unsynced any more.
    fn sync_by_chance(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Unsynced::Bytes { offset, bytes } => {
                    let mut from = 0;
                    while from < bytes.len() {
                        let at = offset + from as u64;
                        let until = (from + (SECTOR_BYTES - at % SECTOR_BYTES) as usize).min(bytes.len());
                        if random.coin() {
                            Self::put(&mut self.durable, at, &bytes[from..until]);
                        }
                        from = until;
                    }
                }
                Unsynced::Length(bytes) if random.coin() => {
                    let reached = if random.coin() { bytes } else { random.up_to(bytes / SECTOR_BYTES) * SECTOR_BYTES };
                    self.durable.resize(reached as usize, 0);
                }
                Unsynced::Length(_) => {}
            }
        }
    }
}

/// A change of the directory that no sync has covered yet. A rename is one step: both names or neither.
#[derive(Debug, Clone)]
struct Relink {
    name: String,
    now: Option<u64>,
    also: Option<(String, Option<u64>)>,
}

#[derive(Debug, Clone)]
struct Plan {
    call: Call,
    at_count: u64,
    error: io::ErrorKind,
}

#[derive(Debug, Clone)]
pub(super) struct Store {
    pub random: Random,
    pub life: u64,
    pub locked: bool,
    pub limit_bytes: Option<u64>,
    pub counts: [u64; Call::COUNT],
    changing_calls: u64,
    plans: Vec<Plan>,
    power_off_at: Option<u64>,
    powered_off: bool,
    files: BTreeMap<u64, Content>,
    entries: BTreeMap<String, u64>,
    durable_entries: BTreeMap<String, u64>,
    unsynced_entries: Vec<Relink>,
    next_file: u64,
}

impl Store {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            life: 0,
            locked: false,
            limit_bytes: None,
            counts: [0; Call::COUNT],
            changing_calls: 0,
            plans: Vec::new(),
            power_off_at: None,
            powered_off: false,
            files: BTreeMap::new(),
            entries: BTreeMap::new(),
            durable_entries: BTreeMap::new(),
            unsynced_entries: Vec::new(),
            next_file: 0,
        }
    }

    pub fn changing_calls(&self) -> u64 {
        self.changing_calls
    }

    pub fn fail_nth(&mut self, call: Call, nth: u64, error: io::ErrorKind) {
        self.plans.push(Plan { call, at_count: self.counts[call as usize] + nth, error });
    }

    pub fn power_off_after(&mut self, changing_calls: u64) {
        self.power_off_at = Some(self.changing_calls + changing_calls);
    }

    pub fn enter(&mut self, call: Call, life: u64) -> io::Result<()> {
        if life != self.life || self.powered_off {
            return Err(io::Error::other("the power is off"));
        }
        if call.changes() {
            if self.power_off_at.is_some_and(|at| self.changing_calls >= at) {
                self.powered_off = true;
                return Err(io::Error::other("the power went off"));
            }
            self.changing_calls += 1;
        }
        self.counts[call as usize] += 1;
        let count = self.counts[call as usize];
        match self.plans.iter().find(|plan| plan.call == call && plan.at_count == count) {
            Some(plan) => Err(plan.error.into()),
            None => Ok(()),
        }
    }

    pub fn crash(&mut self, seed: u64) {
        let mut random = Random::new(seed ^ self.random.next());
        for relink in std::mem::take(&mut self.unsynced_entries) {
            if random.coin() {
                Self::relink(&mut self.durable_entries, &relink);
            }
        }
        self.entries.clone_from(&self.durable_entries);
        let reachable: Vec<u64> = self.entries.values().copied().collect();
        self.files.retain(|file, _| reachable.contains(file));
        for content in self.files.values_mut() {
            content.sync_by_chance(&mut random);
            content.now.clone_from(&content.durable);
        }
        self.random = random;
        self.life += 1;
        self.locked = false;
        self.plans.clear();
        self.power_off_at = None;
        self.powered_off = false;
    }

    fn relink(entries: &mut BTreeMap<String, u64>, relink: &Relink) {
        let also = relink.also.as_ref().map(|(name, file)| (name, *file));
        for (name, file) in [(&relink.name, relink.now)].into_iter().chain(also) {
            match file {
                Some(file) => entries.insert(name.clone(), file),
                None => entries.remove(name),
            };
        }
    }

    fn change_entries(&mut self, relink: Relink) {
        Self::relink(&mut self.entries, &relink);
        self.unsynced_entries.push(relink);
    }

    fn room_for(&self, more_bytes: u64) -> io::Result<()> {
        let used: u64 = self.entries.values().map(|file| self.files[file].now.len() as u64).sum();
        match self.limit_bytes {
            Some(limit) if used + more_bytes > limit => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    pub fn create(&mut self, name: &str, bytes: u64) -> io::Result<u64> {
        // The file that is replaced gives its room back first.
        self.change_entries(Relink { name: name.to_owned(), now: None, also: None });
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, Content::default());
        self.change_entries(Relink { name: name.to_owned(), now: Some(file), also: None });
        let room = self.room_for(bytes);
        let length = if room.is_ok() { bytes } else { self.random.up_to(bytes / 2) };
        self.content_mut(file).resize(length);
        room.map(|()| file)
    }

    pub fn find(&self, name: &str) -> io::Result<u64> {
        self.entries.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub fn remove(&mut self, name: &str) -> io::Result<()> {
        self.find(name)?;
        self.change_entries(Relink { name: name.to_owned(), now: None, also: None });
        Ok(())
    }

    pub fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.find(from)?;
        self.change_entries(Relink { name: to.to_owned(), now: Some(file), also: Some((from.to_owned(), None)) });
        Ok(())
    }

    pub fn sync_dir(&mut self) {
        for relink in std::mem::take(&mut self.unsynced_entries) {
            Self::relink(&mut self.durable_entries, &relink);
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    fn content_of(&self, file: u64) -> &Content {
        &self.files[&file]
    }

    fn content_mut(&mut self, file: u64) -> &mut Content {
        self.files.get_mut(&file).expect("handles of this life only name files of this life")
    }

    pub fn write(&mut self, file: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let grown = (offset + bytes.len() as u64).saturating_sub(self.length(file));
        self.room_for(grown)?;
        self.content_mut(file).write(offset, bytes);
        Ok(())
    }

    /// A write that fails by plan leaves some first part of itself; a dead caller's leaves nothing.
    pub fn write_part(&mut self, life: u64, file: u64, offset: u64, bytes: &[u8]) {
        if life == self.life && !self.powered_off {
            let part = self.random.up_to(bytes.len() as u64) as usize;
            self.content_mut(file).write(offset, &bytes[..part]);
        }
    }

    pub fn read(&self, file: u64, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let content = &self.content_of(file).now;
        let range = offset as usize..offset as usize + bytes.len();
        bytes.copy_from_slice(content.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    pub fn sync(&mut self, file: u64) {
        self.content_mut(file).sync();
    }

    pub fn sync_part(&mut self, life: u64, file: u64) {
        if life == self.life && !self.powered_off {
            let Self { files, random, .. } = self;
            if let Some(content) = files.get_mut(&file) {
                content.sync_by_chance(random);
            }
        }
    }

    pub fn length(&self, file: u64) -> u64 {
        self.content_of(file).now.len() as u64
    }

    pub fn set_length(&mut self, file: u64, bytes: u64) -> io::Result<()> {
        self.room_for(bytes.saturating_sub(self.length(file)))?;
        self.content_mut(file).resize(bytes);
        Ok(())
    }

    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        self.entries.get(name).map(|file| self.content_of(*file).now.clone())
    }

    pub fn durable_content(&self, name: &str) -> Option<Vec<u8>> {
        self.durable_entries.get(name).map(|file| self.content_of(*file).durable.clone())
    }

    pub fn put(&mut self, name: &str, bytes: &[u8]) {
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, Content { now: bytes.to_vec(), durable: bytes.to_vec(), unsynced: Vec::new() });
        self.entries.insert(name.to_owned(), file);
        self.durable_entries.insert(name.to_owned(), file);
    }

    pub fn take(&mut self, name: &str) {
        self.entries.remove(name);
        self.durable_entries.remove(name);
    }
}
