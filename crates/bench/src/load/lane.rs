//! One thread of a load with its own runtime, its share of the connections, and its own tally.

use anyhow::Result;
use futures::stream::{FuturesUnordered, StreamExt};
use std::cell::RefCell;
use std::sync::atomic::AtomicU64;

use super::arrivals::{Arrivals, Paced};
use super::schedule::Schedule;
use super::{Load, Outcome, Pace, Tally, Work};
use crate::clock::Clock;
use crate::http::{Connection, Refusal};
use crate::notes::Notes;

/// A connection that is refused so often in a row gives up: there is no server.
const REFUSED_IN_A_ROW_MAX: u32 = 50;

pub struct Plan<'a> {
    pub load: &'a Load,
    pub number: usize,
    pub lanes: usize,
    pub clock: Clock,
    pub taken: &'a AtomicU64,
}

impl Plan<'_> {
    pub fn run<W: Work>(&self, make: impl Fn(usize) -> W) -> Result<(Tally, Notes)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ends_ns = (self.load.seconds * 1e9) as u64;
        let paced = self.schedule().map(Paced::new);
        std::thread::scope(|scope| {
            let pacing = paced.as_ref().map(|paced| scope.spawn(|| paced.hand_out(self.clock)));
            let (mut tally, notes) = runtime.block_on(self.drive(make, paced.as_ref(), ends_ns));
            // Connections that have all given up would leave the pacer waiting.
            if let Some(paced) = &paced {
                paced.stop();
            }
            tally.unsent = pacing.map_or(0, |pacing| pacing.join().expect("the pacer does not panic"));
            Ok((tally, notes))
        })
    }

    fn schedule(&self) -> Option<Schedule> {
        let Pace::Open { rate_per_s } = self.load.pace else { return None };
        let whole = (rate_per_s * self.load.seconds).ceil() as u64;
        let count = self.load.count_max.map_or(whole, |count| count.min(whole));
        Some(Schedule::new(rate_per_s, count.max(1), self.number, self.lanes))
    }

    async fn drive<W: Work>(&self, make: impl Fn(usize) -> W, paced: Option<&Paced>, end_ns: u64) -> (Tally, Notes) {
        let tally = RefCell::new(Tally::default());
        let own = (self.number..self.load.connections).step_by(self.lanes);
        let driven: FuturesUnordered<_> = own
            .map(|connection| {
                let arrivals = self.arrivals(paced, end_ns);
                drive(self.load, self.clock, arrivals, make(connection), &tally)
            })
            .collect();
        let notes = driven.fold(Notes::default(), async |mut notes, one| {
            notes.merge(one);
            notes
        });
        let notes = notes.await;
        (tally.into_inner(), notes)
    }

    fn arrivals<'a>(&'a self, paced: Option<&'a Paced>, end_ns: u64) -> Arrivals<'a> {
        if let Some(paced) = paced {
            return Arrivals::Open(paced);
        }
        let valve = if let Pace::Gated(valve) = &self.load.pace { Some(valve.clone()) } else { None };
        let count_max = self.load.count_max.unwrap_or(u64::MAX);
        Arrivals::Closed { clock: self.clock, end_ns, taken: self.taken, count_max, valve }
    }
}

/// One connection from its first request to its last.
async fn drive<W: Work>(
    load: &Load,
    clock: Clock,
    arrivals: Arrivals<'_>,
    mut work: W,
    tally: &RefCell<Tally>,
) -> Notes {
    let mut connection = Connection::new(load.target);
    let mut request = Vec::with_capacity(512);
    let mut refused_in_a_row = 0;
    while refused_in_a_row < REFUSED_IN_A_ROW_MAX
        && let Some(intended_ns) = arrivals.next().await
    {
        request.clear();
        work.prepare(&mut request);
        let sent_ns = clock.now_ns();
        let outcome = match connection.call(&request).await {
            Ok(answer) => {
                refused_in_a_row = 0;
                Ok(work.judge(answer))
            }
            Err(refusal) => {
                refused_in_a_row += 1;
                work.lost();
                Err(refusal)
            }
        };
        let now_ns = clock.now_ns();
        let mut tally = tally.borrow_mut();
        tally.elapsed_ns = tally.elapsed_ns.max(now_ns);
        // The pacer may be early by less than a look; a latency counts from whichever was first.
        let (latency_ns, service_ns) = (now_ns - intended_ns.min(sent_ns), now_ns - sent_ns);
        match outcome {
            Ok(Outcome::Done) => tally.done(latency_ns, service_ns),
            Ok(Outcome::OnTheWay) => {}
            Ok(Outcome::Shed { with_retry_after }) => tally.shed(service_ns, with_retry_after),
            Ok(Outcome::Failed(name)) => tally.failed(name),
            Err(refusal @ Refusal::NotSent(_)) => tally.failed(refusal.to_string()),
            Err(refusal @ Refusal::Unknown(_)) => tally.unknown(refusal.to_string()),
        }
    }
    work.into_notes()
}
