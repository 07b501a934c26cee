//! `doos shards`: the order shards of a cluster, and the buckets that move between them.
//!
//! What holds: nothing here is needed to run a node. A move works beside running nodes, and what is cut off is gone on
//! with; each of its steps is told when it is reached.

use anyhow::{Context, Result, bail};
use doos_adapter_mysql::{Ask, BucketMove, Databases, MoveProgress, ShardStanding};
use doos_ports::clock::Clock;
use serde::Serialize;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::dsn::Dsn;

pub use doos_adapter_mysql::Which;

/// Windows are told of so often at most, steps always.
const TELL_EVERY: Duration = Duration::from_millis(500);

pub enum Verb {
    Add(usize),
    AddAddress(String),
    Move { to: usize, which: Which },
    Resume,
    Cancel,
    Status,
}

pub enum Told {
    Shards(Shards),
    Moved(Moved),
    Cancelled(Cancelled),
}

/// What every shard has.
#[derive(Debug, Serialize)]
pub struct Shards {
    pub shards: Vec<ShardStanding>,
}

impl fmt::Display for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, standing) in self.shards.iter().enumerate() {
            let ShardStanding { shard, database, buckets, leaving, coming, orders_about, open_messages, .. } = standing;
            let line = if at == 0 { "" } else { "\n" };
            if !standing.joined {
                write!(f, "{line}shard {shard}  {database}  has not joined; run `doos shards add --index {shard}`")?;
                continue;
            }
            write!(f, "{line}shard {shard}  {database}  {buckets} buckets, about {orders_about} orders, ")?;
            if standing.archived_about > 0 {
                write!(f, "about {} archived, ", standing.archived_about)?;
            }
            write!(f, "{open_messages} open messages")?;
            if leaving + coming > 0 {
                write!(f, "; {leaving} buckets leaving, {coming} coming")?;
            }
            for moving in &standing.moves {
                write!(f, "\n  {}", line_of(moving))?;
            }
        }
        if self.shards.iter().any(|standing| !standing.moves.is_empty()) {
            write!(f, "\nmoves are open; unless a mover is at work, run `doos shards move --resume`")?;
        }
        Ok(())
    }
}

/// What a call of `move` has moved.
#[derive(Debug, Serialize)]
pub struct Moved {
    pub buckets: usize,
    pub rows_copied: u64,
    pub rows_verified: u64,
    pub moves: Vec<BucketMove>,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { buckets, rows_copied, rows_verified, .. } = self;
        write!(f, "{buckets} buckets moved: {rows_copied} rows copied, {rows_verified} compared")?;
        if let Some(longest) = self.moves.iter().filter_map(|moving| moving.closed_ms).max() {
            write!(f, "; writes to a bucket waited for {longest} ms at most")?;
        }
        Ok(())
    }
}

/// What a call of `move --cancel` has given up.
#[derive(Debug, Serialize)]
pub struct Cancelled {
    /// That stay where they are.
    pub buckets: usize,
    pub moves: Vec<BucketMove>,
    /// Switched already, and to be gone on with.
    pub moves_open: usize,
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} moves were given up: {} buckets stay where they are", self.moves.len(), self.buckets)?;
        if self.moves_open > 0 {
            write!(f, "; {} are switched already: run `doos shards move --resume`", self.moves_open)?;
        }
        Ok(())
    }
}

fn line_of(moving: &BucketMove) -> String {
    let BucketMove { id, source, target, buckets, step, rows_copied, rows_verified, .. } = moving;
    format!(
        "{id}  shard {source} -> {target}  {} buckets  {}  {rows_copied} rows copied, {rows_verified} compared",
        buckets.len(),
        step.name()
    )
}

pub async fn run(config: &Config, verb: Verb, tell: &(dyn Fn(&str) + Sync)) -> Result<Told> {
    if !config.database.is_cluster() {
        bail!("database.shards is empty: an embedded store has no shards");
    }
    let clock = Arc::new(SystemClock::start());
    let databases =
        Databases::new(config.database.options(), Arc::clone(&clock) as _).context("the databases' addresses")?;
    Ok(match verb {
        Verb::Status => Told::Shards(Shards { shards: databases.shards().await? }),
        Verb::Add(number) => Told::Shards(Shards { shards: vec![databases.add_shard(number).await?] }),
        Verb::AddAddress(address) => {
            let number = number_of(config, address)?;
            Told::Shards(Shards { shards: vec![databases.add_shard(number).await?] })
        }
        Verb::Move { to, which } => carry_out(&databases, &clock, Some(Ask { to, which }), tell).await?,
        Verb::Resume => carry_out(&databases, &clock, None, tell).await?,
        Verb::Cancel => cancel(&databases, &clock, tell).await?,
    })
}

/// The number of the configured shard at this address; user and password do not matter.
fn number_of(config: &Config, address: String) -> Result<usize> {
    fn place(url: &str) -> &str {
        url.rsplit_once('@').map_or(url, |(_, place)| place)
    }
    let asked = Dsn::try_from(address).context("this is not a database address")?.url();
    let found = config.database.shards.iter().position(|shard| place(&shard.dsn.url()) == place(&asked));
    found.context("this address is not in database.shards: append it to the configuration of every node first")
}

async fn carry_out(
    databases: &Databases,
    clock: &SystemClock,
    ask: Option<Ask>,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Told> {
    let mut mover = databases.mover().await?;
    if let Some(ask) = ask {
        let planned = mover.plan(&ask).await?;
        let buckets: usize = planned.iter().map(|moving| moving.buckets.len()).sum();
        tell(&format!("{buckets} buckets to move to shard {}, in {} moves", ask.to, planned.len()));
    }
    let moves = mover.run(&sparingly(clock, tell)).await?;
    Ok(Told::Moved(Moved {
        buckets: moves.iter().map(|moving| moving.buckets.len()).sum(),
        rows_copied: moves.iter().map(|moving| moving.rows_copied).sum(),
        rows_verified: moves.iter().map(|moving| moving.rows_verified).sum(),
        moves,
    }))
}

async fn cancel(databases: &Databases, clock: &SystemClock, tell: &(dyn Fn(&str) + Sync)) -> Result<Told> {
    let mut mover = databases.mover().await?;
    let moves = mover.cancel(&sparingly(clock, tell)).await?;
    Ok(Told::Cancelled(Cancelled {
        buckets: moves.iter().map(|moving| moving.buckets.len()).sum(),
        moves,
        moves_open: mover.open().await?.len(),
    }))
}

/// Tells of every step, and of windows now and then.
fn sparingly<'a>(clock: &'a SystemClock, tell: &'a (dyn Fn(&str) + Sync)) -> impl Fn(&MoveProgress) + Sync + 'a {
    let last = Mutex::new(None);
    move |progress: &MoveProgress| {
        let now = clock.monotonic();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_step = progress.table.is_empty();
        if is_step || last.is_none_or(|at| now.saturating_sub(at) >= TELL_EVERY) {
            *last = Some(now);
            let line = line_of(&progress.moving);
            tell(&if is_step { line } else { format!("{line}  ({})", progress.table) });
        }
    }
}
