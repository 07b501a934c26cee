//! Take a lock outside of the database, look, decide, write, give the lock back.
//!
//! What holds: the rows remember the fence of the last holder who wrote, and refuse a lower one; a holder that was paused
//! past the end of its lock, or one of two whom a forgetful lock let in together, writes nothing. The free pieces stand
//! in the condition of the write besides, since notices of the ledger take no lock.

use doos_ports::fenced_lock::FencedLock;
use doos_ports::stock_gate::{Hold, HoldError};

use super::optimistic::finish;
use super::tables::{add, reads_for, seen};
use super::verdict::{Verdict, merged};
use super::{Refused, Shelves};
use crate::error::Fault;

/// A lock lost, or a notice between look and write.
const TRIES: u32 = 3;

impl Shelves {
    pub(super) async fn hold_under_lock(&self, hold: &Hold, lock: &dyn FencedLock) -> Result<(), Refused> {
        let sums = merged(&hold.lines);
        let names: Vec<String> = sums.keys().map(|product| format!("stock:{product}")).collect();
        for _ in 0..TRIES {
            let held = lock.take(&names).await.map_err(|error| Refused::Told(HoldError::Engine(error)))?;
            let done = self.hold_with_fence(hold, held.fence).await;
            // Lost, it goes by itself; what was decided under it stands.
            let _ = lock.give_back(held).await;
            if done? {
                return Ok(());
            }
        }
        Err(Refused::Fault(Fault::Contended("the lock was lost each time".to_owned())))
    }

    async fn hold_with_fence(&self, hold: &Hold, fence: u64) -> Result<bool, Refused> {
        let reads = reads_for(std::iter::once(hold), &merged(&hold.lines), "");
        let (mut session, sets) = self.look(&reads, false).await?;
        match seen(sets)?.judge(hold) {
            Verdict::Repeat => Ok(true),
            Verdict::Refuse(told) => Err(Refused::Told(told)),
            Verdict::Take(sums) => {
                let enough: Vec<String> = sums
                    .iter()
                    .map(|(product, qty)| format!("(product_id = {product} AND free - undecided >= {qty})"))
                    .collect();
                let only = format!(" AND fence <= {fence} AND ({})", enough.join(" OR "));
                let write = add(&sums, 1, &format!(", fence = {fence}"), &only);
                session.has_begun();
                let written = session.texts(&format!("START TRANSACTION; {write}")).await;
                finish(session, written.map(drop), sums.len(), hold).await
            }
        }
    }
}
