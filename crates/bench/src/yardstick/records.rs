//! The records that placing an order writes, read from the journal of the server that wrote them.

use anyhow::{Context, Result, ensure};
use doos_journal::{RealDisk, peek};
use std::path::Path;

/// What one placed order wrote: the order's record and its message's.
pub type Unit = [Vec<u8>; 2];

/// The message that asks inventory for a new order's stock; nothing but placing writes it behind an order.
const ASKS_FOR_STOCK: &[u8] = b"DeductStock";

/// Placed orders as they stand in the journal of this data directory, at most so many.
pub fn placed(data_dir: &Path, count_max: usize) -> Result<Vec<Unit>> {
    let disk = RealDisk::open(data_dir.join("journal")).context("the journal's directory")?;
    let reader = peek(&disk)?;
    let mut units = Vec::new();
    for group in reader.groups(reader.oldest())? {
        let records = group?.records;
        for pair in records.windows(2).filter(|pair| contains(&pair[1].1, ASKS_FOR_STOCK)) {
            units.push([pair[0].1.clone(), pair[1].1.clone()]);
            if units.len() == count_max {
                return Ok(units);
            }
        }
    }
    ensure!(!units.is_empty(), "no placed order is in the journal");
    Ok(units)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
