//! The change feed on real servers: the port's suite, and what happens to binlogs in a long life.
//!
//! Tests that rotate, purge or cut use the inventory's server and take turns there.
#![cfg(test)]

mod bed;
mod failures;
mod logs;
mod moves;
mod proxy;
mod resuming;
mod suite;
mod volume;
