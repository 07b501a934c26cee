//! `doos archive`: months of orders whose orders are all closed are put away, packed, and stay readable.
//!
//! What holds: when an order is closed the domain says, by the configured return window; the engine asks it under its own
//! locks. Months that must wait are told with the reasons. Nothing here is needed to run a node, and what is cut off is
//! gone on with by the same command.

use anyhow::{Context, Result, bail};
use doos_adapter_embedded::{Archive, Books, SCHEMA_NEWEST, fold_dir};
use doos_adapter_mysql::Databases;
use doos_domain::order::{Order, StillOpen};
use doos_ports::archive::{ArchivedMonth, Ask, Fate, MonthReport, Progress, Step};
use doos_ports::clock::Clock;
use serde::Serialize;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::server_file::ServerFile;

pub use doos_domain::month::Month;
pub use doos_ports::archive::Which;

/// Chunks are told of so often at most; where a step begins, always.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// What became of the months that were asked for.
#[derive(Debug, Serialize)]
pub struct Told {
    pub dry_run: bool,
    pub months: Vec<MonthReport>,
}

impl Told {
    /// Whether no month has to wait.
    pub fn is_done(&self) -> bool {
        self.months.iter().all(|month| month.fate != Fate::Refused)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months.is_empty() {
            return f.write_str("nothing to do: there are no such months, or they are archived already");
        }
        for (at, month) in self.months.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            let MonthReport { shard, month: name, fate, orders, archived, bytes_before, bytes_after, .. } = month;
            write!(f, "{line}shard {shard}  {name}  {}  {orders} orders", fate.name())?;
            if *archived > 0 {
                write!(f, ", {archived} put away: {bytes_before} bytes as JSON, {bytes_after} packed")?;
            }
            for obstacle in &month.obstacles {
                write!(f, "\n  {} {}", obstacle.count, obstacle.reason.replace('_', " "))?;
                if let Some(example) = obstacle.example {
                    write!(f, ", such as order {example}")?;
                }
            }
            if *fate == Fate::Emptied {
                write!(f, "\n  its empty space could not be given back, since the table was in use; run this again")?;
            }
        }
        Ok(())
    }
}

/// What was put away earlier.
#[derive(Debug, Serialize)]
pub struct Standing {
    pub months: Vec<ArchivedMonth>,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months.is_empty() {
            return f.write_str("nothing is archived");
        }
        for (at, ArchivedMonth { shard, month, orders, ended_at, .. }) in self.months.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            let ending = if ended_at.is_some() { "" } else { ", not to its end: run `doos archive` again" };
            write!(f, "{line}shard {shard}  {month}  {orders} orders put away{ending}")?;
        }
        Ok(())
    }
}

pub async fn status(config: &Config) -> Result<Standing> {
    let months =
        if config.database.is_cluster() { databases(config)?.archived().await? } else { store(config)?.archived()? };
    Ok(Standing { months })
}

pub async fn run(config: &Config, which: Which, dry_run: bool, tell: &(dyn Fn(&str) + Send + Sync)) -> Result<Told> {
    let clock = SystemClock::start();
    let (now, window_ms) = (clock.now(), config.limits.return_window());
    let judge = move |order: &Order| order.still_open(window_ms, now).map(StillOpen::name);
    let last = Mutex::new((Duration::ZERO, None));
    let tell_some = |progress: &Progress| {
        let now = clock.monotonic();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (progress.shard, progress.month, progress.step);
        if last.1 != Some(place) || now.saturating_sub(last.0) >= TELL_EVERY {
            *last = (now, Some(place));
            tell(&line_of(progress));
        }
    };
    let ask = Ask { which, dry_run };
    let months = if config.database.is_cluster() {
        databases(config)?.archivist().await?.run(ask, &judge, &tell_some).await?
    } else {
        store(config)?.run(ask, now, &judge, &tell_some)?
    };
    Ok(Told { dry_run, months })
}

fn databases(config: &Config) -> Result<Databases> {
    Databases::new(config.database.options(), Arc::new(SystemClock::start())).context("the databases' addresses")
}

/// The embedded store, beside the server that runs on it or without one.
fn store(config: &Config) -> Result<Archive> {
    if ServerFile::read_running(&config.data_dir).is_some_and(|server| server.store_schema < SCHEMA_NEWEST) {
        bail!("the running server is of an older program, which would not find archived orders: restart it first");
    }
    let failed = || format!("the store in {}", config.data_dir.display());
    // Opening would make a store where there is none.
    Books::open(&config.data_dir).with_context(failed)?;
    // A server folds for itself; where none runs, what it left in the journal is brought into the picture first.
    fold_dir(&config.data_dir, config.store).with_context(failed)?;
    Archive::open(&config.data_dir).with_context(failed)
}

fn line_of(progress: &Progress) -> String {
    let Progress { shard, month, step, done } = progress;
    let orders = if *step == Step::Done { "" } else { " so far" };
    format!("shard {shard}  {month}  {done} orders {}{orders}", step.name())
}
