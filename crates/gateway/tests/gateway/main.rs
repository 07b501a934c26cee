//! The gateway from the outside: a real listener, real clients, the use cases over simulated engines in calm mode.
//!
//! Each module is named after what a client does. The shop under test is built in one place, `shop.rs`; waits are on
//! what a client can see, with a deadline.
#![expect(clippy::disallowed_methods, reason = "tests own the clock and the tasks they start")]
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails where it stands")]

mod access;
mod back_office;
mod bulk;
mod client;
mod connections;
mod documents;
mod grpc;
mod keys;
mod moves;
mod operators;
mod overload;
mod pages;
mod reading;
mod refusals;
mod sessions;
mod shop;
mod statistics;
mod streams;
