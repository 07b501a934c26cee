//! What every test needs: a small journal, a script of appends, and the groups a journal holds.

use std::sync::Arc;

use doos_journal::{Disk, Error, Journal, Options, Reader, Recovery, sim_disk::SimDisk};

/// The records of one group.
pub type Records = Vec<Vec<u8>>;

/// Two pages a segment: a few groups fill it.
pub fn small() -> Options {
    Options { segment_bytes: 8192, group_bytes_max: 6000 }
}

pub fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub fn try_open(disk: &SimDisk, floor: u64) -> Result<(Journal, Recovery), Error> {
    Journal::open(shared(disk), small(), floor, false)
}

pub fn open(disk: &SimDisk) -> (Journal, Recovery) {
    try_open(disk, 0).expect("this journal is sound")
}

pub fn open_accepting_loss(disk: &SimDisk, floor: u64) -> (Journal, Recovery) {
    Journal::open(shared(disk), small(), floor, true).expect("loss is accepted")
}

/// Records whose bytes tell their group, their place and their length; the first byte of a life makes the same
/// group written in another life differ.
pub fn records(life: u8, group: u64, lengths: &[usize]) -> Records {
    let byte = |index: usize, at: usize| (group as usize * 31 + index * 7 + at * 13) as u8 ^ life;
    lengths.iter().enumerate().map(|(index, length)| (0..*length).map(|at| byte(index, at)).collect()).collect()
}

/// All groups a reader sees from the oldest on, with every single record read again by its position.
pub fn groups(reader: &Reader) -> Vec<Records> {
    let mut at = reader.oldest();
    let mut all = Vec::new();
    for group in reader.groups(at).expect("the oldest position is readable") {
        let group = group.expect("every group that is served holds");
        assert_eq!(group.start, at, "groups follow each other without a gap");
        at = group.end;
        for (position, bytes) in &group.records {
            assert_eq!(&reader.read(*position).expect("a listed record is readable"), bytes);
        }
        all.push(group.records.into_iter().map(|(_, bytes)| bytes).collect());
    }
    assert_eq!(at, reader.end());
    all
}

/// The name of the only segment of a new journal.
pub const FIRST: &str = "00000000000000000000.seg";
