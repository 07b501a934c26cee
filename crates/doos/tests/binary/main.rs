//! Tests of the real binary, as a child process: what its users meet, and what it does when it is killed.
//!
//! What holds: nothing here reaches into the program. The tests know its command line, its HTTP and gRPC interface and
//! its data directory, as anybody else does. Each test has a server, a port and a directory of its own.
//!
//! Where to look: `life/` follows an order and the commands round it, one file a subject; `torture.rs` kills the process
//! again and again under load; `flash_sale.rs` sells a thousand units to ten thousand buyers.
#![cfg(test)]

mod flash_sale;
mod life;
#[expect(dead_code, reason = "shared with the tests of a cluster")]
mod support;
mod torture;
