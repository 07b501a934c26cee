//! Buckets that move between shards: their copies are told to nobody, what is written meanwhile and after is.

use doos_adapter_mysql::{Ask, Databases, Which};
use doos_ports::bus::Position;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bed::{Bed, RealClock, Version, commit_some, on_servers, read_all, version};

#[test]
fn a_move_of_buckets_is_told_to_nobody_and_every_version_once() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 3).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let mut committed = commit_some(&scene, 120, 0).await;
        let options = doos_adapter_mysql::Options::new(bed.addresses.clone());
        let databases = Databases::new(options, RealClock::start()).unwrap();
        // There and back, with writers at work: copies, notes that are carried, and deletes are all in the binlogs.
        let buckets: Vec<u16> = (0..97).map(|user| user + 1).filter(|bucket| bucket % 3 == 0).collect();
        let moved = buckets.len();
        for to in [1, 0] {
            let mut mover = databases.mover().await.unwrap();
            mover.plan(&Ask { to, which: Which::Buckets(buckets.clone()) }).await.unwrap();
            let windows = AtomicUsize::new(0);
            let tell = |_: &doos_adapter_mysql::MoveProgress| {
                windows.fetch_add(1, Ordering::Relaxed);
            };
            let (written, done) =
                tokio::join!(commit_some(&scene, 60, 1_000 * (1 + i64::try_from(to).unwrap())), mover.run(&tell));
            let done = done.expect("the move ends");
            assert_eq!(done.iter().map(|moving| moving.buckets.len()).sum::<usize>(), moved);
            assert!(windows.load(Ordering::Relaxed) > 10);
            committed.extend(written);
        }
        committed.extend(commit_some(&scene, 30, 9_000).await);
        let read: Vec<Version> = read_all(&feed, Position(0), 50).await.iter().map(version).collect();
        let once: BTreeSet<Version> = read.iter().copied().collect();
        assert_eq!(once, committed.iter().copied().collect(), "no hole, and nothing that nobody wrote");
        assert_eq!(read.len(), once.len(), "a copy was told as a change");
    });
}
