//! A gate that has lost its memory, in whole or perhaps in part, gives nothing until it is rebuilt.

use doos_adapter_redis::{GateOptions, Link, Options, RedisGate, Standing};
use doos_ports::Error;
use doos_ports::stock_gate::{HoldError, StockGate};
use doos_ports::suites::scene::{Scene, product};
use std::sync::Arc;
use std::time::Duration;

use crate::common::server::Server;
use crate::common::{self, RealClock, link, on_redis, open, ports, runtime};
use crate::gate::{request, row};

/// Everything the port offers is refused as unavailable, with the way out named.
async fn refuses_everything(gate: &RedisGate, scene: &Scene) {
    let hold = request(scene, &[(1, 1)]);
    let order = hold.order_id;
    let mut refusals = vec![match gate.hold(hold).await {
        Err(HoldError::Engine(error)) => error,
        other => panic!("{other:?}"),
    }];
    refusals.push(gate.release(order).await.unwrap_err());
    refusals.push(gate.decided(vec![row(1, 9, 9)], vec![order]).await.unwrap_err());
    refusals.push(gate.level(product(1)).await.unwrap_err());
    refusals.push(gate.overdue(scene.at(0), 10).await.unwrap_err());
    refusals.push(gate.postpone(order, scene.at(0)).await.unwrap_err());
    refusals.push(gate.hold_count().await.unwrap_err());
    for refusal in refusals {
        let named = matches!(&refusal, Error::Unavailable { cause, .. } if cause.contains("must be rebuilt"));
        assert!(named && refusal.is_worth_a_retry(), "{refusal:?}");
    }
    assert_eq!(gate.standing().await.unwrap(), Standing::MustBeRebuilt);
}

async fn serves_after_a_rebuild(gate: &RedisGate, scene: &Scene) {
    let kept = request(scene, &[(1, 3)]);
    gate.rebuild(vec![row(1, 5, 10)], vec![kept]).await.unwrap();
    assert!(matches!(gate.standing().await.unwrap(), Standing::Open { .. }));
    gate.hold(request(scene, &[(1, 2)])).await.unwrap();
    let level = gate.level(product(1)).await.unwrap().unwrap();
    assert_eq!((level.free, level.held, gate.hold_count().await.unwrap()), (5, 5, 2));
}

async fn stocked(link: &Arc<Link>) -> (Arc<RedisGate>, Scene) {
    let gate = Arc::new(open(link).await);
    gate.decided(vec![row(1, 1, 10)], Vec::new()).await.unwrap();
    let scene = Scene::new(ports(gate.clone()));
    gate.hold(request(&scene, &[(1, 4)])).await.unwrap();
    (gate, scene)
}

async fn found_again(link: &Link) {
    let found = async {
        while link.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("it is found again");
}

/// Runs a test on a server of its own.
fn on_server(options: &[&str], test: impl AsyncFnOnce(Server)) {
    runtime().block_on(async {
        let Some(server) = Server::start(options).await else { return };
        test(server).await;
    });
}

#[test]
fn a_gate_that_was_never_filled_refuses() {
    on_redis(async |link| {
        let gate = Arc::new(RedisGate::new(link, GateOptions::default()));
        let scene = Scene::new(ports(gate.clone()));
        refuses_everything(&gate, &scene).await;
        serves_after_a_rebuild(&gate, &scene).await;
    });
}

#[test]
fn a_gate_that_was_closed_refuses() {
    on_redis(async |link| {
        let (gate, scene) = stocked(&link).await;
        let before = gate.last_epoch();
        gate.close().await.unwrap();
        refuses_everything(&gate, &scene).await;
        serves_after_a_rebuild(&gate, &scene).await;
        assert_eq!(gate.last_epoch(), before + 1, "epochs go on where they were");
    });
}

#[test]
fn an_emptied_server_is_noticed() {
    on_server(&["save \"\""], async |server| {
        let (gate, scene) = stocked(&link(&server.address(), "doos")).await;
        let () = server.say(&["FLUSHALL"]).await;
        refuses_everything(&gate, &scene).await;
        serves_after_a_rebuild(&gate, &scene).await;
    });
}

#[test]
fn a_server_that_was_started_again_is_noticed_even_with_its_data() {
    on_server(&["appendonly yes", "appendfsync always"], async |mut server| {
        let (gate, scene) = stocked(&link(&server.address(), "doos")).await;
        server.kill();
        server.start_again().await;
        let holds: i64 = server.say(&["HLEN", "{doos:gate}:holds"]).await;
        assert_eq!(holds, 1, "the data is there, and nobody can know whether all of it");
        refuses_everything(&gate, &scene).await;
        serves_after_a_rebuild(&gate, &scene).await;
    });
}

async fn replica_of(master: &Server) -> Server {
    let of = format!("replicaof 127.0.0.1 {}", master.port);
    let replica = Server::start(&["save \"\"", "repl-diskless-sync-delay 0", &of]).await.unwrap();
    replica.wait("the copy", &["INFO", "replication"], |said| said.contains("master_link_status:up")).await;
    replica
}

#[test]
fn a_promoted_replica_is_noticed_although_it_has_the_marker() {
    on_server(&["save \"\"", "repl-diskless-sync-delay 0"], async |mut master| {
        let replica = replica_of(&master).await;
        let (_, scene) = stocked(&link(&master.address(), "doos")).await;
        replica.wait("the hold", &["HLEN", "{doos:gate}:holds"], |said| said.contains('1')).await;
        master.kill();
        let () = replica.say(&["REPLICAOF", "NO", "ONE"]).await;
        let promoted = RedisGate::new(link(&replica.address(), "doos"), GateOptions::default());
        refuses_everything(&promoted, &scene).await;
        serves_after_a_rebuild(&promoted, &scene).await;
    });
}

#[test]
fn a_master_that_comes_back_with_another_s_data_is_noticed() {
    on_server(&["save \"\"", "repl-diskless-sync-delay 0"], async |master| {
        let replica = replica_of(&master).await;
        let (gate, scene) = stocked(&link(&master.address(), "doos")).await;
        replica.wait("the hold", &["HLEN", "{doos:gate}:holds"], |said| said.contains('1')).await;
        let () = replica.say(&["REPLICAOF", "NO", "ONE"]).await;
        // A hold that only the old master has seen; then the old master takes the data of the new one, and the lead.
        gate.hold(request(&scene, &[(1, 6)])).await.unwrap();
        let () = master.say(&["REPLICAOF", "127.0.0.1", &replica.port.to_string()]).await;
        master.wait("the copy", &["INFO", "replication"], |said| said.contains("master_link_status:up")).await;
        let () = master.say(&["REPLICAOF", "NO", "ONE"]).await;
        let holds: i64 = master.say(&["HLEN", "{doos:gate}:holds"]).await;
        assert_eq!(holds, 1, "the hold is lost");
        refuses_everything(&gate, &scene).await;
        serves_after_a_rebuild(&gate, &scene).await;
    });
}

#[test]
fn a_rebuild_for_a_server_that_has_gone_meanwhile_puts_nothing_in_place() {
    on_server(&["appendonly yes", "appendfsync always"], async |mut server| {
        let link = link(&server.address(), "doos");
        let (gate, scene) = stocked(&link).await;
        server.kill();
        server.start_again().await;
        let stop = async {
            // Between the look and the switch of a long rebuild.
            server.wait("the first rows", &["KEYS", "{doos:gate}:made:*"], |said| said.contains("rows")).await;
            server.kill();
            server.start_again().await;
        };
        let rows: Vec<_> = (1..=100_000).map(|number| row(number, 1, 1)).collect();
        let (rebuilt, ()) = tokio::join!(gate.rebuild(rows, Vec::new()), stop);
        assert!(rebuilt.is_err(), "it could not know what had been kept");
        found_again(&link).await;
        refuses_everything(&gate, &scene).await;
        serves_after_a_rebuild(&gate, &scene).await;
    });
}

#[test]
fn a_server_that_is_away_refuses_fast_and_is_found_again() {
    on_server(&["appendonly yes"], async |mut server| {
        let clock = RealClock::start();
        let options = Options { away_pause: Duration::from_millis(100), ..common::options(&server.address(), "doos") };
        let link = Link::new(options, clock.clone()).unwrap();
        let (gate, scene) = stocked(&link).await;
        server.kill();
        // The first may have been sent; those after it were not.
        assert!(matches!(gate.hold(request(&scene, &[(1, 1)])).await, Err(HoldError::Engine(_))));
        let began = doos_ports::clock::Clock::monotonic(&*clock);
        let mut refused = 0;
        while refused < 1_000 {
            let hold = gate.hold(request(&scene, &[(1, 1)])).await;
            assert!(matches!(hold, Err(HoldError::Engine(Error::Unavailable { .. }))), "{hold:?}");
            refused += 1;
        }
        let took = doos_ports::clock::Clock::monotonic(&*clock) - began;
        assert!(took < Duration::from_secs(5), "1000 refusals took {took:?}");
        assert!(link.is_away());
        server.start_again().await;
        found_again(&link).await;
        assert!(!link.is_away());
        refuses_everything(&gate, &scene).await;
        serves_after_a_rebuild(&gate, &scene).await;
    });
}

#[test]
fn a_reply_that_does_not_come_leaves_the_outcome_open() {
    on_server(&["save \"\""], async |server| {
        let options =
            Options { response_timeout: Duration::from_millis(300), ..common::options(&server.address(), "doos") };
        let (gate, scene) = stocked(&Link::new(options, RealClock::start()).unwrap()).await;
        let () = server.say(&["CLIENT", "PAUSE", "1500", "WRITE"]).await;
        let hold = request(&scene, &[(1, 2)]);
        let lost = gate.hold(hold.clone()).await;
        assert!(matches!(&lost, Err(HoldError::Engine(error)) if !error.outcome_is_known()), "{lost:?}");
        let known = async {
            while gate.hold(hold.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), known).await.expect("the same hold may be asked for again");
        let level = gate.level(product(1)).await.unwrap().unwrap();
        assert_eq!((level.free, gate.hold_count().await.unwrap()), (4, 2), "and counts once");
    });
}
