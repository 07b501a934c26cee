//! Who puts months away: one at a time in a cluster, and never while buckets move.

use doos_domain::month::Month;
use doos_domain::time::Timestamp;
use doos_ports::archive::{ArchivedMonth, Ask, Fate, Judge, MonthReport, Obstacle, Progress, Step, Tell, is_settled};
use std::sync::Arc;
use std::time::Duration;

use super::month::{Shelf, number_of};
use super::space::{self, Given};
use crate::database::Database;
use crate::dialect::list;
use crate::engines::Databases;
use crate::error::{Error, Fault};
use crate::partitions::{self, Span};
use crate::session::Session;

/// How often something that met a deadlock, or a table in use, is tried again.
const TRIES_MAX: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);
/// Orders of the month are changed so often that it is never empty.
const CAME_BACK: &str = "order_came_back";

/// Puts months of orders away. Holds the lock that movers hold.
pub struct Archivist {
    shards: Vec<Arc<Database>>,
    lock: Session,
}

impl Databases {
    /// Takes the lock. Every shard must be there, and no move be open.
    pub async fn archivist(&self) -> Result<Archivist, Error> {
        let mover = self.mover().await?;
        if !mover.open().await?.is_empty() {
            return Err(Error::MoveOpen);
        }
        Ok(Archivist { shards: self.shards.clone(), lock: mover.into_lock() })
    }

    /// What was put away, by shard and month.
    pub async fn archived(&self) -> Result<Vec<ArchivedMonth>, Error> {
        let mut archived = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            archived.extend(archived_on(number, shard).await.map_err(|fault| failed(shard, &fault))?);
        }
        Ok(archived)
    }
}

async fn archived_on(number: usize, shard: &Arc<Database>) -> Result<Vec<ArchivedMonth>, Fault> {
    let sql = "SELECT month, orders, began_at, ended_at FROM t_archived_month ORDER BY month";
    let rows: Vec<(u32, u64, i64, Option<i64>)> = shard.read_text("t_archived_month", sql).await?;
    let month_of = |number: u32| {
        let month = Month::try_new(i64::from(number / 100), number % 100);
        month.ok_or_else(|| Fault::row("t_archived_month", format!("{number} is no month")))
    };
    let rows = rows.into_iter().map(|(month, orders, began_at, ended_at)| {
        let (began_at, ended_at) = (Timestamp::from_millis(began_at), ended_at.map(Timestamp::from_millis));
        Ok(ArchivedMonth { shard: number, month: month_of(month)?, orders, began_at, ended_at })
    });
    rows.collect()
}

impl Archivist {
    /// Puts away what is asked for and can be. What fails or is cut off here is gone on with by the next call, of
    /// whatever process.
    pub async fn run(&mut self, ask: Ask, judge: &Judge<'_>, tell: &Tell<'_>) -> Result<Vec<MonthReport>, Error> {
        let mut reports = Vec::new();
        for number in 0..self.shards.len() {
            let shard = Arc::clone(&self.shards[number]);
            let spans = partitions::spans(&shard).await.map_err(|fault| failed(&shard, &fault))?;
            if !ask.dry_run {
                end_what_is_gone(&shard, &spans).await.map_err(|fault| failed(&shard, &fault))?;
            }
            for span in spans.into_iter().filter(|span| ask.which.takes(span.month)) {
                let shelf = Shelf { number, shard: &shard, span, judge, tell };
                reports.push(self.month(&shelf, ask.dry_run).await.map_err(|fault| failed(&shard, &fault))?);
            }
        }
        Ok(reports)
    }

    async fn month(&mut self, shelf: &Shelf<'_>, dry_run: bool) -> Result<MonthReport, Fault> {
        let (shard, Span { month, .. }) = (shelf.shard, shelf.span);
        let mut report = MonthReport::new(shelf.number, month);
        let obstacles = shelf.look(&mut report, is_settled(month, shard.clock.now())).await?;
        report.obstacles = obstacles.told();
        if !report.obstacles.is_empty() {
            return Ok(report);
        }
        if dry_run {
            report.fate = Fate::Archivable;
            return Ok(report);
        }
        shelf.begin().await?;
        for _ in 0..TRIES_MAX {
            self.put_away(shelf, &mut report).await?;
            report.obstacles = shelf.look(&mut report.clone(), true).await?.told();
            if !report.obstacles.is_empty() {
                // Something came back while the others went; they stay put away, and the month is asked for again later.
                return Ok(report);
            }
            (shelf.tell)(&Progress { shard: shelf.number, month, step: Step::GivingBack, done: report.archived });
            self.confirm_lock().await?;
            match self.give_back(shelf).await? {
                Given::Back => {
                    shelf.end().await?;
                    report.fate = Fate::Archived;
                    (shelf.tell)(&Progress { shard: shelf.number, month, step: Step::Done, done: report.archived });
                    return Ok(report);
                }
                Given::InUse => {
                    report.fate = Fate::Emptied;
                    return Ok(report);
                }
                Given::NotEmpty => {}
            }
        }
        report.obstacles = vec![Obstacle { reason: CAME_BACK, count: 1, example: None }];
        Ok(report)
    }

    /// Puts orders away until none is left that can be.
    async fn put_away(&mut self, shelf: &Shelf<'_>, report: &mut MonthReport) -> Result<(), Fault> {
        let (mut after, mut tries) = (None, 0);
        loop {
            self.confirm_lock().await?;
            match shelf.put_away(after, report).await {
                Ok(Some(last)) => (after, tries) = (Some(last), 0),
                Ok(None) => return Ok(()),
                Err(fault) => again(shelf.shard, &mut tries, fault).await?,
            }
        }
    }

    async fn give_back(&self, shelf: &Shelf<'_>) -> Result<Given, Fault> {
        let mut tries = 0;
        loop {
            match space::give_back(shelf.shard, &shelf.span).await {
                // A backup, or whoever else reads for long, has the table: everything is put away, and that is enough.
                Err(Fault::Contended(_)) if tries >= TRIES_MAX => return Ok(Given::InUse),
                Err(fault) => again(shelf.shard, &mut tries, fault).await?,
                given => return given,
            }
        }
    }

    /// The lock is gone if this connection is. Two at work would do no harm, since each transaction stands for itself;
    /// a mover beside would meet this one's look at its buckets.
    async fn confirm_lock(&mut self) -> Result<(), Fault> {
        let gone = |_| Fault::Refused("the lock is lost: another program may be at work".to_owned());
        self.lock.text("DO 0").await.map(drop).map_err(gone)
    }
}

/// Months whose archivist died behind the last step.
async fn end_what_is_gone(shard: &Arc<Database>, spans: &[Span]) -> Result<(), Fault> {
    let there = list(spans.iter().map(|span| number_of(span.month)));
    let now = shard.clock.now().as_millis();
    let sql = format!("UPDATE t_archived_month SET ended_at = {now} WHERE ended_at IS NULL AND month NOT IN ({there})");
    shard.write_text(&sql).await.map(drop)
}

/// Waits before something is tried again, or gives the fault back.
async fn again(shard: &Arc<Database>, tries: &mut u32, fault: Fault) -> Result<(), Fault> {
    if !matches!(fault, Fault::Contended(_)) || *tries >= TRIES_MAX {
        return Err(fault);
    }
    *tries += 1;
    shard.clock.sleep(PAUSE * *tries).await;
    Ok(())
}

fn failed(shard: &Database, fault: &Fault) -> Error {
    Error::Database { database: shard.name.clone(), cause: fault.to_string() }
}
