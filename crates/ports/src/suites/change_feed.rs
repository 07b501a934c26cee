//! What every change feed must do: everything committed, in its order, from anywhere, without a hole.

use doos_domain::ids::OrderId;
use doos_domain::message::Consumer;
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::scene::Scene;
use super::suite;
use crate::Ports;
use crate::bus::Position;
use crate::change_feed::Changed;
use crate::inbox::Progress;

suite!($ change_feed change_feed_suite {
    a_new_feed_is_empty_and_reading_it_does_not_wait,
    every_commit_is_read_in_its_order,
    a_reader_resumes_after_any_position_without_a_hole,
    a_read_holds_no_more_than_asked_for,
    what_consumers_change_is_in_the_feed,
    what_was_refused_is_not_in_the_feed,
    the_end_is_where_news_begin,
    nothing_after_the_oldest_is_missing,
    a_token_stands_for_its_place_and_loses_nothing,
    what_was_never_given_out_is_no_token,
    readiness_comes_with_the_next_change,
    a_reader_who_runs_along_misses_nothing,
});

type Version = (OrderId, u32);

async fn read(scene: &Scene, after: Position, limit: usize) -> Vec<Changed> {
    scene.ports.feed.read(after, limit).await.expect("the feed can be read")
}

/// Reads to the end in small bites. A repeat is allowed; a reader knows what it has seen.
async fn read_on(scene: &Scene, mut after: Position) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    loop {
        let changes = read(scene, after, 3).await;
        let Some(last) = changes.last() else { return versions };
        assert!(last.position > after, "the feed does not move on from {after:?}");
        after = last.position;
        for change in changes {
            let version = (change.order.id, change.order.version);
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
    }
}

/// Eight orders, some of which go on: what is committed, in the order of commit.
async fn some_commits(scene: &Scene) -> Vec<Version> {
    let mut versions = Vec::new();
    for number in 0..8_i64 {
        let order = scene.placed(number.unsigned_abs() + 1, number * 10).await;
        versions.push((order.id, 1));
        if number % 2 == 0 {
            scene.commit(scene.confirmed(&order, number * 10 + 1)).await.expect("the second version is taken");
            versions.push((order.id, 2));
        }
    }
    versions
}

pub async fn a_new_feed_is_empty_and_reading_it_does_not_wait(ports: Ports) {
    let scene = Scene::new(ports);
    assert!(read(&scene, Position(0), 10).await.is_empty());
}

pub async fn every_commit_is_read_in_its_order(ports: Ports) {
    let scene = Scene::new(ports);
    let committed = some_commits(&scene).await;
    let changes = read(&scene, Position(0), 100).await;
    let versions: Vec<Version> = changes.iter().map(|change| (change.order.id, change.order.version)).collect();
    assert_eq!(versions, committed);
    let newest = scene.load(versions[1].0).await;
    assert_eq!(newest.as_ref(), Some(&changes[1].order), "the whole order is in it");
    assert!(changes.windows(2).all(|pair| pair[0].position < pair[1].position));
}

pub async fn a_reader_resumes_after_any_position_without_a_hole(ports: Ports) {
    let scene = Scene::new(ports);
    let committed = some_commits(&scene).await;
    for (read_so_far, change) in (1..).zip(read(&scene, Position(0), 100).await) {
        let rest = read_on(&scene, change.position).await;
        let missing: Vec<_> = committed[read_so_far..].iter().filter(|version| !rest.contains(version)).collect();
        assert!(missing.is_empty(), "after {:?}: {missing:?}", change.position);
    }
}

pub async fn a_read_holds_no_more_than_asked_for(ports: Ports) {
    let scene = Scene::new(ports);
    let committed = some_commits(&scene).await;
    for limit in 1..=committed.len() {
        let changes = read(&scene, Position(0), limit).await;
        assert!(!changes.is_empty() && changes.len() <= limit);
    }
    assert_eq!(read_on(&scene, Position(0)).await, committed);
}

pub async fn what_consumers_change_is_in_the_feed(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    let change = scene.confirmed(&order, 10);
    let after = Arc::clone(&change.order);
    let end = scene.ports.feed.end().await.expect("the feed has an end");
    scene.ports.orders.consume(vec![change], Progress::new(Consumer::Order)).await.expect("the group is stored");
    let changes = read(&scene, end, 10).await;
    assert_eq!(changes.iter().map(|change| Arc::clone(&change.order)).collect::<Vec<_>>(), [after]);
}

pub async fn what_was_refused_is_not_in_the_feed(ports: Ports) {
    let scene = Scene::new(ports);
    let order = scene.placed(1, 0).await;
    scene.commit(scene.confirmed(&order, 1)).await.expect("the second version is taken");
    scene.commit(scene.cancelled(&order, 2)).await.expect_err("the version has passed");
    let given_up = scene.new_order(2, 3);
    scene.ports.orders.void(given_up.order.id).await.expect("an id can be voided");
    scene.commit(given_up).await.expect_err("the id is void");
    assert_eq!(read_on(&scene, Position(0)).await, [(order.id, 1), (order.id, 2)]);
}

pub async fn the_end_is_where_news_begin(ports: Ports) {
    let scene = Scene::new(ports);
    some_commits(&scene).await;
    let end = scene.ports.feed.end().await.expect("the feed has an end");
    assert!(read(&scene, end, 10).await.is_empty());
    let order = scene.placed(1, 500).await;
    assert_eq!(read_on(&scene, end).await, [(order.id, 1)]);
    assert!(scene.ports.feed.end().await.expect("the feed has an end") > end);
}

pub async fn nothing_after_the_oldest_is_missing(ports: Ports) {
    let scene = Scene::new(ports);
    let oldest = async || scene.ports.feed.oldest().await.expect("the feed knows its oldest");
    assert_eq!(oldest().await, Position(0), "a new feed holds everything");
    let committed = some_commits(&scene).await;
    let end = scene.ports.feed.end().await.expect("the feed has an end");
    assert!(oldest().await <= end);
    assert_eq!(read_on(&scene, oldest().await).await, committed);
}

pub async fn a_token_stands_for_its_place_and_loses_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    let feed = Arc::clone(&scene.ports.feed);
    let committed = some_commits(&scene).await;
    for (read_so_far, change) in (1..).zip(read(&scene, Position(0), 100).await) {
        let token = feed.token(change.position);
        assert!(token.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_".contains(sign)), "{token:?}");
        let resumed = feed.resume(&token).await.expect("a token can be looked up").expect("everything is kept");
        assert!(resumed <= change.position, "{resumed:?} lies after {:?}", change.position);
        let rest = read_on(&scene, resumed).await;
        let missing: Vec<_> = committed[read_so_far..].iter().filter(|version| !rest.contains(version)).collect();
        assert!(missing.is_empty(), "after {token}: {missing:?}");
    }
    let end = feed.end().await.expect("the feed has an end");
    let resumed = feed.resume(&feed.token(end)).await.expect("a token can be looked up");
    assert_eq!(resumed, Some(end), "whoever has read everything reads nothing again");
}

pub async fn what_was_never_given_out_is_no_token(ports: Ports) {
    let scene = Scene::new(ports);
    some_commits(&scene).await;
    for text in ["", "x", "-1", "18446744073709551615", "99999999999999999999"] {
        let resumed = scene.ports.feed.resume(text).await.expect("a token can be looked up");
        assert_eq!(resumed, None, "{text:?}");
    }
}

pub async fn readiness_comes_with_the_next_change(ports: Ports) {
    let scene = Scene::new(ports);
    let feed = Arc::clone(&scene.ports.feed);
    let start = feed.end().await.expect("the feed has an end");
    scene.placed(1, 0).await;
    scene.ends("waiting for what is there", feed.ready(start)).await;
    let end = feed.end().await.expect("the feed has an end");
    let mut ready = feed.ready(end);
    let order = {
        // Spurious readiness is allowed, so only its coming is looked at.
        let waiting = futures::future::select(&mut ready, Box::pin(scene.placed(2, 10))).await;
        match waiting {
            futures::future::Either::Left(((), placing)) => placing.await,
            futures::future::Either::Right((order, _)) => {
                scene.ends("waiting for the next change", ready).await;
                order
            }
        }
    };
    assert_eq!(read_on(&scene, end).await, [(order.id, 1)]);
}

pub async fn a_reader_who_runs_along_misses_nothing(ports: Ports) {
    let scene = Scene::new(ports);
    let wanted = 24;
    let write = join_all((0..8).map(|number: i64| {
        let scene = &scene;
        async move {
            let first = scene.placed(number.unsigned_abs() + 1, number).await;
            let second = scene.confirmed(&first, 100);
            let third = scene.cancelled(&second.order, 200);
            scene.commit(second).await.expect("the second version is taken");
            scene.commit(third).await.expect("the third version is taken");
        }
    }));
    let follow = async {
        let mut seen: BTreeSet<Version> = BTreeSet::new();
        let mut newest: BTreeMap<OrderId, u32> = BTreeMap::new();
        let mut after = Position(0);
        while seen.len() < wanted {
            scene.ports.feed.ready(after).await;
            for change in read(&scene, after, 5).await {
                after = change.position;
                let (id, version) = (change.order.id, change.order.version);
                if seen.insert((id, version)) {
                    let before = newest.insert(id, version).unwrap_or(0);
                    assert_eq!(version, before + 1, "a version of order {id} is missing");
                }
            }
        }
    };
    scene.ends("a reader who runs along", async { futures::join!(write, follow) }).await;
}
