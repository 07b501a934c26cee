//! The engines on a real Redis: the gate's suite and its walk beside the reference gate, what a loss of its memory looks
//! like, behind Sentinels and in a cluster too, and the smaller tools.
//!
//! What only looks runs on the Redis of `DOOS_TEST_REDIS` or `scripts/services.sh`, under a prefix of the test's own.
//! What stops servers starts some of its own. Without a Redis a test prints NOT RUN; under `CI=true` it fails.

#![cfg(test)]

mod common;
mod gate;
mod lost;
mod outage;
mod placed;
mod suite;
mod tools;
