//! The registry on a real etcd.
#![cfg(test)]

mod cut;
mod engine;
mod forced;
mod outage;
mod paused;
mod proxy;
mod secured;
mod suite;
