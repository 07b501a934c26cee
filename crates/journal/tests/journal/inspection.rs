//! What `inspect` prints of a sound and of a damaged journal, beside a running owner.

use doos_journal::{Inspection, inspect, sim_disk::SimDisk};

use crate::common::{FIRST, open, records};

#[test]
fn an_inspection_lists_every_group_and_marks_the_bad_one() {
    let disk = SimDisk::new(1);
    let (mut journal, _) = open(&disk);
    for number in 1..=5 {
        journal.append(&records(0, number, &[1200, 8])).unwrap();
    }
    let second = journal.segments()[1].name.clone();
    let changes = disk.changing_calls();
    let mut text = String::new();
    let sound = inspect(&disk, None, &mut text).unwrap();
    assert_eq!(sound, Inspection { segments: 2, groups: 5, records: 10, flawed_segments: 0 });
    assert!(text.contains("group 1: byte 4096, position 0, 2 records, 1272 bytes, ok"), "{text}");
    assert!(text.contains(&format!("segment {second}")) && !text.contains("BAD"), "{text}");
    assert_eq!(disk.changing_calls(), changes);
    let mut bytes = disk.content(FIRST).unwrap();
    bytes[4096 + 1272 + 40] ^= 1;
    disk.put(FIRST, &bytes);
    let mut text = String::new();
    let damaged = inspect(&disk, Some(&[FIRST.to_owned()]), &mut text).unwrap();
    assert_eq!(damaged, Inspection { segments: 1, groups: 1, records: 2, flawed_segments: 1 });
    assert!(text.contains("BAD at byte 5368: the group's checksum is wrong"), "{text}");
    assert!(text.contains("1 groups written later stand behind it, from byte 6640"), "{text}");
    disk.put(FIRST, &bytes[..100]);
    let mut text = String::new();
    assert_eq!(inspect(&disk, None, &mut text).unwrap().flawed_segments, 1);
    assert!(text.contains("BAD at byte 0: the file ends inside the header page"), "{text}");
}
