//! The behaviour suites of every port that is kept in SQL, on real servers, with one order shard and with two.

use crate::common::{self, Set, runtime, servers};
use doos_adapter_mysql::Options;
use doos_ports::suites::Case;

fn run_on(shards: usize, bulk_writes: bool, case: Case) {
    let Some(servers) = servers() else { return };
    runtime().block_on(async {
        let set = Set::take(&servers, shards).await;
        let options = Options { bulk_writes, ..common::options(&set.addresses) };
        case(common::ports_with(options).await).await;
    });
}

macro_rules! sql_suites {
    ($run:ident) => {
        doos_ports::order_store_suite!($run);
        doos_ports::order_consume_suite!($run);
        doos_ports::order_lists_suite!($run);
        doos_ports::stock_ledger_suite!($run);
        doos_ports::inbox_suite!($run);
        doos_ports::id_marks_suite!($run);
        doos_ports::action_log_suite!($run);
        doos_ports::catalog_store_suite!($run);
        doos_ports::identity_store_suite!($run);
        doos_ports::payment_book_suite!($run);
        doos_ports::shipment_store_suite!($run);
        doos_ports::statistics_suite!($run);
    };
}

mod one_shard {
    fn run(case: super::Case) {
        super::run_on(1, true, case);
    }

    sql_suites!(run);
}

mod two_shards {
    fn run(case: super::Case) {
        super::run_on(2, true, case);
    }

    sql_suites!(run);
}

/// The statements that MySQL is given, which MariaDB takes as well.
mod as_on_mysql {
    fn run(case: super::Case) {
        super::run_on(2, false, case);
    }

    sql_suites!(run);
}
