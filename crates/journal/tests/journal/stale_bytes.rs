//! Bytes from another time or another place: none of them may ever be taken for a group.

use doos_journal::{Disk, Error, sim_disk::SimDisk};

use crate::common::{FIRST, groups, open, open_accepting_loss, records, try_open};

const HEADER_BYTES: usize = 4096;

#[test]
fn the_remains_of_a_cut_group_are_gone_when_its_number_is_written_again() {
    let disk = SimDisk::new(3);
    let (mut journal, _) = open(&disk);
    journal.append(&records(0, 1, &[100])).unwrap();
    let torn = journal.append(&records(0, 2, &[700; 5])).unwrap();
    drop(journal);
    let mut bytes = disk.content(FIRST).unwrap();
    // The header and the first record never arrived, all later records did.
    let start = HEADER_BYTES + torn.start as usize;
    bytes[start..start + 512].fill(0);
    disk.put(FIRST, &bytes);
    let (mut journal, recovery) = open(&disk);
    assert!(recovery.cut.is_some());
    let durable = disk.durable_content(FIRST).unwrap();
    assert!(durable[start..].iter().all(|byte| *byte == 0), "the tail is clean on the medium, not only in memory");
    let again = journal.append(&records(9, 2, &[20])).unwrap();
    assert_eq!((again.group, again.start), (2, torn.start));
    for position in &torn.positions[1..] {
        assert!(journal.reader().read(*position).is_err());
    }
    drop(journal);
    let (journal, recovery) = open(&disk.crash(1));
    assert_eq!((recovery.groups, recovery.cut), (2, None));
    assert_eq!(groups(&journal.reader()), [records(0, 1, &[100]), records(9, 2, &[20])]);
}

#[test]
fn an_old_group_behind_a_rewritten_one_does_not_continue_it() {
    let disk = SimDisk::new(3);
    let (mut journal, _) = open(&disk);
    let appended: Vec<_> = (1..=4).map(|number| journal.append(&records(0, number, &[100])).unwrap()).collect();
    drop(journal);
    let old = disk.content(FIRST).unwrap();
    let mut bytes = old.clone();
    bytes[HEADER_BYTES + appended[1].start as usize + 60] ^= 4;
    disk.put(FIRST, &bytes);
    let (mut journal, recovery) = open_accepting_loss(&disk, 0);
    assert_eq!(recovery.loss.unwrap().groups_behind, 2);
    // Same number, same place, same length, other bytes.
    let again = journal.append(&records(9, 2, &[100])).unwrap();
    assert_eq!(again.end, appended[1].end);
    drop(journal);
    // As if the disk had lied about the zeros: the old third and fourth group come back.
    let mut bytes = disk.content(FIRST).unwrap();
    let stale = HEADER_BYTES + again.end as usize;
    bytes[stale..].copy_from_slice(&old[stale..]);
    disk.put(FIRST, &bytes);
    let refused = try_open(&disk, 0).unwrap_err();
    assert!(matches!(&refused, Error::Corrupt { offset, .. } if *offset == stale as u64), "{refused}");
}

#[test]
fn a_failed_clearing_that_memory_shows_as_done_is_done_again() {
    // The sync of the zeros fails, yet the page cache shows them; the next opening in the same boot must not
    // believe that they are on the medium.
    for seed in 0..40 {
        let disk = SimDisk::new(seed);
        let (mut journal, _) = open(&disk);
        journal.append(&records(0, 1, &[100])).unwrap();
        let torn = journal.append(&records(0, 2, &[900; 3])).unwrap();
        drop(journal);
        let mut bytes = disk.content(FIRST).unwrap();
        let start = HEADER_BYTES + torn.start as usize;
        bytes[start..start + 512].fill(0);
        disk.put(FIRST, &bytes);
        disk.fail_nth(doos_journal::sim_disk::Call::Sync, 1, std::io::ErrorKind::Other);
        assert!(matches!(try_open(&disk, 0), Err(Error::Io { .. })));
        let (journal, recovery) = open(&disk);
        assert_eq!(recovery.groups, 1);
        drop(journal);
        assert!(disk.durable_content(FIRST).unwrap()[start..].iter().all(|byte| *byte == 0), "seed {seed}");
    }
}

#[test]
fn a_group_that_memory_shows_but_whose_sync_failed_is_durable_once_it_is_served() {
    for seed in 0..40 {
        let disk = SimDisk::new(seed);
        let (mut journal, _) = open(&disk);
        journal.append(&records(0, 1, &[100])).unwrap();
        disk.fail_nth(doos_journal::sim_disk::Call::Sync, 1, std::io::ErrorKind::Other);
        journal.append(&records(0, 2, &[900; 3])).unwrap_err();
        drop(journal);
        let (journal, _) = open(&disk);
        let served = groups(&journal.reader());
        assert_eq!(served.len(), 2, "memory still shows it");
        drop(journal);
        let (journal, _) = open(&disk.crash(seed));
        assert_eq!(groups(&journal.reader()), served, "seed {seed}");
    }
}

#[test]
fn bytes_of_another_segment_are_no_groups_of_this_one() {
    let written = |seed| {
        let disk = SimDisk::new(seed);
        let (mut journal, _) = open(&disk);
        journal.append(&records(0, 1, &[100])).unwrap();
        journal.append(&records(0, 2, &[100])).unwrap();
        drop(journal);
        disk
    };
    let (mine, other) = (written(1), written(2));
    let (mut bytes, foreign) = (mine.content(FIRST).unwrap(), other.content(FIRST).unwrap());
    // The same journal content under another segment's salt: header page mine, groups foreign.
    bytes[HEADER_BYTES..].copy_from_slice(&foreign[HEADER_BYTES..]);
    mine.put(FIRST, &bytes);
    let (journal, recovery) = open(&mine);
    assert_eq!(recovery.groups, 0);
    assert_eq!(groups(&journal.reader()).len(), 0);
}

#[test]
fn a_segment_under_another_name_is_refused() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    let end = journal.append(&records(0, 1, &[100])).unwrap().end;
    drop(journal);
    let bytes = disk.content(FIRST).unwrap();
    disk.put(&format!("{end:020}.seg"), &bytes);
    let refused = try_open(&disk, 0).unwrap_err();
    assert!(matches!(refused, Error::Corrupt { offset: 0, .. }), "{refused}");
}

#[test]
fn a_group_written_at_the_wrong_place_is_not_accepted_there() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    let first = journal.append(&records(0, 1, &[100])).unwrap();
    let second = journal.append(&records(0, 2, &[100])).unwrap();
    drop(journal);
    let file = disk.open(FIRST).unwrap();
    let mut group = vec![0; (second.end - second.start) as usize];
    let place = |position: u64| HEADER_BYTES as u64 + position;
    file.read_at(place(second.start), &mut group).unwrap();
    // Once too often behind itself, and then over the first group.
    file.write_at(place(second.end), &group).unwrap();
    let (journal, recovery) = open(&disk);
    assert_eq!((recovery.groups, recovery.cut.is_some()), (2, true));
    drop(journal);
    file.write_at(place(first.start), &group).unwrap();
    assert!(matches!(try_open(&disk, 0), Err(Error::Corrupt { offset: 4096, .. })));
}

#[test]
fn a_payload_that_contains_a_whole_segment_does_not_look_like_groups() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    journal.append(&records(0, 1, &[100])).unwrap();
    let mut forged = disk.content(FIRST).unwrap()[HEADER_BYTES..HEADER_BYTES + 1024].to_vec();
    forged.extend_from_within(..);
    let torn = journal.append(&[forged]).unwrap();
    drop(journal);
    let mut bytes = disk.content(FIRST).unwrap();
    bytes[HEADER_BYTES + torn.start as usize..][..32].fill(0);
    disk.put(FIRST, &bytes);
    let (_journal, recovery) = open(&disk);
    assert_eq!((recovery.groups, recovery.cut.is_some()), (1, true));
}
