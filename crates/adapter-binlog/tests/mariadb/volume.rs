//! Many changes on two shards, with a reader that runs along: nothing missing, and how fast.

use doos_ports::bus::Position;
use doos_ports::change_feed::ChangeFeed;
use doos_ports::clock::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::bed::{Bed, RealClock, Version, commit_groups, on_servers, version};

const CHANGES: usize = 21_000;

#[test]
fn of_many_changes_on_two_shards_none_is_missing() {
    on_servers(async |servers| {
        let bed = Bed::shards(&servers).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let clock = RealClock::start();
        let committed_at = Mutex::new(BTreeMap::new());
        let write = async {
            let begun = clock.monotonic();
            for round in 0..7 {
                commit_groups(&scene, 2_000, round * 1_000_000, |versions| {
                    let now = clock.monotonic();
                    committed_at.lock().unwrap().extend(versions.into_iter().map(|version| (version, now)));
                })
                .await;
            }
            clock.monotonic() - begun
        };
        let follow = async {
            let mut seen: BTreeSet<Version> = BTreeSet::new();
            let mut newest: BTreeMap<_, u32> = BTreeMap::new();
            let mut after = Position(0);
            let mut seen_at = BTreeMap::new();
            let mut unread_most = 0;
            while seen.len() < CHANGES {
                feed.ready(after).await;
                for changed in feed.read(after, 500).await.unwrap() {
                    after = changed.position;
                    let (id, number) = version(&changed);
                    seen_at.entry((id, number)).or_insert_with(|| clock.monotonic());
                    if seen.insert((id, number)) {
                        let before = newest.insert(id, number).unwrap_or(0);
                        assert_eq!(number, before + 1, "a version of order {id} is missing");
                    }
                }
                unread_most = unread_most.max(feed.lag(after).await.unwrap().unread_bytes);
            }
            (seen_at, unread_most)
        };
        let (wrote, (seen_at, unread_most)) =
            scene.ends("following the writers", async { tokio::join!(write, follow) }).await;
        let committed_at = committed_at.into_inner().unwrap();
        assert_eq!(committed_at.len(), CHANGES);
        // What is seen before the writer has its answer is not late at all.
        let mut lags: Vec<_> = committed_at.iter().map(|(version, at)| seen_at[version].saturating_sub(*at)).collect();
        lags.sort_unstable();
        let share = |percent: usize| lags[(lags.len() - 1) * percent / 100];
        println!("seen after the commit was answered: p50 {:?}, p99 {:?}, most {:?}", share(50), share(99), share(100));
        // Others write on these servers, too, and are read over.
        let level = async {
            loop {
                let lag = feed.lag(feed.end().await.unwrap()).await.unwrap();
                assert_eq!(lag.changes, 0);
                if (lag.unread_bytes, lag.behind_ms) == (0, 0) {
                    break;
                }
            }
        };
        scene.ends("being level", level).await;

        // Read once more from the binlogs alone, as after a restart.
        let next = bed.feed().await;
        let token = feed.token(Position(0));
        let mut after = next.resume(&token).await.unwrap().expect("the beginning is known");
        let begun = clock.monotonic();
        let mut count = 0;
        loop {
            let changes = next.read(after, 500).await.unwrap();
            let Some(last) = changes.last() else { break };
            after = last.position;
            count += changes.len();
        }
        let took = clock.monotonic() - begun;
        assert_eq!(count, CHANGES);
        let rate = |took: std::time::Duration| CHANGES as f64 / took.as_secs_f64();
        let (along, again) = (rate(wrote), rate(took));
        println!("{CHANGES} changes on 2 shards: followed at {along:.0}/s, most unread {unread_most} bytes");
        println!("read again from the binlogs at {again:.0}/s");
    });
}
