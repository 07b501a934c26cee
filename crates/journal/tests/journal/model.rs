//! Random lives of a journal against a plain list of groups.

use std::collections::VecDeque;

use doos_journal::{Appended, Journal, Options, sim_disk::SimDisk};
use proptest::prelude::*;

use crate::common::{Records, shared};

#[derive(Debug, Clone)]
enum Step {
    Append(Records),
    /// Appends, but the power goes after that many calls.
    AppendAndLosePower(Records, u64),
    DropBefore(prop::sample::Index),
    Prepare,
    Reopen,
    Crash,
}

fn any_records() -> impl Strategy<Value = Records> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 1..6)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_records().prop_map(Step::Append),
        2 => (any_records(), 0u64..8).prop_map(|(records, calls)| Step::AppendAndLosePower(records, calls)),
        1 => any::<prop::sample::Index>().prop_map(Step::DropBefore),
        1 => Just(Step::Prepare),
        1 => Just(Step::Reopen),
        2 => Just(Step::Crash),
    ]
}

/// The model: groups with their places, oldest first, and the floor a follower would name.
#[derive(Default)]
struct Model {
    groups: VecDeque<(Appended, Records)>,
    end: u64,
}

impl Model {
    fn compare(&mut self, journal: &Journal) {
        let oldest = journal.oldest();
        while self.groups.front().is_some_and(|(appended, _)| appended.start < oldest) {
            self.groups.pop_front();
        }
        let reader = journal.reader();
        assert_eq!(reader.end(), self.end);
        let listed: Vec<_> =
            reader.groups(oldest).expect("the oldest is kept").map(|group| group.expect("every group holds")).collect();
        assert_eq!(listed.len(), self.groups.len());
        for (group, (appended, records)) in listed.iter().zip(&self.groups) {
            assert_eq!((group.number, group.start, group.end), (appended.group, appended.start, appended.end));
            let expected: Vec<_> = appended.positions.iter().copied().zip(records.iter().cloned()).collect();
            assert_eq!(group.records, expected);
            for (position, record) in expected {
                assert_eq!(reader.read(position).expect("a listed record is readable"), record);
            }
        }
    }
}

fn options() -> Options {
    Options { segment_bytes: 8192, group_bytes_max: 1 << 16 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_behaves_like_a_list_of_groups(seed in any::<u64>(), steps in prop::collection::vec(any_step(), 1..40)) {
        let mut disk = SimDisk::new(seed);
        let mut model = Model::default();
        let mut journal = Journal::open(shared(&disk), options(), 0, false).unwrap().0;
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append(records) => {
                    let appended = journal.append(&records).unwrap();
                    prop_assert_eq!(appended.start, model.end);
                    model.end = appended.end;
                    model.groups.push_back((appended, records));
                }
                Step::AppendAndLosePower(records, calls) => {
                    disk.power_off_after(calls);
                    let outcome = journal.append(&records);
                    drop(journal);
                    disk = disk.crash(seed ^ index as u64);
                    journal = Journal::open(shared(&disk), options(), model.end, false).unwrap().0;
                    let there = journal.end() > model.end;
                    prop_assert!(there || outcome.is_err());
                    if there {
                        let group = journal.reader().groups(model.end).unwrap().next().unwrap().unwrap();
                        let positions = group.records.iter().map(|(position, _)| *position).collect();
                        let appended = Appended { group: group.number, start: group.start, positions, end: group.end };
                        model.end = appended.end;
                        model.groups.push_back((appended, records));
                    }
                }
                Step::DropBefore(at) => {
                    let position = at.index(model.end as usize + 1) as u64;
                    journal.drop_before(position).unwrap();
                    prop_assert!(journal.oldest() <= position.max(journal.segments()[0].start));
                    prop_assert!(journal.segments().iter().rev().skip(1).all(|segment| segment.end > position));
                }
                Step::Prepare => journal.prepare_next().unwrap(),
                Step::Reopen | Step::Crash => {
                    drop(journal);
                    if matches!(step, Step::Crash) {
                        disk = disk.crash(seed.rotate_left(index as u32));
                    }
                    let (opened, recovery) = Journal::open(shared(&disk), options(), model.end, false).unwrap();
                    prop_assert_eq!((recovery.end, recovery.cut, recovery.loss), (model.end, None, None));
                    journal = opened;
                }
            }
            model.compare(&journal);
        }
    }
}
