//! `doos-sim`
use doos_sim::{cluster, embedded, planted::{Bug, Planted}};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "planted" {
        for bug in Bug::ALL {
            let caught = (0..bug.seeds_max()).find_map(|seed| {
                let v = cluster::run(seed, &Planted::with(bug), false);
                (!v.is_clean()).then(|| (seed, v.findings[0].clone()))
            });
            println!("{}: {:?}", bug.name(), caught);
        }
        return;
    }
    if args[1] == "emb" { let (a, b): (u64, u64) = (args[2].parse().unwrap_or(0), args[3].parse().unwrap_or(0));
    let verbose = a + 1 == b;
    for seed in a..b { let v = embedded::run(seed, &Planted::NONE, verbose);
        if verbose { for l in &v.lines { println!("{l}"); } }
        println!("seed {seed}: orders {} polls {} ms {} {:x?} {:#?}", v.orders, v.polls, v.elapsed_ms, v.digest, v.findings);
 } return; }
    let (a, b): (u64, u64) = (args[1].parse().unwrap_or(0), args[2].parse().unwrap_or(0));
    let verbose = a + 1 == b;
    for seed in a..b {
        let v = cluster::run(seed, &Planted::NONE, verbose);
        if verbose { for l in &v.lines { println!("{l}"); } }
        println!("seed {seed}: orders {} polls {} ms {} {:x?} {:#?}", v.orders, v.polls, v.elapsed_ms, v.digest, v.findings);
    }
}
