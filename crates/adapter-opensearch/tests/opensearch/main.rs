//! Search on a real engine.
#![cfg(test)]

mod engine;
mod failures;
mod meaning;
mod orders;
mod rebuilding;
mod suite;
