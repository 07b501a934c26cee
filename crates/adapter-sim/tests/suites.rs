//! All behaviour suites on the simulated engines, in a calm world, with one shard and with four.

mod one_task;

use doos_adapter_sim::{SimEngines, SimOptions};
use doos_ports::suites::Case;
use futures::executor::block_on;
use one_task::OneTask;
use std::sync::Arc;

fn run_on(shards: usize, case: Case) {
    let options = SimOptions { shards, ..SimOptions::default() };
    let engines = SimEngines::new(options, Arc::new(OneTask::default()));
    block_on(case(engines.ports(1, engines.clock(), engines.gate())));
}

mod one_shard {
    fn run(case: super::Case) {
        super::run_on(1, case);
    }

    doos_ports::all_suites!(run);
    doos_ports::outside_suite!(run);
}

mod four_shards {
    fn run(case: super::Case) {
        super::run_on(4, case);
    }

    doos_ports::all_suites!(run);
}
