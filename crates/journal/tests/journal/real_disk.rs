//! The same journal on a real directory.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use doos_journal::{Disk, Error, Journal, Options, RealDisk, inspect};

use crate::common::{groups, records};

fn options() -> Options {
    Options { segment_bytes: 64 << 10, group_bytes_max: 1 << 20 }
}

fn open(dir: &std::path::Path) -> Result<Journal, Error> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(dir).expect("a temporary directory can be made"));
    Journal::open(disk, options(), 0, false).map(|(journal, _)| journal)
}

#[test]
fn a_journal_on_a_real_disk_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/on/the/way");
    let mut journal = open(&path).unwrap();
    let written: Vec<_> = (1..=40).map(|number| records(0, number, &[3000, 0, number as usize * 100])).collect();
    for group in &written[..20] {
        journal.append(group).unwrap();
    }
    journal.prepare_next().unwrap();
    drop(journal);
    let mut journal = open(&path).unwrap();
    for group in &written[20..] {
        journal.append(group).unwrap();
    }
    assert_eq!(groups(&journal.reader()), written);
    assert!(journal.segments().len() > 2);
    let on_disk: u64 =
        journal.segments().iter().map(|segment| path.join(&segment.name).metadata().unwrap().len()).sum();
    assert_eq!(on_disk, journal.bytes());
    let mut text = String::new();
    let inspected = inspect(&RealDisk::open(&path).unwrap(), None, &mut text).unwrap();
    assert_eq!((inspected.groups, inspected.flawed_segments), (40, 0));
    let first = path.join(&journal.segments()[0].name);
    assert_eq!(first.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    journal.drop_before(u64::MAX).unwrap();
    assert!(!first.exists());
}

#[test]
fn two_openers_of_one_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(Error::Locked)));
    drop(journal);
    open(dir.path()).unwrap();
}

#[test]
fn a_real_disk_salts_every_segment_differently() {
    let dir = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(dir.path()).unwrap();
    assert_ne!(disk.salt(), disk.salt());
}
