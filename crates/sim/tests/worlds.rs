//! A few hundred seeds of both worlds, without a finding; and the proofs that a finding would have shown.
#![cfg(test)]

use doos_sim::planted::{Bug, Planted};
use doos_sim::{cluster, embedded};

/// More of them by `DOOS_SIM_SEEDS`.
fn seeds(ordinary: u64) -> u64 {
    std::env::var("DOOS_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ordinary)
}

#[test]
fn nothing_is_found_in_the_cluster_world() {
    let mut orders = 0;
    for seed in 0..seeds(250) {
        let verdict = cluster::run(seed, &Planted::NONE, false);
        assert!(verdict.is_clean(), "replay with: doos-sim replay --seed {seed}\n{:#?}", verdict.findings);
        orders += verdict.orders;
    }
    assert!(orders as u64 > seeds(250), "hardly anything was going on: {orders} orders");
}

#[test]
fn nothing_is_found_in_the_embedded_world() {
    let mut orders = 0;
    for seed in 0..seeds(100) {
        let verdict = embedded::run(seed, &Planted::NONE, false);
        let replay = format!("replay with: doos-sim replay --world embedded --seed {seed}");
        assert!(verdict.is_clean(), "{replay}\n{:#?}", verdict.findings);
        orders += verdict.orders;
    }
    assert!(orders as u64 > seeds(100), "hardly anything was going on: {orders} orders");
}

#[test]
fn one_seed_twice_gives_the_same_trace_byte_for_byte() {
    for seed in 0..20 {
        let once = cluster::run(seed, &Planted::NONE, true);
        let again = cluster::run(seed, &Planted::NONE, true);
        assert_eq!((once.digest, once.lines), (again.digest, again.lines), "seed {seed}");
        let once = embedded::run(seed, &Planted::NONE, true);
        let again = embedded::run(seed, &Planted::NONE, true);
        assert_eq!((once.digest, once.lines), (again.digest, again.lines), "embedded, seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_caught() {
    let escaped: Vec<_> = Bug::ALL.into_iter().filter(|bug| bug.caught_by().is_none()).map(Bug::name).collect();
    assert!(escaped.is_empty(), "not caught: {escaped:?}");
}
