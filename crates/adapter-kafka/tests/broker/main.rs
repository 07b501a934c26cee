//! The bus on a real broker.
#![cfg(test)]

mod engine;
mod order;
mod suite;
mod words;
