//! Puts a load on a server: so many connections, for so long, as fast as they are answered or at times fixed before.
//!
//! What holds:
//! * Closed loop: each connection sends its next request when it has its answer. Measures what a server can take.
//! * Open loop: the arrivals are fixed in advance, and a latency counts from the moment at which its request should have
//!   been sent. A server that stalls for a second delays every arrival of that second, and all of them are counted.
//! * A load ends: after its seconds, or its count, and at the latest `GRACE` after that.
//!
//! What must never happen: a request that is sent again by itself, an outcome that is not counted, two connections that
//! share more than a ticket and a tally of their own thread.

mod arrivals;
mod lane;
mod schedule;
mod tally;

use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::clock::Clock;
use crate::http::Answer;
use crate::notes::Notes;

pub use arrivals::Valve;
pub use tally::{Numbers, Tally};

/// How long after its end an open loop still sends arrivals that are late; the rest is counted as not sent.
const GRACE: Duration = Duration::from_secs(3);

/// What a connection does: prepares a request, judges its answer, and remembers what it was promised.
pub trait Work: Send {
    /// Writes the next request into the empty buffer.
    fn prepare(&mut self, request: &mut Vec<u8>);
    fn judge(&mut self, answer: Answer<'_>) -> Outcome;
    /// There was no answer: the request may have been carried out.
    fn lost(&mut self);
    fn into_notes(self) -> Notes;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered as the scenario wants it.
    Done,
    /// Answered as it should be, as a step to what is counted.
    OnTheWay,
    /// Told to come later (429, 503), and whether it was told when.
    Shed { with_retry_after: bool },
    /// Anything else: the name it is counted under.
    Failed(String),
}

#[derive(Clone, Debug)]
pub enum Pace {
    Closed,
    /// Closed, and waiting while the valve is shut.
    Gated(Valve),
    Open {
        rate_per_s: f64,
    },
}

#[derive(Clone, Debug)]
pub struct Load {
    pub target: SocketAddr,
    pub connections: usize,
    pub threads: usize,
    pub pace: Pace,
    pub seconds: f64,
    pub count_max: Option<u64>,
}

impl Load {
    /// Runs to its end and returns when every request is answered or given up.
    pub fn run<W: Work>(&self, make: impl Fn(usize) -> W + Sync) -> Result<(Tally, Notes)> {
        ensure!(self.connections > 0 && self.seconds > 0.0, "a load needs connections and seconds");
        let lanes = self.threads.clamp(1, self.connections);
        let clock = Clock::start();
        let taken = AtomicU64::new(0);
        let results = std::thread::scope(|scope| {
            let started: Vec<_> = (0..lanes)
                .map(|number| {
                    let plan = lane::Plan { load: self, number, lanes, clock, taken: &taken };
                    let make = &make;
                    scope.spawn(move || plan.run(make))
                })
                .collect();
            started.into_iter().map(|lane| lane.join().expect("a lane does not panic")).collect::<Vec<_>>()
        });
        let (mut tally, mut notes) = (Tally::default(), Notes::default());
        for result in results {
            let (lane_tally, lane_notes) = result.context("the load could not be put on")?;
            tally.merge(&lane_tally);
            notes.merge(lane_notes);
        }
        Ok((tally, notes))
    }
}

#[cfg(test)]
mod tests;
