//! `doos bench`: loads a server, measures what it is compared with in the same run, and checks the books afterwards.
//!
//! What holds: the load generator costs little, since it shares the machine with the server; latencies count from the
//! moment at which a request should have been sent; a comparison alternates between the two sides; a run whose books
//! are wrong has failed, whatever its speed.
//!
//! What must never happen: a load without an end, a number that was not measured in this run, a yardstick that does
//! more or less than it says.
//!
//! Where to read next: `run` for the whole, `scenarios` for what is measured, `load` for how, `yardstick` for against
//! what, `integrity` for the books, `docs/performance.md` for the method.

mod api;
mod backlog;
mod child;
mod clock;
pub mod gates;
mod grpc;
mod http;
mod integrity;
mod latency;
mod load;
mod notes;
pub mod options;
mod progress;
mod report;
mod rounds;
mod run;
mod sampler;
mod scenario;
mod scenarios;
mod session;
mod work;
mod yardstick;

pub use child::Children;
pub use options::{Options, Target};
pub use report::{Report, table};
pub use run::{run, write};
pub use scenario::Scenario;
pub use yardstick::{serve_grpc, serve_http};
