//! What is removed under the index's feet, an engine that is away, and one that comes back.

use doos_adapter_opensearch::{OpenSearchIndex, Options};
use doos_ports::Error;
use doos_ports::projection::{Projection, Standing, Walk};
use doos_ports::search::SearchIndex;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

use crate::engine::{self, RealClock, open, with_index, with_options};
use crate::orders::{apply, everything, found, ids, some};

/// Nobody listens there.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn with_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn an_engine_that_is_away_is_told_fast() {
    with_runtime(async {
        let options = Options { nodes: vec![nowhere().await], ..Options::default() };
        let index = open(&options);
        let clock = RealClock::start();
        for _ in 0..50 {
            let refused = index.search(&everything(1)).await.unwrap_err();
            assert!(matches!(refused, Error::Unavailable { .. }), "{refused}");
            index.standing().await.unwrap_err();
        }
        assert!(clock.elapsed() < Duration::from_secs(2), "{:?}", clock.elapsed());
    });
}

#[test]
fn an_engine_that_takes_calls_and_does_not_answer_is_given_up_in_time() {
    with_runtime(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let options =
            Options { nodes: vec![address], request_timeout_ms: 200, away_pause_ms: 60_000, ..Options::default() };
        let index = open(&options);
        let clock = RealClock::start();
        index.search(&everything(1)).await.unwrap_err();
        assert!(clock.elapsed() >= Duration::from_millis(200));
        let clock = RealClock::start();
        for _ in 0..100 {
            index.search(&everything(1)).await.unwrap_err();
        }
        assert!(clock.elapsed() < Duration::from_millis(200), "it is left alone for a while: {:?}", clock.elapsed());
    });
}

#[test]
fn no_more_than_its_share_is_under_way() {
    with_runtime(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let options = Options { nodes: vec![address], requests_max: 3, request_timeout_ms: 300, ..Options::default() };
        let index = open(&options);
        let query = everything(1);
        let asked = futures::future::join_all((0..10).map(|_| index.search(&query))).await;
        let busy = asked.iter().filter(|it| matches!(it, Err(Error::Busy { .. }))).count();
        assert_eq!(busy, 7);
    });
}

#[test]
fn a_node_that_is_away_is_passed_over() {
    with_options(async |options| {
        let mut nodes = vec![nowhere().await, nowhere().await];
        nodes.extend(options.nodes.clone());
        let index = open(&Options { nodes, ..options.clone() });
        let orders = some(5);
        apply(&index, &orders, "5").await.unwrap();
        for _ in 0..5 {
            assert_eq!(found(&index).await, ids(&orders));
        }
    });
}

#[test]
fn it_says_who_it_is() {
    with_index(async |index| {
        let server = index.server().await.unwrap();
        assert!(["opensearch", "elasticsearch"].contains(&server.distribution.as_str()), "{server:?}");
        assert!(server.version.contains('.'), "{server:?}");
    });
}

/// Follows as the application does: begins anew where it is asked to.
async fn fill_again(index: &OpenSearchIndex, orders: &[Arc<doos_domain::order::Order>]) {
    for _ in 0..5 {
        let Ok(standing) = index.standing().await else { continue };
        let done = Standing { token: "full".to_owned(), walk: Walk::Done, ..standing };
        if index.apply(orders, done).await.is_ok() {
            return;
        }
    }
    panic!("it was never filled again");
}

#[test]
fn an_index_that_was_removed_is_made_and_filled_again() {
    with_index(async |index| {
        let orders = some(10);
        apply(index, &orders, "10").await.unwrap();
        let before = index.standing().await.unwrap();
        index.remove_index(before.epoch).await.unwrap();
        index.search(&everything(1)).await.expect_err("there is nothing to search");
        let after = index.standing().await.unwrap();
        assert_eq!(after, Standing { epoch: before.epoch + 1, token: before.token, walk: Walk::Below(None) });
        fill_again(index, &orders).await;
        assert_eq!(found(index).await, ids(&orders));
        // And found out by a write, without anybody having searched.
        index.remove_index(after.epoch).await.unwrap();
        apply(index, &orders[..1], "11").await.expect_err("no new index is made by a write");
        assert!(index.standing().await.unwrap().epoch > after.epoch);
        fill_again(index, &orders).await;
        assert_eq!(found(index).await, ids(&orders));
    });
}

#[test]
fn a_standing_that_was_removed_is_no_reason_to_believe_an_old_one() {
    with_index(async |index| {
        let orders = some(10);
        apply(index, &orders, "10").await.unwrap();
        let before = index.standing().await.unwrap();
        index.remove_standing().await.unwrap();
        let after = index.standing().await.unwrap();
        assert_eq!(after, Standing { epoch: before.epoch + 1, token: String::new(), walk: Walk::Below(None) });
        assert_eq!(found(index).await, ids(&orders), "the old one is searched until the new one is full");
        index.apply(&orders, before).await.expect_err("it has begun anew");
        fill_again(index, &orders).await;
        assert_eq!(found(index).await, ids(&orders));
        assert_eq!(index.epochs().await.unwrap(), [after.epoch]);
    });
}

// --- The real engine stopped

async fn service(verb: &'static str) {
    let ran = tokio::task::spawn_blocking(move || engine::services().args([verb, "opensearch"]).status().unwrap());
    assert!(ran.await.unwrap().success(), "{verb}");
}

/// Everybody on this machine shares the engine, so this runs only when asked for:
/// `DOOS_TEST_OUTAGE=1 cargo test -p doos-adapter-opensearch --test opensearch outage -- --nocapture`
#[test]
fn nothing_is_lost_over_an_outage_of_the_engine() {
    if std::env::var("DOOS_TEST_OUTAGE").is_err() {
        println!("NOT RUN: it takes the engine from others; set DOOS_TEST_OUTAGE=1");
        return;
    }
    with_index(async |index| {
        let orders = some(2_000);
        let mut written = 0;
        let mut refused = 0_u32;
        let mut slowest = Duration::ZERO;
        let write = async {
            while written < orders.len() {
                let group = &orders[written..written + 20];
                let clock = RealClock::start();
                match apply(index, group, &written.to_string()).await {
                    Ok(()) => written += group.len(),
                    Err(_) => {
                        refused += 1;
                        slowest = slowest.max(clock.elapsed());
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        };
        let outage = async {
            service("stop").await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            service("start").await;
        };
        futures::join!(write, outage);
        println!("refused {refused} times, the slowest after {slowest:?}");
        assert!(refused > 0, "it was away");
        assert!(slowest < Duration::from_secs(11));
        assert_eq!(found(index).await, ids(&orders));
    });
}
