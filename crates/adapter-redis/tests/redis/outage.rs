//! The shared server killed, and stopped for a while, under load.
//!
//! Everybody on this machine shares that server, so these run only when asked for, one at a time:
//! `DOOS_TEST_OUTAGE=1 cargo test -p doos-adapter-redis --test redis outage -- --test-threads=1 --nocapture`

use doos_adapter_redis::{GateOptions, Link, Options, RedisGate, Standing};
use doos_domain::ids::OrderId;
use doos_ports::stock_gate::{Hold, StockGate};
use doos_ports::suites::scene::{Scene, product};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{self, RealClock, on_redis, open, ports, services};
use crate::gate::{request, row};

const AWAY: Duration = Duration::from_secs(3);
const CALLERS: usize = 16;
const FREE: i64 = 1_000_000;

async fn service(verb: &'static str) {
    let ran = tokio::task::spawn_blocking(move || services().args([verb, "redis"]).status().unwrap());
    assert!(ran.await.unwrap().success(), "{verb}");
}

#[derive(Default)]
struct Seen {
    held: AtomicU64,
    refused: AtomicU64,
    /// Asked for and perhaps held, as the store would know of them.
    asked: Mutex<BTreeMap<OrderId, Hold>>,
    end: AtomicBool,
}

async fn call(gate: &RedisGate, scene: &Scene, seen: &Seen) {
    while !seen.end.load(Ordering::Acquire) {
        let hold = request(scene, &[(1, 1)]);
        seen.asked.lock().unwrap().insert(hold.order_id, hold.clone());
        match gate.hold(hold).await {
            Ok(()) => seen.held.fetch_add(1, Ordering::Relaxed),
            Err(_) => seen.refused.fetch_add(1, Ordering::Relaxed),
        };
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits for so many more holds.
async fn more_holds(seen: &Seen, count: u64) {
    let wanted = seen.held.load(Ordering::Relaxed) + count;
    let enough = async {
        while seen.held.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), enough).await.expect("holds are given");
}

fn survives(down: &'static str, up: &'static str, keeps_its_memory: bool) {
    if std::env::var("DOOS_TEST_OUTAGE").is_err() {
        println!("NOT RUN: it takes the server from others; set DOOS_TEST_OUTAGE=1");
        return;
    }
    on_redis(async |shared| {
        let (address, prefix) = (common::address().unwrap(), &shared.options().prefix);
        let options = Options { response_timeout: Duration::from_millis(400), ..common::options(address, prefix) };
        let options = Options { connect_timeout: Duration::from_millis(400), ..options };
        let link = Link::new(options, RealClock::start()).unwrap();
        open(&link).await;
        let gate = Arc::new(RedisGate::new(link, GateOptions::default()));
        gate.decided(vec![row(1, 1, FREE)], Vec::new()).await.unwrap();
        let scene = Scene::new(ports(gate.clone()));
        let seen = Seen::default();
        let direct = async {
            more_holds(&seen, 200).await;
            service(down).await;
            tokio::time::sleep(AWAY).await;
            assert!(seen.refused.load(Ordering::Relaxed) > 0, "it was never away");
            service(up).await;
            if !keeps_its_memory {
                let standing = async {
                    while gate.standing().await.is_err() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    gate.standing().await.unwrap()
                };
                assert_eq!(standing.await, Standing::MustBeRebuilt);
                // Its owner: nothing is held while it reads what is undecided.
                gate.close().await.unwrap();
                let undecided: Vec<Hold> = seen.asked.lock().unwrap().values().cloned().collect();
                gate.rebuild(vec![row(1, 1, FREE)], undecided).await.unwrap();
            }
            more_holds(&seen, 200).await;
            seen.end.store(true, Ordering::Release);
        };
        let callers = join_all((0..CALLERS).map(|_| call(&gate, &scene, &seen)));
        tokio::join!(direct, callers);
        let (held, refused) = (seen.held.load(Ordering::Relaxed), seen.refused.load(Ordering::Relaxed));
        let level = gate.level(product(1)).await.unwrap().unwrap();
        println!("{down}: {held} held, {refused} refused, {} held in the gate", level.held);
        assert!(level.held >= i64::try_from(held).unwrap(), "a hold that was given is gone");
        let all: Vec<OrderId> = seen.asked.lock().unwrap().keys().copied().collect();
        gate.decided(vec![row(1, 2, FREE)], all).await.unwrap();
        assert_eq!(gate.hold_count().await.unwrap(), 0);
        assert_eq!(gate.level(product(1)).await.unwrap().unwrap().free, FREE);
    });
}

#[test]
fn a_killed_server_is_rebuilt_and_no_hold_is_missing() {
    survives("kill", "start", false);
}

#[test]
fn a_stopped_server_goes_on_where_it_was() {
    survives("pause", "resume", true);
}
