//! Every call of every kind fails once, and the disk runs full. The journal stops, names the first cause, never
//! tries again, and what it had acknowledged is there after the next opening, also after a power loss.

use std::io::ErrorKind;

use doos_journal::{
    Error,
    sim_disk::{Call, SimDisk},
};

use crate::common::{Records, groups, open, records, try_open};

const LENGTHS: [&[usize]; 4] = [&[700, 3], &[1500, 900], &[10], &[2600]];

fn group(number: u64) -> Records {
    records(0, number, LENGTHS[number as usize % LENGTHS.len()])
}

#[test]
fn any_failing_call_stops_the_journal_and_loses_nothing_acknowledged() {
    let mut failures = 0;
    for call in [Call::Write, Call::Sync, Call::SyncDir, Call::Rename, Call::Create] {
        for nth in 1.. {
            let disk = SimDisk::new(nth);
            let (mut journal, _) = open(&disk);
            disk.fail_nth(call, nth, ErrorKind::Other);
            let mut acknowledged = 0;
            let mut first = None;
            for number in 1..=12 {
                match journal.append(&group(number)) {
                    Ok(_) => acknowledged = number,
                    Err(error) => {
                        first = Some(error);
                        break;
                    }
                }
            }
            let Some(first) = first else {
                assert!(nth > 4, "{call:?} is called more often than that");
                break;
            };
            failures += 1;
            assert!(matches!(first, Error::Io { .. }) && !first.changed_nothing(), "{call:?} {nth}: {first}");
            let calls = disk.changing_calls();
            let again = journal.append(&group(1)).unwrap_err();
            assert!(matches!(&again, Error::Stopped { cause } if cause.contains(&first.to_string())), "{again}");
            assert!(matches!(journal.drop_before(u64::MAX), Err(Error::Stopped { .. })));
            assert_eq!(disk.changing_calls(), calls, "a stopped journal leaves the disk alone");
            let end = journal.end();
            assert_eq!(journal.reader().groups(0).unwrap().count() as u64, acknowledged, "readers go on");
            drop(journal);
            reopen_and_go_on(&disk.fork(), acknowledged, end);
            reopen_and_go_on(&disk.crash(nth), acknowledged, end);
        }
    }
    assert!(failures > 30, "{failures}");
}

fn reopen_and_go_on(disk: &SimDisk, acknowledged: u64, floor: u64) {
    let (mut journal, recovery) = try_open(disk, floor).expect("a failed call is no damage");
    let total = recovery.groups;
    assert!(total == acknowledged || total == acknowledged + 1);
    let mut expected: Vec<_> = (1..=total).map(group).collect();
    assert_eq!(groups(&journal.reader()), expected);
    for number in [100, 101, 102] {
        journal.append(&group(number)).expect("the journal goes on");
        expected.push(group(number));
    }
    drop(journal);
    let (journal, _) = open(&disk.crash(acknowledged));
    assert_eq!(groups(&journal.reader()), expected);
}

#[test]
fn any_failing_call_during_an_opening_is_reported_and_the_next_opening_is_whole() {
    let mut failures = 0;
    for call in [
        Call::Lock,
        Call::List,
        Call::Open,
        Call::Length,
        Call::Read,
        Call::Write,
        Call::Sync,
        Call::SyncDir,
        Call::Remove,
    ] {
        for nth in 1.. {
            let disk = SimDisk::new(nth);
            let (mut journal, _) = open(&disk);
            let expected: Vec<_> = (1..=6).map(group).collect();
            for group in &expected {
                journal.append(group).unwrap();
            }
            journal.prepare_next().unwrap();
            drop(journal);
            disk.fail_nth(call, nth, ErrorKind::Other);
            match try_open(&disk, 0) {
                Ok(_) => break,
                Err(error) => assert!(matches!(error, Error::Io { .. }), "{call:?} {nth}: {error}"),
            }
            failures += 1;
            let (journal, _) = open(&disk);
            assert_eq!(groups(&journal.reader()), expected);
            drop(journal);
            let (journal, _) = open(&disk.crash(nth));
            assert_eq!(groups(&journal.reader()), expected);
        }
    }
    assert!(failures >= 14, "{failures}");
}

#[test]
fn a_full_disk_refuses_the_group_and_takes_it_once_there_is_room() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    disk.limit_bytes(Some(3 * 8192 + 100));
    let mut number = 1;
    let refused = loop {
        match journal.append(&group(number)) {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Full { needed_bytes: 8192, .. }) && refused.changed_nothing(), "{refused}");
    assert_eq!(journal.segments().len(), 3);
    assert!(!disk.names().contains(&"next.tmp".to_owned()), "the attempt gives its room back");
    assert!(matches!(journal.append(&group(number)), Err(Error::Full { .. })));
    assert_eq!(journal.drop_before(u64::MAX).unwrap(), 2);
    let kept = journal.reader().groups(journal.oldest()).unwrap().count() as u64;
    let appended = journal.append(&group(number)).unwrap();
    assert_eq!(appended.group, number);
    drop(journal);
    let (journal, recovery) = try_open(&disk.crash(1), appended.end).unwrap();
    assert_eq!(recovery.groups, kept + 1);
    assert_eq!(groups(&journal.reader()).last(), Some(&group(number)));
}

#[test]
fn a_disk_full_from_the_start_refuses_to_begin_and_leaves_nothing_behind() {
    let disk = SimDisk::new(1);
    disk.limit_bytes(Some(5000));
    assert!(matches!(try_open(&disk, 0), Err(Error::Full { .. })));
    assert!(disk.names().is_empty());
    disk.limit_bytes(None);
    open(&disk);
}

#[test]
fn a_failed_preparation_leaves_the_journal_running() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    for (call, nth) in [(Call::Create, 1), (Call::Sync, 1)] {
        disk.fail_nth(call, nth, ErrorKind::Other);
        assert!(matches!(journal.prepare_next(), Err(Error::Io { .. })));
    }
    for number in 1..=6 {
        journal.append(&group(number)).unwrap();
    }
    drop(journal);
    let (journal, _) = open(&disk.crash(1));
    assert_eq!(groups(&journal.reader()), (1..=6).map(group).collect::<Vec<_>>());
}

#[test]
fn a_disk_that_notices_late_that_it_is_full_refuses_the_group_and_nothing_else() {
    // Every call that builds a segment, up to the one that names it: the first group fills the first segment enough.
    for (call, nth) in [(Call::Create, 1), (Call::Sync, 2), (Call::Write, 2), (Call::Sync, 3), (Call::Rename, 1)] {
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let disk = SimDisk::new(nth);
            let (mut journal, _) = open(&disk);
            let first = records(0, 1, &[3_500]);
            disk.fail_nth(call, nth, kind);
            journal.append(&first).unwrap();
            let refused = journal.append(&records(0, 2, &[3_500])).unwrap_err();
            assert!(matches!(refused, Error::Full { .. }) && refused.changed_nothing(), "{call:?} {nth}: {refused}");
            assert_eq!(journal.stopped(), None);
            assert_eq!(journal.segments().len(), 1);
            assert!(!disk.names().contains(&"next.tmp".to_owned()), "the attempt gives its room back");
            let second = records(0, 2, &[3_500]);
            let end = journal.append(&second).unwrap().end;
            drop(journal);
            let (journal, _) = try_open(&disk.crash(nth), end).unwrap();
            assert_eq!(groups(&journal.reader()), [first, second]);
        }
    }
}
