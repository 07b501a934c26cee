//! The power goes off between any two calls that change the disk, during appends, rolls, drops and openings.
//!
//! Afterwards every acknowledged group is there, byte for byte; at most the one in flight is there as well, whole;
//! and the journal goes on and survives the next crash.

use doos_journal::{Journal, sim_disk::SimDisk};

use crate::common::{Records, groups, open, records, shared, small, try_open};

/// What a life has been told and what it tried.
struct Life {
    /// Every group whose append was begun, in order, oldest life first.
    begun: Vec<Records>,
    acknowledged: usize,
    /// Highest position that was given to `drop_before`.
    passed: u64,
}

const LENGTHS: [&[usize]; 6] = [&[700, 3], &[10], &[1500, 900, 0], &[2600], &[5, 5, 5, 5], &[3800]];

/// Appends, prepares and drops until the power goes.
fn live(journal: &mut Journal, life: u8, groups: u64, told: &mut Life) {
    for number in 0..groups {
        let group = records(life, number, LENGTHS[number as usize % LENGTHS.len()]);
        told.begun.push(group.clone());
        let Ok(appended) = journal.append(&group) else {
            return;
        };
        told.acknowledged = told.begun.len();
        if number % 4 == 1 && journal.prepare_next().is_err() {
            return;
        }
        if number % 5 == 4 {
            told.passed = appended.start;
            if journal.drop_before(appended.start).is_err() {
                return;
            }
        }
    }
}

/// Checks what a crash left against what had been told, and forgets what was begun and lost.
fn check(journal: &Journal, recovered: u64, told: &mut Life) {
    let kept = groups(&journal.reader());
    let total = (recovered - 1) as usize;
    assert!(total >= told.acknowledged, "an acknowledged group is gone");
    assert!(total <= told.begun.len(), "a group appeared that nobody wrote");
    told.begun.truncate(total);
    assert_eq!(kept, told.begun[total - kept.len()..]);
    assert!(journal.oldest() <= told.passed, "something was dropped that nobody had passed");
    told.acknowledged = total;
}

#[test]
fn power_loss_between_any_two_calls_loses_nothing_acknowledged() {
    let mut lives = 0;
    for step in 0.. {
        let mut finished = false;
        for seed in 0..6 {
            let disk = SimDisk::new(seed);
            disk.power_off_after(step);
            let mut told = Life { begun: Vec::new(), acknowledged: 0, passed: 0 };
            if let Ok((mut journal, _)) = try_open(&disk, 0) {
                live(&mut journal, 1, 16, &mut told);
                finished = told.acknowledged == 16;
            }
            let mut disk = disk.crash(seed * 1000 + step);
            for life in 2..5 {
                let floor = told.passed;
                let (mut journal, recovery) = try_open(&disk, floor).expect("a crash is no damage");
                check(&journal, recovery.next_group, &mut told);
                disk.power_off_after((step * 7 + seed * 3 + u64::from(life)) % 23);
                live(&mut journal, life, 6, &mut told);
                drop(journal);
                disk = disk.crash(step ^ (seed << 8) ^ u64::from(life));
                lives += 1;
            }
        }
        if finished {
            assert!(step > 40, "the script has far more steps than {step}");
            break;
        }
    }
    assert!(lives > 500);
}

#[test]
fn power_loss_during_any_step_of_an_opening_is_survived() {
    for seed in 0..24 {
        let disk = SimDisk::new(seed);
        let (mut journal, _) = open(&disk);
        let mut told = Life { begun: Vec::new(), acknowledged: 0, passed: 0 };
        live(&mut journal, 1, 4, &mut told);
        // A write is in flight when the power goes, so that there is something to cut.
        disk.power_off_after(1);
        live(&mut journal, 2, 1, &mut told);
        drop(journal);
        let disk = disk.crash(seed);
        for step in 0.. {
            let disk = disk.fork();
            disk.power_off_after(step);
            let opened = try_open(&disk, 0).is_ok();
            let disk = disk.crash(seed * 31 + step);
            let mut told = Life { begun: told.begun.clone(), ..told };
            let (mut journal, recovery) = open(&disk);
            check(&journal, recovery.next_group, &mut told);
            live(&mut journal, 3, 3, &mut told);
            drop(journal);
            let (journal, recovery) = open(&disk.crash(step));
            check(&journal, recovery.next_group, &mut told);
            if opened {
                assert!(step >= 3);
                break;
            }
        }
    }
}

#[test]
fn what_an_opening_served_is_there_after_the_next_crash() {
    // A process is killed: nothing unsynced is lost yet, so the next opening sees a group nobody acknowledged. Once
    // it has served it, a power loss may not take it away.
    for seed in 0..32 {
        let disk = SimDisk::new(seed);
        let (mut journal, _) = open(&disk);
        journal.append(&records(1, 1, &[700])).unwrap();
        disk.fail_nth(doos_journal::sim_disk::Call::Sync, 1, std::io::ErrorKind::Interrupted);
        let _ = journal.append(&records(1, 2, &[1400, 8]));
        drop(journal);
        let (journal, _) = open(&disk);
        let served = groups(&journal.reader());
        drop(journal);
        let (journal, _) = open(&disk.crash(seed));
        assert_eq!(groups(&journal.reader()), served);
    }
}

#[test]
fn one_seed_twice_leaves_the_same_bytes() {
    let run = || {
        let disk = SimDisk::new(5);
        disk.power_off_after(31);
        let mut told = Life { begun: Vec::new(), acknowledged: 0, passed: 0 };
        let (mut journal, _) = Journal::open(shared(&disk), small(), 0, false).unwrap();
        live(&mut journal, 1, 16, &mut told);
        drop(journal);
        let disk = disk.crash(9);
        let contents: Vec<_> = disk.names().into_iter().map(|name| (disk.content(&name), name)).collect();
        (contents, told.acknowledged)
    };
    let (first, second) = (run(), run());
    assert!(first == second && first.1 > 3);
}
