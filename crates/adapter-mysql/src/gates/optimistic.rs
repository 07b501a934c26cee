//! Look, decide, and write on the condition that nothing has changed since.
//!
//! What holds: each look is a new one, so a refusal for stock is told of committed rows. Whoever has lost every race is
//! refused as busy, never as sold out. Pauses double from 5 ms up to 50 ms, and between half and all of one is waited,
//! so that those who met once do not meet again.

use doos_ports::stock_gate::Hold;
use std::time::Duration;

use super::tables::{add, insert_holds, reads_for, seen};
use super::verdict::{Seen, Sums, Verdict, merged};
use super::{Refused, Shelves};
use crate::error::Fault;
use crate::session::Session;

const PAUSE_MIN_MS: u64 = 5;
const PAUSE_MAX_MS: u64 = 50;

/// How long to wait before try number `tries`, counted from 1 for the second.
fn pause(tries: u32, random: u64) -> Duration {
    let longest_ms = (PAUSE_MIN_MS << (tries - 1).min(8)).min(PAUSE_MAX_MS);
    let half_us = longest_ms * 500;
    Duration::from_micros(half_us + random % (half_us + 1))
}

impl Shelves {
    pub(super) async fn hold_optimistically(&self, hold: &Hold, tries: u32) -> Result<(), Refused> {
        let reads = reads_for(std::iter::once(hold), &merged(&hold.lines), "");
        for tried in 0..tries.max(1) {
            if tried > 0 {
                let clock = &self.database.clock;
                clock.sleep(pause(tried, clock.random())).await;
            }
            let (session, sets) = self.look(&reads, false).await?;
            let seen = seen(sets)?;
            match seen.judge(hold) {
                Verdict::Repeat => return Ok(()),
                Verdict::Refuse(told) => return Err(Refused::Told(told)),
                Verdict::Take(sums) => {
                    if write(session, hold, &sums, &seen).await? {
                        return Ok(());
                    }
                }
            }
        }
        Err(Refused::Fault(Fault::Contended("others were faster each time".to_owned())))
    }
}

/// Whether nothing had changed, and the hold is written.
async fn write(mut session: Session, hold: &Hold, sums: &Sums, seen: &Seen) -> Result<bool, Refused> {
    let unchanged: Vec<String> = sums
        .keys()
        .filter_map(|product| seen.shelves.get(product).map(|shelf| (product, shelf.turn)))
        .map(|(product, turn)| format!("(product_id = {product} AND turn = {turn})"))
        .collect();
    let only = format!(" AND ({})", unchanged.join(" OR "));
    session.has_begun();
    let begun = session.texts(&format!("START TRANSACTION; {}", add(sums, 1, "", &only))).await;
    finish(session, begun.map(drop), sums.len(), hold).await
}

/// Writes the hold behind its rows and commits, if all of them were written.
pub(super) async fn finish(
    mut session: Session,
    written: Result<(), Fault>,
    rows: usize,
    hold: &Hold,
) -> Result<bool, Refused> {
    match written {
        Ok(()) if session.affected_rows() == rows as u64 => {}
        Ok(()) | Err(Fault::Contended(_)) => {
            session.rollback().await?;
            return Ok(false);
        }
        Err(fault) => return Err(fault.into()),
    }
    let insert = format!("{}; COMMIT", insert_holds(std::iter::once(hold)));
    match session.texts_to_commit(&insert).await {
        Ok(()) => Ok(true),
        // Somebody has held this order or this key meanwhile; the next look finds it.
        Err(Fault::Duplicate(_) | Fault::Contended(_)) => {
            session.rollback().await?;
            Ok(false)
        }
        Err(fault) => Err(Refused::Unknown(fault)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_five_to_fifty_milliseconds_with_jitter() {
        let longest: Vec<u128> =
            (1..8).map(|tries| pause(tries, (5 << (tries - 1).min(8)).min(50) * 500).as_millis()).collect();
        assert_eq!(longest, [5, 10, 20, 40, 50, 50, 50]);
        for tries in 1..8 {
            for random in [0, 1, 777, u64::MAX] {
                let pause = pause(tries, random);
                assert!(pause <= Duration::from_millis(50) && pause >= Duration::from_micros(2_500), "{pause:?}");
            }
        }
    }
}
