//! What the gate in Redis promises beyond its port.

use doos_adapter_redis::{GateOptions, Link, RedisGate};
use doos_domain::ids::OrderId;
use doos_domain::stock::StockRow;
use doos_ports::stock_gate::{Hold, HoldError, StockGate};
use doos_ports::suites::scene::{Scene, demand, product, user};
use std::sync::Arc;
use std::time::Duration;

use crate::common::{address, on_redis, open, ports};

pub fn row(number: u64, version: u64, free: i64) -> StockRow {
    StockRow { product_id: product(number), version, received: free, written_off: 0, free, held: 0, sold: 0 }
}

pub fn request(scene: &Scene, lines: &[(u64, u32)]) -> Hold {
    let lines = lines.iter().map(|(number, qty)| demand(*number, *qty)).collect();
    Hold { order_id: scene.new_id(user(1), 0), lines, key: None, deadline: scene.at(30_000) }
}

async fn scene_on(link: &Arc<Link>) -> (Arc<RedisGate>, Scene) {
    let gate = Arc::new(open(link).await);
    gate.decided(vec![row(1, 1, 10)], Vec::new()).await.unwrap();
    (gate.clone(), Scene::new(ports(gate)))
}

async fn raw<T: redis::FromRedisValue>(cmd: &redis::Cmd) -> T {
    let client = redis::Client::open(address().unwrap()).unwrap();
    cmd.query_async(&mut client.get_multiplexed_async_connection().await.unwrap()).await.unwrap()
}

fn key(link: &Link, name: &str) -> String {
    format!("{{{}:gate}}:{name}", link.options().prefix)
}

async fn free(gate: &RedisGate) -> i64 {
    gate.level(product(1)).await.unwrap().unwrap().free
}

#[test]
fn a_hold_that_comes_after_its_order_has_ended_does_nothing() {
    on_redis(async |link| {
        let (gate, scene) = scene_on(&link).await;
        let (released, decided) = (request(&scene, &[(1, 2)]), request(&scene, &[(1, 3)]));
        for hold in [&released, &decided] {
            gate.hold(hold.clone()).await.unwrap();
        }
        gate.release(released.order_id).await.unwrap();
        gate.decided(vec![row(1, 2, 7)], vec![decided.order_id]).await.unwrap();
        // The first try's copy, which was long under way.
        for hold in [released.clone(), decided.clone()] {
            gate.hold(hold).await.unwrap();
        }
        assert_eq!((free(&gate).await, gate.hold_count().await.unwrap()), (7, 0));
        for (order, hours) in [(released.order_id, 24), (decided.order_id, 1)] {
            let remembered = key(&link, &format!("ended:{:020}", order.get()));
            let ttl_ms: i64 = raw(redis::cmd("PTTL").arg(remembered)).await;
            let whole = hours * 3_600_000;
            assert!((whole - 60_000..=whole).contains(&ttl_ms), "{ttl_ms} of {hours} h");
        }
    });
}

#[test]
fn a_hold_has_no_time_to_live() {
    on_redis(async |link| {
        let (gate, scene) = scene_on(&link).await;
        gate.hold(request(&scene, &[(1, 2)])).await.unwrap();
        gate.rebuild(vec![row(1, 2, 10)], vec![request(&scene, &[(1, 1)])]).await.unwrap();
        for name in ["marker", "rows", "undecided", "holds", "deadlines", "stream"] {
            let ttl: i64 = raw(redis::cmd("PTTL").arg(key(&link, name))).await;
            assert_eq!(ttl, -1, "{name} must be there and stay");
        }
    });
}

#[test]
fn everything_that_happens_is_in_the_stream_and_the_stream_is_bounded() {
    on_redis(async |link| {
        let options = GateOptions { stream_len_max: 200, ..GateOptions::default() };
        let (_, scene) = scene_on(&link).await;
        let gate = RedisGate::new(Arc::clone(&link), options);
        let hold = request(&scene, &[(1, 1), (1, 2)]);
        gate.hold(hold.clone()).await.unwrap();
        gate.release(hold.order_id).await.unwrap();
        gate.release(hold.order_id).await.unwrap();
        let told: Vec<(String, Vec<String>)> =
            raw(redis::cmd("XRANGE").arg(key(&link, "stream")).arg("-").arg("+")).await;
        let order = format!("{:020}", hold.order_id.get());
        let expect = |what: &str| ["what", what, "order", &order, "lines", "1:1,1:2"].map(str::to_owned).to_vec();
        let told: Vec<_> = told.into_iter().map(|(_, fields)| fields).collect();
        assert_eq!(told, [expect("hold"), expect("release")]);
        for _ in 0..600 {
            let hold = request(&scene, &[(1, 1)]);
            gate.hold(hold.clone()).await.unwrap();
            gate.release(hold.order_id).await.unwrap();
        }
        let length: usize = raw(redis::cmd("XLEN").arg(key(&link, "stream"))).await;
        assert!((200..=400).contains(&length), "{length}");
    });
}

#[test]
fn a_product_that_only_the_ledger_knows_is_looked_up() {
    on_redis(async |link| {
        let (gate, scene) = scene_on(&link).await;
        let asked = request(&scene, &[(1, 1), (2, 4)]);
        assert!(matches!(gate.hold(asked.clone()).await, Err(HoldError::Short(_))), "nobody has told the gate");
        scene.receive(2, 5, "delivery").await;
        let gate = RedisGate::new(Arc::clone(&link), GateOptions::default()).with_ledger(scene.ports.ledger.clone());
        gate.hold(asked).await.unwrap();
        assert_eq!(gate.level(product(2)).await.unwrap().unwrap().free, 1);
        let short = gate.hold(request(&scene, &[(2, 2), (3, 1)])).await;
        assert!(matches!(short, Err(HoldError::Short(lines)) if lines.len() == 2), "the ledger has no product 3");
    });
}

#[test]
fn a_script_that_the_server_has_forgotten_is_given_to_it_again() {
    on_redis(async |link| {
        let (gate, scene) = scene_on(&link).await;
        gate.hold(request(&scene, &[(1, 1)])).await.unwrap();
        let () = raw(redis::cmd("SCRIPT").arg("FLUSH")).await;
        gate.hold(request(&scene, &[(1, 1)])).await.unwrap();
        assert_eq!(free(&gate).await, 8);
    });
}

#[test]
fn a_large_notice_and_a_large_rebuild_are_taken_whole() {
    on_redis(async |link| {
        let (gate, scene) = scene_on(&link).await;
        let rows: Vec<_> = (1..=3_000).map(|number| row(number, 2, 100)).collect();
        let holds: Vec<_> = (1..=3_000).map(|number| request(&scene, &[(number, 1), (1, 0)])).collect();
        gate.rebuild(rows, holds.clone()).await.unwrap();
        assert_eq!(gate.hold_count().await.unwrap(), 3_000);
        let products: Vec<_> = (1..=3_000).map(product).collect();
        let of = |levels: Vec<Option<doos_ports::stock_gate::Level>>| -> Vec<i64> {
            levels.into_iter().map(|level| level.unwrap().free).collect()
        };
        assert!(of(gate.levels(&products).await.unwrap()).iter().all(|free| *free == 99));
        let rows: Vec<_> = (1..=3_000).map(|number| row(number, 3, 99)).collect();
        gate.decided(rows, holds.iter().map(|hold| hold.order_id).collect::<Vec<OrderId>>()).await.unwrap();
        assert_eq!(gate.hold_count().await.unwrap(), 0);
        assert!(of(gate.levels(&products).await.unwrap()).iter().all(|free| *free == 99));
    });
}

#[test]
fn two_processes_share_one_gate() {
    on_redis(async |link| {
        let (gate, scene) = scene_on(&link).await;
        let other = crate::common::link(address().unwrap(), &link.options().prefix);
        let other = RedisGate::new(other, GateOptions::default());
        let hold = request(&scene, &[(1, 6)]);
        gate.hold(hold.clone()).await.unwrap();
        assert!(matches!(other.hold(request(&scene, &[(1, 5)])).await, Err(HoldError::Short(_))));
        other.release(hold.order_id).await.unwrap();
        other.hold(request(&scene, &[(1, 10)])).await.unwrap();
        assert_eq!((free(&gate).await, gate.last_epoch(), other.last_epoch()), (0, 1, 1));
    });
}

#[test]
fn an_owner_of_an_older_epoch_cannot_rebuild() {
    on_redis(async |link| {
        let (gate, _) = scene_on(&link).await;
        assert_eq!(gate.rebuild_at(7, vec![row(1, 2, 20)], Vec::new()).await.unwrap(), 7);
        let late = gate.rebuild_at(6, Vec::new(), Vec::new()).await;
        assert!(matches!(late, Err(doos_ports::Error::Unavailable { .. })), "{late:?}");
        assert_eq!(free(&gate).await, 20);
        gate.rebuild(vec![row(1, 1, 30)], Vec::new()).await.unwrap();
        assert_eq!(gate.standing().await.unwrap(), doos_adapter_redis::Standing::Open { epoch: 8 });
        assert_eq!(free(&gate).await, 30);
        // What was written for the refused one goes by itself.
        let left: Vec<String> = raw(redis::cmd("KEYS").arg(key(&link, "made:*"))).await;
        for made in left {
            let ttl: i64 = raw(redis::cmd("PTTL").arg(made)).await;
            assert!(ttl > 0 && Duration::from_millis(ttl.unsigned_abs()) <= Duration::from_secs(600));
        }
    });
}

#[test]
fn a_hold_tells_the_epoch_of_the_rebuild_that_it_was_given_after() {
    on_redis(async |link| {
        let (gate, scene) = scene_on(&link).await;
        // As large as the clock makes them.
        for epoch in [114_560_000_000_003, 114_560_000_000_068] {
            gate.rebuild_at(epoch, vec![row(1, 1, 20)], Vec::new()).await.unwrap();
            assert_eq!(gate.marked_epoch().await.unwrap(), epoch);
            let hold = request(&scene, &[(1, 1)]);
            for _ in 0..2 {
                assert_eq!(gate.hold_in_epoch(hold.clone()).await.unwrap(), Some(epoch));
            }
            gate.release(hold.order_id).await.unwrap();
            let ended = gate.hold_in_epoch(hold).await.unwrap();
            assert_eq!(ended, Some(epoch), "one that has ended is told where it would be");
        }
    });
}
