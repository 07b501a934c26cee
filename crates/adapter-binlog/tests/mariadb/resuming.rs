//! Reading on from a stored token, in this process and in the next.

use doos_ports::bus::Position;
use doos_ports::change_feed::ChangeFeed;
use std::collections::BTreeSet;

use crate::bed::{Bed, Version, assert_nothing_missing, commit_some, feed_of, on_servers, read_all, version};

#[test]
fn after_any_token_the_next_process_reads_on_without_a_hole() {
    on_servers(async |servers| {
        let bed = Bed::shards(&servers).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let mut committed = commit_some(&scene, 40, 0).await;
        let read = read_all(&feed, Position(0), 7).await;
        assert_nothing_missing(&committed, &read);
        let tokens: Vec<String> = read.iter().map(|changed| feed.token(changed.position)).collect();
        drop(feed);
        committed.extend(commit_some(&scene, 10, 1_000).await);
        let next = bed.feed().await;
        for (number, token) in tokens.iter().enumerate().step_by(9) {
            let position = next.resume(token).await.unwrap().expect("the token is known");
            assert!(position >= next.oldest().await.unwrap(), "it is kept");
            let seen: BTreeSet<Version> = read[..=number].iter().map(version).collect();
            let wanted: Vec<Version> = committed.iter().filter(|version| !seen.contains(version)).copied().collect();
            let rest = read_all(&next, position, 11).await;
            assert_nothing_missing(&wanted, &rest);
        }
        let last = next.resume(&tokens[tokens.len() - 1]).await.unwrap().unwrap();
        let rest = read_all(&next, last, 100).await;
        assert!(rest.len() <= 15 + 40, "the next process does not begin at the beginning: {}", rest.len());
    });
}

#[test]
fn a_process_knows_its_own_tokens_to_the_change() {
    on_servers(async |servers| {
        let bed = Bed::shards(&servers).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        commit_some(&scene, 30, 0).await;
        for changed in read_all(&feed, Position(0), 100).await {
            assert_eq!(feed.resume(&feed.token(changed.position)).await.unwrap(), Some(changed.position));
        }
    });
}

#[test]
fn two_processes_understand_each_others_tokens() {
    on_servers(async |servers| {
        let bed = Bed::shards(&servers).await;
        let (one, other) = (bed.feed().await, bed.feed().await);
        let scene = bed.scene(&one);
        let mut committed = Vec::new();
        for round in 0..20 {
            committed.extend(commit_some(&scene, 3, round * 1_000).await);
            // They read at different times, and so in different orders.
            if round % 3 == 0 {
                read_all(&other, Position(0), 1_000).await;
            }
        }
        let read = read_all(&one, Position(0), 1_000).await;
        for (number, changed) in read.iter().enumerate() {
            let position = other.resume(&one.token(changed.position)).await.unwrap().expect("the token is known");
            let seen: BTreeSet<Version> = read[..=number].iter().map(version).collect();
            let wanted: Vec<Version> = committed.iter().filter(|version| !seen.contains(version)).copied().collect();
            assert_nothing_missing(&wanted, &read_all(&other, position, 1_000).await);
        }
    });
}

#[test]
fn what_is_no_token_of_these_servers_is_not_known() {
    on_servers(async |servers| {
        let bed = Bed::shards(&servers).await;
        let feed = bed.feed().await;
        for text in ["", "17", "b1-5-7", "b1-5-7-4000000_4-1_4", "b1-5-7-0_4-0_4", "b1-5-7-1_4-1_4-1_4"] {
            assert_eq!(feed.resume(text).await.unwrap(), None, "{text}");
        }
    });
}

#[test]
fn all_readers_of_a_process_see_one_order_however_far_behind_they_are() {
    on_servers(async |servers| {
        let bed = Bed::shards(&servers).await;
        let mut options = bed.options();
        options.recent_max = 16;
        let feed = feed_of(options).await;
        let scene = bed.scene(&feed);
        let mut ahead = Vec::new();
        let mut after = Position(0);
        let mut committed = Vec::new();
        for round in 0..12 {
            committed.extend(commit_some(&scene, 20, round * 1_000).await);
            let more = read_all(&feed, after, 5).await;
            after = more.last().unwrap().position;
            ahead.extend(more);
        }
        assert_nothing_missing(&committed, &ahead);
        let ahead: Vec<_> = ahead.iter().map(|changed| (changed.position, version(changed))).collect();
        for bite in [3, 50, 1_000] {
            let behind = read_all(&feed, Position(0), bite).await;
            let behind: Vec<_> = behind.iter().map(|changed| (changed.position, version(changed))).collect();
            assert!(behind == ahead, "in bites of {bite}");
        }
        // From everywhere, twice: readers that wait for their next read are found by where they stand.
        for round in 0..2 {
            for (place, (position, _)) in ahead.iter().enumerate().skip(round).step_by(7) {
                let next = feed.read(*position, 7).await.unwrap();
                let wanted = ahead[place + 1..].iter().take(7).map(|(_, version)| *version);
                assert!(next.iter().map(version).eq(wanted), "after {position:?}");
            }
        }
        for (place, (position, _)) in ahead.iter().enumerate().step_by(37) {
            let rest = read_all(&feed, *position, 64).await;
            assert!(rest.iter().map(version).eq(ahead[place + 1..].iter().map(|(_, version)| *version)));
        }
    });
}

#[test]
fn who_comes_after_a_long_silence_starts_at_the_end_and_nothing_is_lost_for_others() {
    on_servers(async |servers| {
        let bed = Bed::shards(&servers).await;
        let mut options = bed.options();
        options.skip_bytes = 10_000;
        let feed = feed_of(options).await;
        let scene = bed.scene(&feed);
        let mut committed = commit_some(&scene, 10, 0).await;
        let first = read_all(&feed, Position(0), 100).await;
        let there = first[first.len() - 1].position;
        committed.extend(commit_some(&scene, 400, 1_000).await);
        let end = feed.end().await.unwrap();
        assert!(feed.read(end, 10).await.unwrap().is_empty());
        let news = commit_some(&scene, 4, 900_000).await;
        let read = read_all(&feed, end, 10).await;
        assert_eq!(read.len(), news.len());
        assert_nothing_missing(&news, &read);
        let rest = read_all(&feed, there, 64).await;
        assert_nothing_missing(&committed[15..], &rest);
        assert_eq!(first.len() + rest.len(), committed.len() + news.len(), "and nothing comes twice");
    });
}
