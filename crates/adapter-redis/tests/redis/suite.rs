//! The port's behaviour suite, and walks beside the reference gate.

use doos_ports::suites::Case;
use doos_ports::suites::gate_walk::answers_like_the_reference;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::sync::Arc;

use crate::common::{on_redis, open, ports, reference};

fn run(case: Case) {
    on_redis(async |link| case(ports(Arc::new(open(&link).await))).await);
}

doos_ports::stock_gate_suite!(run);

#[test]
fn any_walk_gets_the_answers_of_the_reference_gate() {
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let steps = proptest::collection::vec(any::<u64>(), 1..60);
    let walked = TestRunner::new(config).run(&steps, |steps| {
        on_redis(async |link| {
            let (gate, reference) = (Arc::new(open(&link).await), reference());
            answers_like_the_reference(ports(gate.clone()), gate.as_ref(), reference.as_ref(), &steps).await;
        });
        Ok(())
    });
    walked.unwrap();
}
