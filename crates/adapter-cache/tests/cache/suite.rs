//! Whoever goes through the cache meets the store's whole contract, while the feed is followed beside it.

use doos_adapter_cache::Options;
use doos_ports::suites::Case;

use crate::bed::{Process, engines, runtime};

fn run(case: Case) {
    runtime().block_on(async {
        let process = Process::start(&engines(), 1, Options::default()).await;
        case(process.ports.clone()).await;
    });
}

doos_ports::order_store_suite!(run);
doos_ports::order_lists_suite!(run);
doos_ports::order_consume_suite!(run);
