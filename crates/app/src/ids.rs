//! Order ids for this process: the pure generator, and the durable mark it must stay below.
//!
//! What holds: a mark is stored before any id at or above it is issued, so restarts, pauses and clock steps never
//! repeat an id. The mark leads by three seconds only, because the next holder starts above it and ids should not run far
//! ahead of the clock.

use arc_swap::ArcSwap;
use doos_domain::ids::{Exhausted, Generator, OrderId, UserId};
use doos_ports::Ports;
use doos_ports::clock::Clock;
use doos_ports::id_marks::{self, IdMarks, Tenure};
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Result};

/// How far ahead of the clock the mark is stored.
const LEAD_MS: i64 = 3_000;
/// How often a caller waits a millisecond for its bucket before it is refused.
const WAITS_MAX: u32 = 200;

pub struct Ids {
    held: ArcSwap<Held>,
    marks: Arc<dyn IdMarks>,
    clock: Arc<dyn Clock>,
}

/// A worker number and what is issued under it.
struct Held {
    generator: Generator,
    tenure: Tenure,
}

impl Ids {
    /// Takes the worker number; whoever held it before is fenced from now on.
    pub async fn take(ports: &Ports, worker: u8) -> Result<Self> {
        let (marks, clock) = (Arc::clone(&ports.id_marks), Arc::clone(&ports.clock));
        let held = ArcSwap::from_pointee(Held::take(&*marks, &*clock, worker).await?);
        Ok(Self { held, marks, clock })
    }

    /// The number that this process has now.
    pub fn worker(&self) -> u8 {
        self.held.load().tenure.worker
    }

    /// Goes on under another number, because the old one belongs to somebody else now, or soon may. Ids that are being
    /// issued under the old one are good: whoever takes it starts above its mark.
    pub async fn retake(&self, worker: u8) -> Result<()> {
        self.held.store(Arc::new(Held::take(&*self.marks, &*self.clock, worker).await?));
        Ok(())
    }

    pub async fn next(&self, user: UserId) -> Result<OrderId> {
        for _ in 0..WAITS_MAX {
            let next = self.held.load().generator.next(user.bucket(), self.clock.now());
            match next {
                Ok(id) => return Ok(id),
                Err(Exhausted::Ahead) => self.clock.sleep(Duration::from_millis(1)).await,
                Err(Exhausted::MarkReached) => self.keep_ahead().await?,
            }
        }
        Err(Error::Overloaded)
    }

    /// Stores a higher mark when the present one comes near. To be called a few times a second, and when it is reached.
    pub async fn keep_ahead(&self) -> Result<()> {
        let (held, now) = (self.held.load_full(), self.clock.now());
        if held.generator.mark().millis_since(now) > LEAD_MS / 2 {
            return Ok(());
        }
        let mark = held.generator.mark().max(now).plus_millis(LEAD_MS);
        self.marks.raise(held.tenure, mark).await.map_err(from_marks)?;
        held.generator.raise_mark(mark);
        Ok(())
    }
}

impl Held {
    async fn take(marks: &dyn IdMarks, clock: &dyn Clock, worker: u8) -> Result<Self> {
        let tenure = marks.take(worker).await.map_err(from_marks)?;
        let start = tenure.mark.max(clock.now());
        let mark = start.plus_millis(LEAD_MS);
        marks.raise(tenure, mark).await.map_err(from_marks)?;
        Ok(Self { generator: Generator::new(worker, start, mark), tenure })
    }
}

fn from_marks(error: id_marks::Error) -> Error {
    match error {
        id_marks::Error::Engine(error) => error.into(),
        fenced @ id_marks::Error::Fenced { .. } => Error::Unavailable { cause: fenced.to_string() },
    }
}
