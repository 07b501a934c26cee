//! The bus on a real broker.
#![cfg(test)]

mod engine;
mod order;
mod outage;
mod private;
mod records;
mod suite;
mod words;
