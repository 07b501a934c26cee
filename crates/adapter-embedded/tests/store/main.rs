//! The store driven by hand, step by step, on a simulated disk or in a temporary directory.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clock_ahead;
mod crash;
mod equivalence;
mod full_disk;
mod promises;
mod shop;
