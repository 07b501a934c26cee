//! Tests of a whole cluster: the real binary as seven processes on the real engines, and what becomes of orders while
//! processes and engines go away and come back.
//!
//! What holds: one cluster at a time, since its tests stop the engines that all share. Each has databases, topics and
//! keys of its own, and removes them. `make test` runs them as a step of its own, after the tests that need the engines
//! up; without an engine they say NOT RUN, and fail under `CI=true`.
//!
//! Where to look: `fixture.rs` starts and stops things; `crowd.rs` are the buyers; `life.rs` follows orders over
//! processes; `away.rs` takes one engine after the other away under load; `gates.rs` tries every stock gate and loses
//! two of them; `resharding.rs` adds a shard; `torture.rs` kills, pauses and cuts whatever there is.
#![cfg(test)]

mod away;
mod crowd;
mod fixture;
mod gates;
mod life;
mod proxy;
mod resharding;
#[path = "../binary/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the single process")]
mod support;
mod torture;
