//! What the journal does when nothing goes wrong, and what it refuses.

use doos_journal::{Error, Journal, Options, sim_disk::SimDisk};

use crate::common::{groups, open, records, shared, small};

#[test]
fn groups_are_read_back_in_order_and_record_by_record() {
    let disk = SimDisk::new(1);
    let (mut journal, recovery) = open(&disk);
    assert_eq!((recovery.groups, recovery.end, recovery.next_group), (0, 0, 1));
    let first = journal.append(&[b"one".as_slice(), b"", b"three"]).unwrap();
    let second = journal.append(&[vec![7; 3000]]).unwrap();
    assert_eq!((first.group, second.group), (1, 2));
    assert_eq!((first.start, first.end, second.end), (0, second.start, journal.end()));
    let reader = journal.reader();
    assert_eq!(reader.read(first.positions[0]).unwrap(), b"one");
    assert_eq!(reader.read(first.positions[1]).unwrap(), b"");
    assert_eq!(reader.read(first.positions[2]).unwrap(), b"three");
    assert_eq!(reader.read(second.positions[0]).unwrap(), vec![7; 3000]);
    let listed: Vec<_> = reader.groups(first.start).unwrap().map(Result::unwrap).collect();
    assert_eq!(listed.iter().map(|group| group.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(listed[0].records[2], (first.positions[2], b"three".to_vec()));
    assert_eq!(reader.groups(first.end).unwrap().count(), 1);
    assert_eq!(reader.groups(second.end).unwrap().count(), 0);
}

#[test]
fn a_cursor_goes_on_when_more_has_been_synced() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    let mut cursor = journal.reader().groups(0).unwrap();
    assert!(cursor.next().is_none());
    for number in 1..=20 {
        journal.append(&records(0, number, &[900])).unwrap();
        let group = cursor.next().unwrap().unwrap();
        assert_eq!((group.number, group.end), (number, journal.end()));
        assert!(cursor.next().is_none());
        assert_eq!(cursor.position(), journal.end());
    }
    assert!(journal.segments().len() > 3);
}

#[test]
fn a_position_that_is_no_record_is_never_served() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    let appended = journal.append(&records(0, 1, &[40, 0, 17])).unwrap();
    let reader = journal.reader();
    for position in 0..appended.end {
        let served = reader.read(position);
        assert_eq!(served.is_ok(), appended.positions.contains(&position), "position {position}");
        let listed = reader.groups(position).unwrap().next().unwrap();
        assert_eq!(listed.is_ok(), position == appended.start, "position {position}");
    }
    assert!(matches!(reader.read(appended.end), Err(Error::PastEnd { .. })));
    assert!(matches!(reader.groups(appended.end + 1), Err(Error::PastEnd { .. })));
}

#[test]
fn a_group_never_spans_segments_and_positions_stay_dense() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    let mut expected = Vec::new();
    let mut end = 0;
    for number in 1..=30 {
        let group = records(0, number, &[number as usize * 50, 8]);
        let appended = journal.append(&group).unwrap();
        assert_eq!(appended.start, end);
        end = appended.end;
        let home = journal.segments().into_iter().find(|segment| segment.end > appended.start).unwrap();
        assert!(home.start <= appended.start && appended.end <= home.end);
        expected.push(group);
    }
    assert!(journal.segments().len() > 5);
    assert_eq!(journal.bytes(), journal.segments().iter().map(|segment| segment.file_bytes).sum::<u64>());
    assert_eq!(groups(&journal.reader()), expected);
    drop(journal);
    let (journal, recovery) = open(&disk);
    assert_eq!((recovery.groups, recovery.records, recovery.next_group), (30, 60, 31));
    assert_eq!(groups(&journal.reader()), expected);
}

#[test]
fn a_group_larger_than_a_segment_gets_one_of_its_own_size() {
    let options = Options { segment_bytes: 8192, group_bytes_max: 100_000 };
    let disk = SimDisk::new(1);
    let (mut journal, _) = Journal::open(shared(&disk), options, 0, false).unwrap();
    // The very first segment holds no group yet and gives way to the larger one.
    let expected = [records(0, 1, &[50_000]), records(0, 2, &[10]), records(0, 3, &[60_000, 5]), records(0, 4, &[9])];
    for group in &expected {
        journal.append(group).unwrap();
    }
    assert_eq!(groups(&journal.reader()), expected);
    drop(journal);
    let (journal, recovery) = Journal::open(shared(&disk.crash(3)), options, 0, false).unwrap();
    assert_eq!((recovery.groups, recovery.cut), (4, None));
    assert_eq!(groups(&journal.reader()), expected);
}

#[test]
fn refusals_change_nothing() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    journal.append(&[b"kept"]).unwrap();
    let before = (journal.end(), disk.content(crate::common::FIRST), disk.changing_calls());
    let too_large = journal.append(&[vec![0; 6000]]).unwrap_err();
    assert!(matches!(too_large, Error::GroupTooLarge { bytes: 6048, max: 6000 }) && too_large.changed_nothing());
    assert!(matches!(journal.append::<&[u8]>(&[]), Err(Error::GroupEmpty)));
    assert_eq!(before, (journal.end(), disk.content(crate::common::FIRST), disk.changing_calls()));
    assert_eq!(journal.append(&[b"next"]).unwrap().group, 2);
    // Exactly the limit: 32 of group header, 16 of record header, and the payload.
    assert_eq!(journal.append(&[vec![1; 6000 - 48]]).unwrap().group, 3);
}

#[test]
fn senseless_options_are_refused() {
    for options in [
        Options { segment_bytes: 4096, ..small() },
        Options { segment_bytes: 5 << 30, ..small() },
        Options { group_bytes_max: 10, ..small() },
        Options { group_bytes_max: 2 << 30, ..small() },
    ] {
        let disk = SimDisk::new(1);
        assert!(matches!(Journal::open(shared(&disk), options, 0, false), Err(Error::Options { .. })));
        assert!(disk.names().is_empty());
    }
}

#[test]
fn only_whole_segments_before_the_position_are_dropped() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    let appended: Vec<_> = (1..=12).map(|number| journal.append(&records(0, number, &[1500])).unwrap()).collect();
    let segments = journal.segments();
    assert!(segments.len() >= 5);
    let reader = journal.reader();
    let mut lagging = reader.groups(0).unwrap();
    lagging.next().unwrap().unwrap();
    assert_eq!(journal.drop_before(segments[1].end - 1).unwrap(), 1);
    assert_eq!(journal.oldest(), segments[1].start);
    assert_eq!(journal.drop_before(segments[1].end).unwrap(), 1);
    assert_eq!(journal.segments(), segments[2..]);
    assert!(!disk.names().contains(&segments[0].name));
    assert!(
        matches!(reader.read(appended[0].positions[0]), Err(Error::Dropped { position: _, oldest }) if oldest == segments[2].start)
    );
    assert!(matches!(reader.groups(0), Err(Error::Dropped { position: 0, .. })));
    // A cursor that had fallen behind is told so instead of skipping silently.
    assert!(lagging.any(|group| matches!(group, Err(Error::Dropped { .. }))));
    assert_eq!(journal.drop_before(u64::MAX).unwrap(), segments.len() - 3);
    assert_eq!(journal.segments(), segments[segments.len() - 1..]);
    let end = journal.end();
    journal.append(&[b"goes on"]).unwrap();
    drop(journal);
    let (journal, recovery) = crate::common::try_open(&disk, end).unwrap();
    assert_eq!(recovery.oldest, segments[segments.len() - 1].start);
    assert_eq!(journal.reader().groups(end).unwrap().count(), 1);
}

#[test]
fn a_prepared_segment_is_used_and_costs_the_append_no_creation() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    journal.append(&records(0, 1, &[3000])).unwrap();
    let preparer = journal.preparer();
    std::thread::spawn(move || preparer.prepare()).join().unwrap().unwrap();
    journal.prepare_next().unwrap();
    let created = disk.calls(doos_journal::sim_disk::Call::Create);
    assert_eq!(created, 2);
    journal.append(&records(0, 2, &[3000])).unwrap();
    assert_eq!(disk.calls(doos_journal::sim_disk::Call::Create), created);
    assert_eq!(journal.segments().len(), 2);
}

#[test]
fn a_preparer_that_outlives_its_journal_does_nothing() {
    let disk = SimDisk::new(1);
    let (journal, _) = open(&disk);
    let preparer = journal.preparer();
    drop(journal);
    preparer.prepare().unwrap();
    assert_eq!(disk.names(), [crate::common::FIRST]);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let disk = SimDisk::new(1);
    let (journal, _) = open(&disk);
    assert!(matches!(crate::common::try_open(&disk, 0), Err(Error::Locked)));
    drop(journal);
    open(&disk);
}

#[test]
fn an_append_costs_one_write_and_one_sync() {
    use doos_journal::sim_disk::Call;
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    let before = (disk.calls(Call::Write), disk.calls(Call::Sync), disk.changing_calls());
    journal.append(&records(0, 1, &[10; 100])).unwrap();
    assert_eq!(
        (disk.calls(Call::Write), disk.calls(Call::Sync), disk.changing_calls()),
        (before.0 + 1, before.1 + 1, before.2 + 2)
    );
}

#[test]
fn readers_beside_a_writer_see_only_whole_synced_groups() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    let reader = journal.reader();
    let seen = std::thread::spawn(move || {
        let mut cursor = reader.groups(0).unwrap();
        let mut next = 1;
        while next <= 300 {
            match cursor.next() {
                Some(group) => {
                    let group = group.unwrap();
                    let records: Vec<_> = group.records.into_iter().map(|(_, bytes)| bytes).collect();
                    assert_eq!((group.number, records), (next, self::records(0, next, &[200, 3])));
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
        }
    });
    for number in 1..=300 {
        journal.append(&records(0, number, &[200, 3])).unwrap();
    }
    seen.join().unwrap();
}
