//! The stock gates that are kept in SQL: the port's suite and a walk beside the reference gate for each way of holding,
//! races between processes, and what each way does about them.

use async_trait::async_trait;
use doos_adapter_mysql::{Databases, SqlGate, Way};
use doos_adapter_sim::{SimEngines, SimOptions};
use doos_domain::ids::OrderId;
use doos_domain::stock::StockRow;
use doos_ports::fenced_lock::{FencedLock, Held};
use doos_ports::stock_gate::{Hold, HoldError, StockGate};
use doos_ports::suites::Case;
use doos_ports::suites::gate_walk::answers_like_the_reference;
use doos_ports::suites::scene::{Scene, answer_key, demand, product, user};
use doos_ports::{Error, Ports, Result};
use futures::future::join_all;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{RealClock, Set, options, runtime, servers};

/// A lock within this process, which forgets nobody.
#[derive(Default)]
struct LocalLock {
    names: Mutex<BTreeSet<String>>,
    fence: AtomicU64,
}

#[async_trait]
impl FencedLock for LocalLock {
    async fn take(&self, names: &[String]) -> Result<Held> {
        loop {
            {
                let mut taken = self.names.lock().unwrap();
                if names.iter().all(|name| !taken.contains(name)) {
                    taken.extend(names.iter().cloned());
                    let fence = self.fence.fetch_add(1, Ordering::SeqCst) + 1;
                    return Ok(Held { names: names.to_vec(), token: String::new(), fence });
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn give_back(&self, held: Held) -> Result<()> {
        self.names.lock().unwrap().retain(|name| !held.names.contains(name));
        Ok(())
    }
}

/// A lock that lets everybody in at once, with fences as it is told.
struct Broken(Mutex<Vec<u64>>);

#[async_trait]
impl FencedLock for Broken {
    async fn take(&self, names: &[String]) -> Result<Held> {
        let fence = self.0.lock().unwrap().pop().expect("a fence for each taking");
        Ok(Held { names: names.to_vec(), token: String::new(), fence })
    }

    async fn give_back(&self, _held: Held) -> Result<()> {
        Ok(())
    }
}

fn gate(set: &Set, way: Way) -> Arc<SqlGate> {
    let databases = Databases::new(options(&set.addresses), RealClock::start()).unwrap();
    Arc::new(databases.gate(way))
}

fn ports(gate: Arc<dyn StockGate>) -> Ports {
    let clock = RealClock::start();
    let sim = SimEngines::new(SimOptions::default(), clock.clone());
    Ports { clock, ..sim.ports(1, sim.clock(), gate) }
}

fn on_gates(test: impl AsyncFnOnce(Set)) {
    let Some(servers) = servers() else { return };
    runtime().block_on(async { test(Set::take(&servers, 1).await).await });
}

fn run_suite(way: Way, case: Case) {
    on_gates(async |set| case(ports(gate(&set, way))).await);
}

fn run_walks(way: Way) {
    on_gates(async |set| {
        let set = &set;
        let config = ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() };
        let steps = proptest::collection::vec(any::<u64>(), 1..40);
        let walked = tokio::task::block_in_place(|| {
            TestRunner::new(config).run(&steps, |steps| {
                tokio::runtime::Handle::current().block_on(async {
                    let gate = gate(set, way.clone());
                    gate.rebuild(Vec::new(), Vec::new()).await.unwrap();
                    let sim = SimEngines::new(SimOptions::default(), RealClock::start());
                    answers_like_the_reference(ports(gate.clone()), &*gate, &*sim.gate(), &steps).await;
                });
                Ok(())
            })
        });
        walked.unwrap();
    });
}

macro_rules! every_way {
    ($($name:ident: $way:expr,)+) => {
        $(mod $name {
            use super::*;

            fn run(case: Case) {
                run_suite($way, case);
            }

            doos_ports::stock_gate_suite!(run);

            #[test]
            fn any_walk_gets_the_answers_of_the_reference_gate() {
                run_walks($way);
            }

            #[test]
            fn of_many_processes_holds_no_more_are_given_than_there_is_and_none_is_lost() {
                run_race($way);
            }
        })+
    };
}

every_way! {
    optimistic: Way::optimistic(),
    row_lock: Way::RowLock,
    distributed_lock: Way::DistributedLock(Arc::new(LocalLock::default())),
    queue: Way::Queue,
}

fn row(number: u64, version: u64, free: i64) -> StockRow {
    StockRow { product_id: product(number), version, received: free, written_off: 0, free, held: 0, sold: 0 }
}

fn request(scene: &Scene, lines: &[(u64, u32)]) -> Hold {
    let lines = lines.iter().map(|(number, qty)| demand(*number, *qty)).collect();
    Hold { order_id: scene.new_id(user(1), 0), lines, key: None, deadline: scene.at(30_000) }
}

async fn connect(set: &Set) -> Conn {
    Conn::new(mysql_async::Opts::from_url(&set.addresses.inventory).unwrap()).await.unwrap()
}

/// What the tables themselves say: undecided pieces as the rows have them, and as the holds add up to.
async fn sums(set: &Set, number: u64) -> (i64, i64) {
    let mut conn = connect(set).await;
    let rows: Option<i64> =
        conn.exec_first("SELECT undecided FROM t_gate_stock WHERE product_id = ?", (number,)).await.unwrap();
    let lines: Vec<String> = conn.query("SELECT product_lines FROM t_gate_hold").await.unwrap();
    let wanted = number.to_string();
    let held = lines.iter().flat_map(|lines| {
        let lines: Vec<serde_json::Value> = serde_json::from_str(lines).unwrap();
        lines.into_iter().filter(|line| line["product_id"] == wanted.as_str()).collect::<Vec<_>>()
    });
    let held = held.map(|line| line["qty"].as_i64().unwrap()).sum();
    conn.disconnect().await.unwrap();
    (rows.unwrap_or(0), held)
}

/// Three processes with a gate each, for the same pieces, some of them given back meanwhile.
fn run_race(way: Way) {
    on_gates(async |set| {
        let gates = [gate(&set, way.clone()), gate(&set, way.clone()), gate(&set, way)];
        gates[0].rebuild(vec![row(1, 1, 30), row(2, 1, 12)], Vec::new()).await.unwrap();
        let scene = Scene::new(ports(gates[0].clone()));
        let callers = (0..60_usize).map(|number| {
            let (gate, other) = (&gates[number % 3], &gates[(number + 1) % 3]);
            let lines: &[(u64, u32)] = if number % 2 == 0 { &[(1, 1), (2, 1)] } else { &[(2, 1), (1, 2)] };
            let hold = request(&scene, lines);
            async move {
                let held = gate.hold(hold.clone()).await;
                if held.is_ok() && number % 5 == 0 {
                    // Twice, from two sides.
                    let (one, two) = tokio::join!(gate.release(hold.order_id), other.release(hold.order_id));
                    one.and(two).expect("a hold can be given back");
                    return None;
                }
                match held {
                    Ok(()) => Some(hold),
                    Err(HoldError::Short(_) | HoldError::Engine(Error::Busy { .. })) => None,
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
        let kept: Vec<Hold> = join_all(callers).await.into_iter().flatten().collect();
        let of = |number: u64| -> i64 {
            kept.iter()
                .flat_map(|hold| &hold.lines)
                .filter(|line| line.product_id == product(number))
                .map(|line| i64::from(line.qty))
                .sum()
        };
        assert!(of(1) <= 30 && of(2) <= 12, "{} of 30 and {} of 12", of(1), of(2));
        assert_eq!((sums(&set, 1).await, sums(&set, 2).await), ((of(1), of(1)), (of(2), of(2))));
        assert_eq!(gates[2].hold_count().await.unwrap(), kept.len());
        // Every piece can still be had.
        let orders: Vec<OrderId> = kept.iter().map(|hold| hold.order_id).collect();
        gates[1].decided(Vec::new(), orders).await.unwrap();
        gates[2].hold(request(&scene, &[(1, 30), (2, 12)])).await.unwrap();
    });
}

#[test]
fn holds_are_still_there_for_the_next_process() {
    on_gates(async |set| {
        let first = gate(&set, Way::RowLock);
        let scene = Scene::new(ports(first.clone()));
        first.decided(vec![row(1, 1, 5)], Vec::new()).await.unwrap();
        let key = Some(answer_key("customer:ü", "k'\\"));
        let hold = Hold { key, ..request(&scene, &[(1, 2), (1, 1)]) };
        first.hold(hold.clone()).await.unwrap();
        drop(first);
        for way in [Way::optimistic(), Way::Queue] {
            let next = gate(&set, way);
            assert_eq!(next.overdue(scene.at(60_000), 10).await.unwrap(), std::slice::from_ref(&hold));
            let twin = next.hold(Hold { order_id: scene.new_id(user(1), 0), ..hold.clone() }).await;
            assert!(matches!(twin, Err(HoldError::InProgress(order)) if order == hold.order_id), "{twin:?}");
            assert_eq!(next.level(product(1)).await.unwrap().unwrap().free, 2);
        }
    });
}

#[test]
fn without_retry_a_lost_race_is_busy_and_never_sold_out() {
    on_gates(async |set| {
        let gate = gate(&set, Way::NO_RETRY);
        gate.rebuild(vec![row(1, 1, 1_000)], Vec::new()).await.unwrap();
        let scene = Scene::new(ports(gate.clone()));
        let (mut held, mut busy) = (0, 0);
        for _ in 0..20 {
            let callers = (0..16).map(|_| gate.hold(request(&scene, &[(1, 1)])));
            for told in join_all(callers).await {
                match told {
                    Ok(()) => held += 1,
                    Err(HoldError::Engine(Error::Busy { .. })) => busy += 1,
                    Err(other) => panic!("there is plenty, and the gate says {other:?}"),
                }
            }
        }
        assert!(held >= 20 && busy > 0, "{held} held, {busy} busy");
        assert_eq!(sums(&set, 1).await, (held, held));
        let patient = self::gate(&set, Way::optimistic());
        let told = join_all((0..8).map(|_| patient.hold(request(&scene, &[(1, 1)])))).await;
        let more = told.iter().filter(|told| told.is_ok()).count();
        assert!(more > 4, "with retries most get through, not {more} of 8");
    });
}

#[test]
fn a_write_under_an_older_fence_is_refused_as_busy() {
    on_gates(async |set| {
        let fences = Broken(Mutex::new(vec![9, 7, 7, 7, 8]));
        let gate = gate(&set, Way::DistributedLock(Arc::new(fences)));
        gate.rebuild(vec![row(1, 1, 10)], Vec::new()).await.unwrap();
        let scene = Scene::new(ports(gate.clone()));
        gate.hold(request(&scene, &[(1, 1)])).await.unwrap();
        let late = gate.hold(request(&scene, &[(1, 1)])).await;
        assert!(matches!(late, Err(HoldError::Engine(Error::Busy { .. }))), "{late:?}");
        gate.rebuild(vec![row(1, 2, 10)], Vec::new()).await.unwrap();
        gate.hold(request(&scene, &[(1, 1)])).await.unwrap();
        assert_eq!(sums(&set, 1).await, (1, 1));
    });
}

#[test]
fn a_queue_writes_what_has_gathered_in_one_transaction() {
    on_gates(async |set| {
        let gate = gate(&set, Way::Queue);
        gate.rebuild(vec![row(1, 1, 10_000)], Vec::new()).await.unwrap();
        let scene = Scene::new(ports(gate.clone()));
        let turn = async || -> u64 {
            let mut conn = connect(&set).await;
            let turn = conn.query_first("SELECT turn FROM t_gate_stock WHERE product_id = 1").await.unwrap();
            conn.disconnect().await.unwrap();
            turn.unwrap()
        };
        let before = turn().await;
        let told = join_all((0..200).map(|_| gate.hold(request(&scene, &[(1, 1)])))).await;
        assert!(told.iter().all(Result::is_ok));
        let writes = turn().await - before;
        assert!(writes <= 3, "200 holds at once took {writes} transactions");
    });
}

#[test]
fn a_hold_that_the_server_refuses_does_not_take_its_group_with_it() {
    on_gates(async |set| {
        let gate = gate(&set, Way::Queue);
        gate.rebuild(vec![row(1, 1, 100)], Vec::new()).await.unwrap();
        let scene = Scene::new(ports(gate.clone()));
        let holds = (0..10).map(|number| {
            let key = (number == 4).then(|| answer_key("customer:1", &"k".repeat(300)));
            gate.hold(Hold { key, ..request(&scene, &[(1, 1)]) })
        });
        let told = join_all(holds).await;
        for (number, told) in told.iter().enumerate() {
            match told {
                Err(HoldError::Engine(Error::Broken { .. })) => assert_eq!(number, 4),
                told => assert!(told.is_ok() && number != 4, "{number}: {told:?}"),
            }
        }
        assert_eq!(sums(&set, 1).await, (9, 9));
    });
}
