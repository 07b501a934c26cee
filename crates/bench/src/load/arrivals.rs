//! What lets a connection send its next request: a free ticket, an open valve, or an arrival that is due.
//!
//! What holds: in an open loop arrivals are handed out in their order by a thread of their own, which sleeps by the
//! kernel's clock: the runtime's timers tick in milliseconds, far too roughly for what is measured here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

use super::GRACE;
use super::schedule::Schedule;
use crate::clock::Clock;

/// The pacer looks no more often than this, so that it costs little; arrivals between two looks are late by less.
const LOOK_EVERY: Duration = Duration::from_micros(200);
const VALVE_LOOK_EVERY: Duration = Duration::from_millis(2);

/// Shut while the server's backlog is beyond its bound.
#[derive(Clone, Debug, Default)]
pub struct Valve {
    shut: Arc<AtomicBool>,
}

impl Valve {
    pub fn set_shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::Relaxed);
    }

    fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed)
    }
}

pub enum Arrivals<'a> {
    Closed { clock: Clock, end_ns: u64, taken: &'a AtomicU64, count_max: u64, valve: Option<Valve> },
    Open(&'a Paced),
}

/// The arrivals of one lane in an open loop.
pub struct Paced {
    schedule: Schedule,
    due: Semaphore,
    next: AtomicU64,
    stopped: AtomicBool,
}

impl Arrivals<'_> {
    /// When the next request should be sent, once it may; None when there is none any more.
    pub async fn next(&self) -> Option<u64> {
        match self {
            Self::Closed { clock, end_ns, taken, count_max, valve } => {
                while valve.as_ref().is_some_and(Valve::is_shut) && clock.now_ns() < *end_ns {
                    tokio::time::sleep(VALVE_LOOK_EVERY).await;
                }
                let now_ns = clock.now_ns();
                let is_open = now_ns < *end_ns && taken.fetch_add(1, Ordering::Relaxed) < *count_max;
                is_open.then_some(now_ns)
            }
            Self::Open(paced) => {
                paced.due.acquire().await.ok()?.forget();
                Some(paced.schedule.intended_ns(paced.next.fetch_add(1, Ordering::Relaxed)))
            }
        }
    }
}

impl Paced {
    pub fn new(schedule: Schedule) -> Self {
        Self { schedule, due: Semaphore::new(0), next: AtomicU64::new(0), stopped: AtomicBool::new(false) }
    }

    /// Nobody is there any more to send.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Hands out what is due until everything is sent, or it is stopped, or the last arrival is `GRACE` ago. The rest
    /// is never sent, and told.
    pub fn hand_out(&self, clock: Clock) -> u64 {
        let last_ns = self.schedule.intended_ns(self.schedule.count.saturating_sub(1));
        let end_ns = last_ns + u64::try_from(GRACE.as_nanos()).unwrap_or(u64::MAX);
        let mut handed_out = 0;
        loop {
            let now_ns = clock.now_ns();
            let due = self.schedule.due(now_ns);
            if due > handed_out {
                self.due.add_permits((due - handed_out) as usize);
                handed_out = due;
            }
            let sent = self.next.load(Ordering::Relaxed);
            if sent >= self.schedule.count || now_ns > end_ns || self.stopped.load(Ordering::Relaxed) {
                self.due.close();
                return self.schedule.count - sent.min(self.schedule.count);
            }
            let until_next = self.schedule.intended_ns(handed_out).saturating_sub(now_ns);
            std::thread::sleep(Duration::from_nanos(until_next).clamp(LOOK_EVERY, GRACE));
        }
    }
}
