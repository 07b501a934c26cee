//! The raw journal: appends and syncs the records of placed orders in groups, with nothing else to do.

use anyhow::Result;
use doos_journal::{Journal, Options, RealDisk};
use std::path::Path;
use std::sync::Arc;

use super::records::Unit;
use crate::clock::Clock;

/// Journal kept on disk meanwhile.
const KEPT_BYTES: u64 = 192 << 20;

/// Orders made durable a second, in groups of so many.
pub fn orders_per_s(dir: &Path, units: &[Unit], group_len: usize, seconds: f64) -> Result<f64> {
    let disk = Arc::new(RealDisk::open(dir)?);
    let (mut journal, _) = Journal::open(disk, Options::default(), 0, false)?;
    let mut placed = 0_u64;
    let mut units = units.iter().cycle();
    let clock = Clock::start();
    while clock.seconds() < seconds {
        let group: Vec<&Vec<u8>> = units.by_ref().take(group_len).flatten().collect();
        let appended = journal.append(&group)?;
        placed += group_len as u64;
        journal.drop_before(appended.end.saturating_sub(KEPT_BYTES))?;
    }
    Ok(placed as f64 / clock.seconds())
}
