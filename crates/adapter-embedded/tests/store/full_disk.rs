//! A disk without room for another journal segment: what is to be stored is refused, nothing stops, and work goes on
//! once there is room.

use crate::shop::{Shop, id, new_order};
use doos_adapter_embedded::Options;
use doos_journal::sim_disk::SimDisk;
use doos_ports::order_store::CommitError;

fn tiny() -> Options {
    let journal = doos_journal::Options { segment_bytes: 8 << 10, group_bytes_max: 16 << 10 };
    Options { journal, group_bytes_max: 4 << 10, feed_kept_bytes: 0, ..Options::default() }
}

#[tokio::test(flavor = "current_thread")]
async fn a_journal_without_room_refuses_orders_by_name_and_takes_them_once_there_is_some() {
    let (disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
    let mut shop = Shop::open(disk.clone(), dir.path(), tiny()).unwrap();
    disk.limit_bytes(Some(2 * (8 << 10)));
    let mut number = 1;
    let refused = loop {
        match shop.commit(new_order(number, 1)).await {
            Ok(()) => number += 1,
            Err(refused) => break refused,
        }
    };
    assert!(number > 3, "the segments take some");
    let CommitError::Engine(doos_ports::Error::Unavailable { cause, .. }) = &refused else { panic!("{refused:?}") };
    assert!(cause.contains("no room on the disk"), "{cause}");
    assert!(shop.store.hindrance().is_some_and(|cause| cause.contains("no room on the disk")));
    assert!(shop.commit(new_order(number, 1)).await.is_err(), "nothing has changed");
    assert_eq!(shop.store.stopped(), None);
    // Readers and the folder go on.
    assert_eq!(shop.load(number - 1).await.unwrap().version, 1);
    assert_eq!(shop.load(number).await, None);
    shop.fold_all();
    disk.limit_bytes(None);
    shop.commit(new_order(number, 1)).await.unwrap();
    assert_eq!(shop.store.hindrance(), None);
    drop(shop);
    let shop = Shop::open(disk.crash(7), dir.path(), tiny()).unwrap();
    for number in 1..=number {
        assert_eq!(shop.load(number).await.unwrap().id, id(number));
    }
}
