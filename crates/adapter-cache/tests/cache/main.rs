//! The cache of orders over a simulated store: every suite of the store's own, and what only a cache can get wrong.
#![cfg(test)]

mod bed;
mod reading;
mod shared;
mod suite;
mod zipf;
