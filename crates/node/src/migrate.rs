//! `doos migrate`: the tables of a cluster's databases. An embedded store brings itself up to date.

use anyhow::{Context, Result, bail};
use doos_adapter_mysql::{Databases, Standing};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::config::Config;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// What `Up` would do. Changes nothing.
    Plan,
    /// Makes missing databases, brings every database up to date, deals out the buckets of a new cluster.
    Up,
}

/// Where every database stands.
#[derive(Debug, Serialize)]
pub struct Migration {
    pub databases: Vec<Line>,
}

#[derive(Debug, Serialize)]
pub struct Line {
    pub database: String,
    pub context: String,
    pub applied: u32,
    /// Steps still to come.
    pub pending: Vec<String>,
}

impl Migration {
    /// Whether a node would start on these databases.
    pub fn is_done(&self) -> bool {
        self.databases.iter().all(|line| line.pending.is_empty())
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.databases {
            let Line { database, context, applied, pending } = line;
            let standing = match pending.as_slice() {
                [] => "up to date".to_owned(),
                pending => format!("to come: {}", pending.join(", ")),
            };
            writeln!(f, "{context:<10} {database}  step {applied}  {standing}")?;
        }
        f.write_str(if self.is_done() { "all databases are up to date" } else { "run `doos migrate up`" })
    }
}

pub async fn run(config: &Config, verb: Verb) -> Result<Migration> {
    if !config.database.is_cluster() {
        bail!("database.shards is empty: an embedded store brings itself up to date when it is opened");
    }
    let clock = Arc::new(SystemClock::start());
    let databases = Databases::new(config.database.options(), clock).context("the databases' addresses")?;
    let standing = match verb {
        Verb::Plan => databases.standing().await,
        Verb::Up => databases.migrate().await,
    };
    let line = |standing: Standing| Line {
        context: format!("{:?}", standing.schema).to_lowercase(),
        database: standing.database,
        applied: standing.applied,
        pending: standing.pending.iter().map(|(version, name)| format!("{version} {name}")).collect(),
    };
    Ok(Migration { databases: standing?.into_iter().map(line).collect() })
}
