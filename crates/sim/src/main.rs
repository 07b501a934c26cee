//! `doos-sim`
use doos_sim::{cluster, planted::Planted};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (a, b): (u64, u64) = (args[1].parse().unwrap_or(0), args[2].parse().unwrap_or(0));
    let verbose = a + 1 == b;
    for seed in a..b {
        let v = cluster::run(seed, &Planted, verbose);
        if verbose { for l in &v.lines { println!("{l}"); } }
        println!("seed {seed}: orders {} polls {} ms {} {:x?} {:#?}", v.orders, v.polls, v.elapsed_ms, v.digest, v.findings);
    }
}
