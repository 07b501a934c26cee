//! `kill -9`, pauses past the leases and cut connections, of processes and engines in turn, under buyers that never give
//! up.
//!
//! The order is drawn from a seed, which is printed; `DOOS_TORTURE_SEED` repeats it, `DOOS_TORTURE_KILLS` makes it longer.

use std::time::Duration;
use tokio::process::Command;

use crate::crowd::Crowd;
use crate::fixture::{Cluster, PROCESSES, engine};

const BUYERS: u64 = 12;
/// Longer than the leases of the fixture.
const PAUSE: Duration = Duration::from_secs(4);
const ENGINES: [&str; 7] = ["shard-0", "shard-1", "inventory", "redis", "etcd", "kafka", "opensearch"];

#[derive(Clone, Copy, Debug)]
enum Blow {
    KillProcess(&'static str),
    PauseProcess(&'static str),
    KillEngine(&'static str),
    PauseEngine(&'static str),
    Cut(usize),
}

/// Every process and every engine at least once, in a random order.
fn blows(random: &mut fastrand::Rng, more: u64) -> Vec<Blow> {
    let mut blows: Vec<Blow> = PROCESSES.iter().map(|(name, _)| Blow::KillProcess(name)).collect();
    blows.extend(ENGINES.map(Blow::KillEngine));
    blows.extend(["inventory-1", "inventory-2", "order-1", "gateway-2"].map(Blow::PauseProcess));
    blows.extend(["shard-1", "etcd", "kafka"].map(Blow::PauseEngine));
    blows.extend([Blow::Cut(0), Blow::Cut(1)]);
    let all = blows.clone();
    blows.extend((0..more).map(|_| all[random.usize(..all.len())]));
    random.shuffle(&mut blows);
    blows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_though_roles_and_engines_are_killed_paused_and_cut() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seed = number("DOOS_TORTURE_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("torture of the cluster: DOOS_TORTURE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let crowd = Crowd::gather(&cluster, BUYERS, fastrand::Rng::with_seed(random.u64(..))).await;
    let blows = blows(&mut random, number("DOOS_TORTURE_KILLS").unwrap_or(0));
    for (at, blow) in blows.iter().enumerate() {
        println!("blow {}: {blow:?}", at + 1);
        strike(&mut cluster, &crowd, *blow, &mut random).await;
        if at % 5 == 4 {
            crowd.goods.look_and_restock(&cluster.gateway(1)).await;
        }
    }
    let placed = crowd.prove(&cluster).await;
    assert!(placed > 5 * blows.len(), "hardly anything was going on: {placed} orders");
}

async fn strike(cluster: &mut Cluster, crowd: &Crowd, blow: Blow, random: &mut fastrand::Rng) {
    // Not waiting for anything: these are the random moments.
    tokio::time::sleep(Duration::from_millis(random.u64(50..600))).await;
    let away = Duration::from_millis(random.u64(0..1_500));
    match blow {
        Blow::KillProcess(name) => {
            crowd.leave(cluster, name);
            cluster.server(name).kill().await;
            tokio::time::sleep(away).await;
            cluster.server(name).start().await;
            crowd.come_back(cluster, name);
        }
        Blow::PauseProcess(name) => {
            crowd.leave(cluster, name);
            signal(cluster.pid(name), "STOP").await;
            tokio::time::sleep(PAUSE).await;
            signal(cluster.pid(name), "CONT").await;
            crowd.come_back(cluster, name);
        }
        Blow::KillEngine(name) => {
            engine(&["kill", name]);
            tokio::time::sleep(away).await;
            engine(&["start", name]);
        }
        Blow::PauseEngine(name) => {
            engine(&["pause", name]);
            tokio::time::sleep(PAUSE).await;
            engine(&["resume", name]);
        }
        Blow::Cut(shard) => cluster.proxies[shard].cut(),
    }
}

async fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().await.unwrap();
    assert!(sent.success());
}
