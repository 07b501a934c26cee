//! Order ids for this process: the pure generator, and the durable mark it must stay below.
//!
//! What holds: a mark is stored before any id at or above it is issued, so restarts, pauses and clock steps never
//! repeat an id. The mark leads by three seconds only, because the next holder starts above it and ids should not run far
//! ahead of the clock.

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
    generator: Generator,
    tenure: Tenure,
    marks: Arc<dyn IdMarks>,
    clock: Arc<dyn Clock>,
}

impl Ids {
    /// Takes the worker number; whoever held it before is fenced from now on.
    pub async fn take(ports: &Ports, worker: u8) -> Result<Self> {
        let tenure = ports.id_marks.take(worker).await.map_err(from_marks)?;
        let start = tenure.mark.max(ports.clock.now());
        let mark = start.plus_millis(LEAD_MS);
        ports.id_marks.raise(tenure, mark).await.map_err(from_marks)?;
        let generator = Generator::new(worker, start, mark);
        Ok(Self { generator, tenure, marks: Arc::clone(&ports.id_marks), clock: Arc::clone(&ports.clock) })
    }

    pub async fn next(&self, user: UserId) -> Result<OrderId> {
        for _ in 0..WAITS_MAX {
            match self.generator.next(user.bucket(), self.clock.now()) {
                Ok(id) => return Ok(id),
                Err(Exhausted::Ahead) => self.clock.sleep(Duration::from_millis(1)).await,
                Err(Exhausted::MarkReached) => self.keep_ahead().await?,
            }
        }
        Err(Error::Overloaded)
    }

    /// Stores a higher mark when the present one comes near. To be called a few times a second, and when it is reached.
    pub async fn keep_ahead(&self) -> Result<()> {
        let now = self.clock.now();
        if self.generator.mark().millis_since(now) > LEAD_MS / 2 {
            return Ok(());
        }
        let mark = self.generator.mark().max(now).plus_millis(LEAD_MS);
        self.marks.raise(self.tenure, mark).await.map_err(from_marks)?;
        self.generator.raise_mark(mark);
        Ok(())
    }
}

fn from_marks(error: id_marks::Error) -> Error {
    match error {
        id_marks::Error::Engine(error) => error.into(),
        fenced @ id_marks::Error::Fenced { .. } => Error::Unavailable { cause: fenced.to_string() },
    }
}
