//! Every flipped bit and every truncation of a written journal. Damage is refused by name, an unfinished last
//! group is cut, and no byte that differs from what was written is ever served.

use doos_journal::{Appended, Error, sim_disk::SimDisk};

use crate::common::{FIRST, Records, groups, open, open_accepting_loss, records, try_open};

const HEADER_BYTES: u64 = 4096;

/// One segment with three groups, closed.
fn three_groups() -> (SimDisk, Vec<Records>, Vec<Appended>) {
    let disk = SimDisk::new(7);
    let (mut journal, _) = open(&disk);
    let written = vec![records(0, 1, &[30, 11]), records(0, 2, &[64]), records(0, 3, &[5, 0, 40])];
    let appended = written.iter().map(|group| journal.append(group).expect("the disk is sound")).collect();
    (disk, written, appended)
}

/// Where damage at byte `offset` must be reported, if anywhere: the start of the group it lies in.
fn home(appended: &[Appended], offset: u64) -> Option<usize> {
    appended.iter().position(|group| (group.start..group.end).contains(&offset.wrapping_sub(HEADER_BYTES)))
}

#[test]
fn every_flipped_bit_is_refused_or_cuts_the_last_group_alone() {
    let (disk, written, appended) = three_groups();
    let bytes = disk.content(FIRST).unwrap();
    let end = appended[2].end;
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[offset] ^= 1 << bit;
            disk.put(FIRST, &flipped);
            let opened = try_open(&disk, 0);
            match home(&appended, offset as u64) {
                None if (offset as u64) < HEADER_BYTES => {
                    assert!(
                        matches!(&opened, Err(Error::Corrupt { segment, offset: 0, .. }) if segment == FIRST),
                        "header byte {offset}: {opened:?}"
                    );
                }
                None => {
                    let (journal, recovery) = opened.unwrap();
                    assert_eq!(recovery.cut.as_ref().unwrap().offset, HEADER_BYTES + end);
                    assert_eq!(groups(&journal.reader()), written);
                }
                Some(2) => {
                    let (journal, recovery) = opened.unwrap();
                    assert_eq!(recovery.cut.as_ref().unwrap().offset, HEADER_BYTES + appended[2].start);
                    assert_eq!(groups(&journal.reader()), written[..2]);
                    drop(journal);
                    disk.put(FIRST, &flipped);
                    assert!(matches!(try_open(&disk, end), Err(Error::Corrupt { .. })), "a follower held it");
                }
                Some(group) => {
                    let expected = HEADER_BYTES + appended[group].start;
                    assert!(
                        matches!(&opened, Err(Error::Corrupt { segment, offset, .. })
                            if segment == FIRST && *offset == expected),
                        "byte {offset} of group {group}: {opened:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_bit_flipped_under_a_running_reader_is_noticed_at_that_reading() {
    let disk = SimDisk::new(7);
    let (mut journal, _) = open(&disk);
    let appended = journal.append(&records(0, 1, &[30, 11])).unwrap();
    let reader = journal.reader();
    let file = doos_journal::Disk::open(&disk, FIRST).unwrap();
    for (position, length) in appended.positions.iter().zip([30, 11]) {
        for offset in HEADER_BYTES + position..HEADER_BYTES + position + 16 + length {
            for bit in 0..8 {
                let mut byte = [0];
                file.read_at(offset, &mut byte).unwrap();
                file.write_at(offset, &[byte[0] ^ (1 << bit)]).unwrap();
                assert!(matches!(reader.read(*position), Err(Error::Corrupt { .. })));
                assert!(matches!(reader.groups(0).unwrap().next(), Some(Err(Error::Corrupt { .. }))));
                file.write_at(offset, &byte).unwrap();
            }
        }
        assert!(reader.read(*position).is_ok());
    }
}

#[test]
fn every_truncation_is_refused_and_accepting_the_loss_keeps_every_whole_group() {
    let (disk, written, appended) = three_groups();
    let bytes = disk.content(FIRST).unwrap();
    for length in 0..bytes.len() {
        disk.put(FIRST, &bytes[..length]);
        let refused = try_open(&disk, 0).unwrap_err();
        assert!(matches!(&refused, Error::Corrupt { segment, .. } if segment == FIRST), "{length}: {refused}");
        let (mut journal, recovery) = open_accepting_loss(&disk, 0);
        assert!(recovery.loss.is_some());
        let whole = appended.iter().filter(|group| HEADER_BYTES + group.end <= length as u64).count();
        assert_eq!(groups(&journal.reader()), written[..whole], "{length}");
        journal.append(&[b"goes on"]).unwrap();
        drop(journal);
        let (journal, recovery) = open(&disk);
        assert_eq!((recovery.groups, recovery.cut, recovery.loss), (whole as u64 + 1, None, None));
        drop(journal);
        disk.take(&format!("{FIRST}.lost"));
    }
}

#[test]
fn every_truncation_of_every_segment_of_several_is_refused() {
    let disk = SimDisk::new(7);
    let (mut journal, _) = open(&disk);
    let written: Vec<_> = (1..=7).map(|number| records(0, number, &[1200, 9])).collect();
    for group in &written {
        journal.append(group).unwrap();
    }
    let segments = journal.segments();
    assert_eq!(segments.len(), 3);
    drop(journal);
    let contents: Vec<_> = segments.iter().map(|segment| disk.content(&segment.name).unwrap()).collect();
    for (segment, bytes) in segments.iter().zip(&contents) {
        for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            disk.put(&segment.name, &bytes[..length]);
            let refused = try_open(&disk, 0).unwrap_err();
            assert!(matches!(&refused, Error::Corrupt { segment: named, .. } if *named == segment.name));
            let (journal, _) = open_accepting_loss(&disk, 0);
            let kept = groups(&journal.reader());
            assert_eq!(kept, written[..kept.len()]);
            let intact = written.len() * segments.iter().position(|other| other == segment).unwrap() / 3;
            assert!(kept.len() >= intact, "segments before the damaged one are kept");
            drop(journal);
            for (segment, bytes) in segments.iter().zip(&contents) {
                disk.put(&segment.name, bytes);
            }
        }
    }
}

#[test]
fn a_missing_segment_is_refused_wherever_it_is_missing() {
    let disk = SimDisk::new(7);
    let (mut journal, _) = open(&disk);
    for number in 1..=9 {
        journal.append(&records(0, number, &[1900])).unwrap();
    }
    let segments = journal.segments();
    let end = journal.end();
    assert_eq!(segments.len(), 5);
    drop(journal);
    for (index, segment) in segments.iter().enumerate() {
        let bytes = disk.content(&segment.name).unwrap();
        disk.take(&segment.name);
        let floor = if index == 0 { segment.end - 1 } else { end };
        assert!(matches!(try_open(&disk, floor), Err(Error::Corrupt { .. })), "{}", segment.name);
        disk.put(&segment.name, &bytes);
    }
    let sound = try_open(&disk, end);
    assert!(sound.is_ok());
}

#[test]
fn a_broken_last_group_of_a_segment_that_is_not_the_last_is_refused_there() {
    let disk = SimDisk::new(7);
    let (mut journal, _) = open(&disk);
    let appended: Vec<_> = (1..=3).map(|number| journal.append(&records(0, number, &[1900])).unwrap()).collect();
    assert_eq!(journal.segments().len(), 2);
    drop(journal);
    let mut bytes = disk.content(FIRST).unwrap();
    bytes[(HEADER_BYTES + appended[1].start) as usize + 100] ^= 1;
    disk.put(FIRST, &bytes);
    let refused = try_open(&disk, 0).unwrap_err();
    assert!(
        matches!(&refused, Error::Corrupt { segment, offset, .. }
            if segment == FIRST && *offset == HEADER_BYTES + appended[1].start),
        "{refused}"
    );
}

#[test]
fn a_segment_behind_a_gap_gives_way_to_a_larger_one() {
    let (disk, ..) = three_groups();
    let options = doos_journal::Options { segment_bytes: 8192, group_bytes_max: 100_000 };
    let open = |disk: &SimDisk, floor, accept_loss| {
        doos_journal::Journal::open(crate::common::shared(disk), options, floor, accept_loss)
    };
    let (mut journal, recovery) = open(&disk, 4000, true).unwrap();
    assert_eq!(recovery.end, 4000);
    journal.append(&[vec![1; 50_000]]).unwrap();
    drop(journal);
    let (journal, recovery) = open(&disk.crash(1), 4000, false).unwrap();
    assert_eq!((recovery.groups, groups_with_gap(&journal).len()), (4, 4));
}

#[test]
fn a_floor_past_the_end_is_refused() {
    let (disk, _, appended) = three_groups();
    let end = appended[2].end;
    let refused = try_open(&disk, end + 1).unwrap_err();
    assert!(matches!(&refused, Error::Corrupt { segment, offset, .. }
        if segment == FIRST && *offset == HEADER_BYTES + end));
    assert!(try_open(&disk, end).is_ok());
    let empty = SimDisk::new(1);
    assert!(matches!(try_open(&empty, 8), Err(Error::Corrupt { .. })));
    assert!(empty.names().is_empty());
}

#[test]
fn after_an_accepted_loss_new_groups_lie_past_every_follower() {
    let (disk, written, appended) = three_groups();
    let floor = appended[2].end + 1000;
    let (mut journal, recovery) = open_accepting_loss(&disk, floor);
    let loss = recovery.loss.unwrap();
    assert_eq!(loss.end, appended[2].end);
    assert!(recovery.end >= floor);
    let reader = journal.reader();
    // A cursor from before the gap reads what there is, waits at the gap, and goes on behind it.
    let mut cursor = reader.groups(0).unwrap();
    assert_eq!(cursor.by_ref().map(Result::unwrap).count(), 3);
    let next = journal.append(&[b"after"]).unwrap();
    assert!(next.start >= floor);
    assert_eq!(cursor.next().unwrap().unwrap().start, next.start);
    assert_eq!(reader.groups(appended[2].end).unwrap().next().unwrap().unwrap().start, next.start);
    assert_eq!(reader.read(next.positions[0]).unwrap(), b"after");
    drop((journal, cursor));
    let (journal, recovery) = try_open(&disk.crash(1), floor).unwrap();
    assert_eq!((recovery.groups, recovery.loss), (written.len() as u64 + 1, None));
    drop(journal);
}

#[test]
fn an_accepted_loss_survives_a_crash_at_any_of_its_steps() {
    let disk = SimDisk::new(7);
    let (mut journal, _) = open(&disk);
    let written: Vec<_> = (1..=9).map(|number| records(0, number, &[1900])).collect();
    let appended: Vec<_> = written.iter().map(|group| journal.append(group).unwrap()).collect();
    let segments = journal.segments();
    drop(journal);
    let mut bytes = disk.content(&segments[1].name).unwrap();
    bytes[5000] ^= 1;
    disk.put(&segments[1].name, &bytes);
    let floor = appended[8].end;
    for step in 0.. {
        for seed in 0..8 {
            let disk = disk.fork();
            disk.power_off_after(step);
            let done = doos_journal::Journal::open(crate::common::shared(&disk), crate::common::small(), floor, true);
            if done.is_ok() && seed == 7 {
                assert!(step > 5);
                return;
            }
            drop(done);
            let disk = disk.crash(seed);
            let (mut journal, _) = open_accepting_loss(&disk, floor);
            assert_eq!(groups_with_gap(&journal), written[..2]);
            let after = journal.append(&[b"after"]).unwrap();
            assert!(after.start >= floor);
            drop(journal);
            try_open(&disk.crash(seed), after.end).unwrap();
        }
    }
}

fn groups_with_gap(journal: &doos_journal::Journal) -> Vec<Records> {
    let cursor = journal.reader().groups(0).expect("nothing has been dropped");
    cursor
        .map(|group| {
            group.expect("every group that is served holds").records.into_iter().map(|(_, bytes)| bytes).collect()
        })
        .collect()
}

#[test]
fn another_format_is_named_and_not_called_damage() {
    let (disk, ..) = three_groups();
    let mut bytes = disk.content(FIRST).unwrap();
    bytes[8] = 9;
    let check = crc32fast::hash(&bytes[..4092]);
    bytes[4092..4096].copy_from_slice(&check.to_le_bytes());
    disk.put(FIRST, &bytes);
    assert!(matches!(try_open(&disk, 0), Err(Error::Format { version: 9, known: 1, .. })));
}

#[test]
fn a_half_made_segment_is_thrown_away_and_a_strange_name_refused() {
    let (disk, written, _) = three_groups();
    disk.put("next.tmp", b"half made");
    disk.put("note.txt", b"not ours");
    let (journal, _) = open(&disk);
    assert_eq!(groups(&journal.reader()), written);
    assert_eq!(disk.names(), [FIRST, "note.txt"]);
    drop(journal);
    disk.put("12.seg", b"");
    assert!(matches!(try_open(&disk, 0), Err(Error::Corrupt { segment, .. }) if segment == "12.seg"));
}
