//! Everything a client touches: REST, gRPC, the live stream, pages, authentication, limits, numbers.
//!
//! What holds: a request comes in at `listen`, gets its trace and its refusals written in `exchange`, is authenticated
//! and admitted in `state`, and reaches a handler in `rest` or `grpc` that reads it strictly and calls one use case.
//! What a client can be told is in `view` and `problem`, and nowhere else. Calls that change something run in tasks of
//! their own, so that a client that hangs up leaves nothing half done.
//!
//! What must never happen here: a rule of the trade, an engine's name, an unbounded queue, a stream that outlives the
//! drain, a token or an address in a log.
//!
//! Where to read next: `rest/mod.rs` for the table of routes, `rest/orders/place.rs` for the path of an order.

pub mod assets;
mod auth;
mod error_pages;
mod exchange;
mod extra;
mod finish;
mod gateway;
mod grpc;
#[doc(hidden)]
pub mod hot;
mod json;
mod limits;
mod listen;
mod live;
mod metrics;
mod negotiate;
mod network;
mod openapi;
mod options;
mod paging;
mod payload;
mod problem;
pub mod proto;
mod rest;
mod shared_limits;
mod state;
mod trace;
mod view;

pub use auth::{IssueError, issue_token};
pub use error_pages::find as error_page;
pub use extra::{Audit, Build, Check, Extra, GaugeSample, Gauges, Repair, RepairCall, Secrets, SpanHook};
pub use gateway::{Drained, Gateway, Listeners, RateControl};
pub use network::{InvalidNetwork, Network};
pub use openapi::openapi_json;
pub use options::{InvalidOption, Options, Profile};
pub use view::audit::{AuditView, DifferenceView, RepairStepView, RepairView, StepOutcome};
