//! The behaviour suites: what every engine of a port must do, written once and run against each of them.
//!
//! An engine's test file says how one case is run, on an executor and a fresh set of engines of its own choice, and
//! names the suites:
//!
//! ```ignore
//! fn run(case: doos_ports::suites::Case) {
//!     block_on(case(fresh_ports()));
//! }
//! doos_ports::order_store_suite!(run);
//! ```
//!
//! `all_suites!(run)` names them all. Each case becomes a test of its own. The other ports that a case needs to see an effect (the bus for a message, the
//! inbox for progress) come from the same set, which must belong together as in a running node.
//!
//! What must never happen here: a guess about timing. What comes later is waited for, with a bound; what must not come
//! is looked for a few times, which a right engine survives however slow it is.

pub mod action_log;
pub mod archive;
pub mod bus;
pub mod bus_places;
pub mod catalog_store;
pub mod change_feed;
pub mod gate_walk;
pub mod id_marks;
pub mod identity_store;
pub mod inbox;
pub mod order_consume;
pub mod order_lists;
pub mod order_store;
pub mod outside;
pub mod payment_book;
pub mod registry;
pub mod scene;
pub mod search;
pub mod shipment_store;
pub mod statistics;
pub mod stock_gate;
pub mod stock_ledger;

use futures::future::BoxFuture;

use crate::Ports;

/// One sentence of a contract, to be tried on a fresh set of engines.
pub type Case = fn(Ports) -> BoxFuture<'static, ()>;

/// A token as a feed of a few shards gives it out.
const LONG_TOKEN: &str = "b1-ffffffffffffffff-85899345920-20_4294967295-1_4-3_1073741824-17_53687091";

/// The token of a place that lies so many changes after another's.
fn next_token(token: &str, changes: usize) -> String {
    (token.parse::<usize>().unwrap_or_default() + changes).to_string()
}

/// Makes a module's table of cases, and the macro that turns them into tests.
macro_rules! suite {
    ($d:tt $module:ident $macro_name:ident { $($case:ident,)+ }) => {
        /// Every case of this suite by its name.
        pub const ALL: &[(&str, $crate::suites::Case)] = &[
            $((stringify!($case), |ports| Box::pin($case(ports))),)+
        ];

        #[macro_export]
        macro_rules! $macro_name {
            ($d run:ident) => {
                mod $module {
                    $(
                        #[test]
                        fn $case() {
                            super::$d run(|ports| Box::pin($crate::suites::$module::$case(ports)));
                        }
                    )+
                }
            };
        }
    };
}
use suite;

/// All suites at once, for a set of engines that belongs together.
#[macro_export]
macro_rules! all_suites {
    ($run:ident) => {
        $crate::order_store_suite!($run);
        $crate::order_consume_suite!($run);
        $crate::order_lists_suite!($run);
        $crate::stock_ledger_suite!($run);
        $crate::stock_gate_suite!($run);
        $crate::bus_suite!($run);
        $crate::bus_places_suite!($run);
        $crate::inbox_suite!($run);
        $crate::change_feed_suite!($run);
        $crate::id_marks_suite!($run);
        $crate::action_log_suite!($run);
        $crate::catalog_store_suite!($run);
        $crate::identity_store_suite!($run);
        $crate::payment_book_suite!($run);
        $crate::shipment_store_suite!($run);
        $crate::statistics_suite!($run);
        $crate::search_suite!($run);
    };
}
