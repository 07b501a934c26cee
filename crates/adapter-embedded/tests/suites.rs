//! Every port's behaviour suite, on a real store in a temporary directory: once as it ships, and once with nothing
//! cached and the smallest folding steps, so that what is asked for has left the memory.

mod common;

use doos_adapter_embedded::Options;
use doos_ports::suites::Case;

fn run_with(options: Options, case: Case) {
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    let running = common::run_store(dir.path(), options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor starts");
    runtime.block_on(case(common::ports(&running.store, dir.path())));
    running.stop();
}

mod as_it_ships {
    fn run(case: super::Case) {
        super::run_with(super::common::small(), case);
    }

    doos_ports::all_suites!(run);
}

mod with_nothing_in_memory {
    fn run(case: super::Case) {
        let options = super::Options {
            orders_cached_max: 0,
            changes_cached_max: 0,
            messages_cached_max: 0,
            answers_remembered_max: 0,
            fold_records_max: 1,
            ..super::common::small()
        };
        super::run_with(options, case);
    }

    doos_ports::all_suites!(run);
}
