//! The registry's behaviour suite: every process has a connection, a lease and a view of its own.

use doos_ports::suites::registry::Case;
use std::sync::Arc;

use crate::engine;

fn run(case: Case) {
    engine::run(async |options| {
        let open = Arc::new(move || {
            let registry = engine::open(&options);
            Box::pin(async move {
                registry.ready().await.unwrap();
                registry
            }) as _
        });
        case(open).await;
    });
}

mod one_process {
    use super::run;

    doos_ports::registry_suite!(run);
}

mod many_processes {
    use super::run;

    doos_ports::registry_among_many_suite!(run);
}
