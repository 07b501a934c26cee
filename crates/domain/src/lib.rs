//! The decisions of DOOS as pure functions: what an order may become, what stock may be given, what a cart costs.
//!
//! What holds here: the same input gives the same output, on every machine, for ever. Time, ids and randomness come in
//! as arguments; nothing here reads a clock, a file, a socket or a random number, and nothing is asynchronous. That is
//! what lets the whole system run in a simulator from a seed.
//!
//! What must never happen here: an `async fn`, a dependency on another crate of ours, an iteration over a hash map.
//!
//! Where to read next: [`order`] for the state machine, [`stock`] for the ledger's decisions, [`pricing`] for quotes,
//! [`message`] for what contexts say to each other.

pub mod action;
pub mod actor;
pub mod answer;
pub mod audit;
pub mod catalog;
pub mod ids;
pub mod message;
pub mod money;
pub mod month;
pub mod order;
pub mod payment;
pub mod pricing;
pub mod search;
pub mod shipping;
pub mod statistics;
pub mod stock;
pub mod time;
