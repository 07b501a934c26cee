//! The disk alone: how long a sync of one changed page takes.

use anyhow::Result;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::clock::Clock;
use crate::latency::Latencies;

const PAGE_BYTES: usize = 4096;
const PAGES: u64 = 256;

/// Writes and syncs one page after the other, in a file that is there already.
pub fn sync_latency(dir: &Path, seconds: f64) -> Result<Latencies> {
    let file = File::create(dir.join("sync-latency"))?;
    for page in 0..PAGES {
        file.write_all_at(&[0; PAGE_BYTES], page * PAGE_BYTES as u64)?;
    }
    file.sync_all()?;
    let mut latencies = Latencies::default();
    let clock = Clock::start();
    while clock.seconds() < seconds {
        let begun_ns = clock.now_ns();
        let content = [latencies.count() as u8; PAGE_BYTES];
        file.write_all_at(&content, latencies.count() % PAGES * PAGE_BYTES as u64)?;
        file.sync_data()?;
        latencies.record_ns(clock.now_ns() - begun_ns);
    }
    Ok(latencies)
}
