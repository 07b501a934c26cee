//! The behaviour suite of the port.

use doos_ports::suites::Case;
use std::sync::Arc;

use crate::engine;

fn run(case: Case) {
    engine::with_index(async |index| case(engine::ports(Arc::clone(index))).await);
}

doos_ports::search_suite!(run);
