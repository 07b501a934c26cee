//! The stores without a shop in front: what the disk, the journal and SQLite can do with the same records.

use anyhow::Result;

use crate::report::{Yardstick, YardstickKind, median};
use crate::session::Session;
use crate::yardstick::{self, journal_orders_per_s, sqlite_orders_per_s, sync_latency};

const UNITS_MAX: usize = 20_000;
const SECONDS: f64 = 0.7;

/// Round by round, as everything else; only where the records are ours to read.
pub fn stores(session: &mut Session<'_>) -> Result<()> {
    let Some(own) = &session.own else { return Ok(()) };
    let units = yardstick::placed(&own.data_dir, UNITS_MAX)?;
    let group_len = session.options.connections as usize;
    let dir = session.dir.path().to_owned();
    let (mut journal, mut sqlite) = (Vec::new(), Vec::new());
    let mut syncs = crate::latency::Latencies::default();
    for round in 1..=session.options.rounds {
        session.progress.say(&format!("raw stores: round {round} of {}", session.options.rounds));
        let journal_dir = dir.join(format!("raw-journal-{round}"));
        journal.push(journal_orders_per_s(&journal_dir, &units, group_len, SECONDS)?);
        std::fs::remove_dir_all(&journal_dir)?;
        let database_dir = dir.join(format!("raw-sqlite-{round}"));
        std::fs::create_dir(&database_dir)?;
        sqlite.push(sqlite_orders_per_s(&database_dir.join("raw.db"), &units, group_len, SECONDS)?);
        std::fs::remove_dir_all(&database_dir)?;
        syncs.merge(&sync_latency(&dir, SECONDS)?);
    }
    let bytes: usize = units.iter().flatten().map(Vec::len).sum();
    let order_bytes = (bytes / units.len()) as u64;
    let what = format!("orders of {order_bytes} bytes, {group_len} a group, synced");
    for (kind, store, per_s) in
        [(YardstickKind::RawJournal, "journal", &journal), (YardstickKind::RawSqlite, "SQLite", &sqlite)]
    {
        let (name, per_s) = (format!("raw {store}, {what}"), Some(median(per_s)));
        session.yardsticks.push(Yardstick { kind, name, per_s, order_bytes: Some(order_bytes), latency: None });
    }
    session.yardsticks.push(Yardstick {
        kind: YardstickKind::DiskSync,
        name: "sync of one changed page".to_owned(),
        per_s: None,
        order_bytes: None,
        latency: syncs.percentiles(),
    });
    Ok(())
}
