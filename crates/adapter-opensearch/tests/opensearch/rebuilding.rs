//! Another beginning beside what is searched, several processes at once, and what stays behind.

use doos_domain::order::Status;
use doos_ports::projection::{Projection, Standing, Walk};
use doos_ports::search::{SearchIndex, SearchQuery};
use std::sync::Arc;

use crate::engine::{open, with_index, with_options};
use crate::orders::{apply, cancelled, everything, found, ids, some};

#[test]
fn what_there_was_is_searched_until_the_walk_is_done() {
    with_index(async |index| {
        let orders = some(30);
        apply(index, &orders[..20], "20").await.unwrap();
        let epoch = index.standing().await.unwrap().epoch + 1;
        let walking = Standing { epoch, token: "20".to_owned(), walk: Walk::Below(None) };
        index.begin_anew(walking.clone()).await.unwrap();
        assert_eq!(found(index).await, ids(&orders[..20]), "the old one is searched");
        let half = Standing { walk: Walk::Below(Some(orders[10].id)), ..walking.clone() };
        index.apply(&orders[10..], half.clone()).await.unwrap();
        assert_eq!(found(index).await, ids(&orders[..20]), "half of the new one is not shown");
        assert_eq!(index.standing().await.unwrap(), half);
        index.apply(&orders[..10], Standing { walk: Walk::Done, ..walking }).await.unwrap();
        assert_eq!(found(index).await, ids(&orders), "the new one is searched, and it is whole");
    });
}

#[test]
fn a_beginning_that_is_overtaken_by_another_leaves_nothing_behind() {
    with_index(async |index| {
        let orders = some(6);
        apply(index, &orders[..3], "3").await.unwrap();
        let first = index.standing().await.unwrap();
        for epoch in first.epoch + 1..first.epoch + 4 {
            let walking = Standing { epoch, token: "3".to_owned(), walk: Walk::Below(None) };
            index.begin_anew(walking.clone()).await.unwrap();
            index.apply(&orders[..2], walking).await.unwrap();
            assert_eq!(found(index).await, ids(&orders[..3]));
        }
        assert_eq!(index.epochs().await.unwrap(), [first.epoch, first.epoch + 3], "the searched one and the newest");
        let done = Standing { epoch: first.epoch + 3, token: "6".to_owned(), walk: Walk::Done };
        index.apply(&orders, done).await.unwrap();
        assert_eq!(found(index).await, ids(&orders));
        assert_eq!(index.epochs().await.unwrap(), [first.epoch + 3]);
    });
}

#[test]
fn of_two_that_follow_at_once_none_undoes_what_the_other_has_done() {
    with_options(async |options| {
        let (one, other) = (open(options), open(options));
        let orders = some(40);
        let newer: Vec<_> = orders.iter().map(|order| cancelled(order)).collect();
        let stale = one.standing().await.unwrap();
        apply(&other, &newer, "80").await.unwrap();
        // Read before the other one wrote, and slow: it brings what is old.
        one.apply(&orders, Standing { token: "40".to_owned(), ..stale }).await.unwrap();
        let of_state = |status| SearchQuery { statuses: vec![status], ..everything(100) };
        let found_in = async |status| one.search(&of_state(status)).await.unwrap().orders;
        assert_eq!(found_in(Status::Cancelled).await, ids(&orders));
        assert_eq!(found_in(Status::Pending).await, []);
        // Many at once: whoever is refused comes again, and every order is there once.
        let more = some(64);
        let indices = [open(options), open(options), open(options), open(options)];
        futures::future::join_all(indices.iter().enumerate().map(|(number, index)| {
            let part = &more[number * 16..(number + 1) * 16];
            async move {
                let mut tries = 0;
                while apply(index, part, &number.to_string()).await.is_err() {
                    tries += 1;
                    assert!(tries < 100, "it never came through");
                }
            }
        }))
        .await;
        let all = found(&one).await;
        assert!(more.iter().all(|order| all.contains(&order.id)));
    });
}

#[test]
fn a_first_beginning_by_many_at_once_is_one() {
    with_options(async |options| {
        let indices: Vec<_> = (0..6).map(|_| open(options)).collect();
        let standings = futures::future::join_all(indices.iter().map(|index| index.standing())).await;
        for standing in standings {
            assert_eq!(standing.unwrap(), Standing { epoch: 1, ..Standing::default() });
        }
        let orders = some(3);
        apply(&indices[5], &orders, "3").await.unwrap();
        assert_eq!(found(&indices[0]).await, ids(&orders));
    });
}

#[test]
fn who_has_not_heard_of_a_beginning_anew_is_refused() {
    with_options(async |options| {
        let (one, other) = (open(options), open(options));
        let orders = some(4);
        apply(&one, &orders[..2], "2").await.unwrap();
        let stale = other.standing().await.unwrap();
        let fresh = Standing { epoch: stale.epoch + 1, token: "9".to_owned(), walk: Walk::Done };
        one.begin_anew(fresh.clone()).await.unwrap();
        let late = Standing { token: "4".to_owned(), ..stale };
        other.apply(&orders, late.clone()).await.expect_err("it has begun anew");
        other.begin_anew(late).await.expect("who is late is not believed");
        assert_eq!(other.standing().await.unwrap(), fresh);
        assert_eq!(found(&other).await, []);
    });
}

#[test]
fn a_group_of_many_pieces_is_written_whole() {
    with_options(async |options| {
        let small = doos_adapter_opensearch::Options { bulk_len_max: 7, bulk_bytes_max: 1_500, ..options.clone() };
        let index = open(&small);
        let orders = some(100);
        // Each of them twice, and one of them in a newer version first.
        let mut group: Vec<_> = orders.iter().chain(&orders).map(Arc::clone).collect();
        group.insert(0, cancelled(&orders[50]));
        apply(&index, &group, "100").await.unwrap();
        assert_eq!(found(&index).await, ids(&orders));
        let query = SearchQuery { statuses: vec![Status::Cancelled], ..everything(10) };
        assert_eq!(index.search(&query).await.unwrap().orders, [orders[50].id]);
    });
}

#[test]
fn a_new_index_with_fewer_orders_is_filled_once_more_before_it_is_believed() {
    with_index(async |index| {
        let orders = some(20);
        apply(index, &orders, "20").await.unwrap();
        let first = index.standing().await.unwrap().epoch;
        let walking = |epoch| Standing { epoch, token: "20".to_owned(), walk: Walk::Below(None) };
        let done = |epoch| Standing { walk: Walk::Done, ..walking(epoch) };
        index.begin_anew(walking(first + 1)).await.unwrap();
        index.apply(&orders[..12], done(first + 1)).await.expect_err("eight orders are missing");
        assert_eq!(found(index).await, ids(&orders), "the old one is searched");
        assert_eq!(index.standing().await.unwrap(), walking(first + 2));
        index.apply(&orders[..15], done(first + 2)).await.expect_err("it is another number, and still too few");
        index.apply(&orders[..15], done(first + 3)).await.expect("twice the same: so many there are");
        assert_eq!(found(index).await, ids(&orders[..15]));
        assert_eq!(index.order_count().await.unwrap(), 15);
    });
}
