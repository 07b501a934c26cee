//! Lock the rows in product order, look, decide, write, commit: nobody else looks meanwhile.

use doos_ports::stock_gate::Hold;

use super::optimistic::finish;
use super::tables::{add, reads_for, seen};
use super::verdict::{Verdict, merged};
use super::{Refused, Shelves};
use crate::error::Fault;

/// Races are decided by the locks; what is left are two holds under one key on different products.
const TRIES: u32 = 5;

impl Shelves {
    pub(super) async fn hold_under_row_locks(&self, hold: &Hold) -> Result<(), Refused> {
        let reads = reads_for(std::iter::once(hold), &merged(&hold.lines), " FOR UPDATE");
        let begin = format!("START TRANSACTION; {reads}");
        for _ in 0..TRIES {
            let (mut session, sets) = match self.look(&begin, true).await {
                Err(Fault::Contended(_)) => continue,
                looked => looked?,
            };
            match seen(sets)?.judge(hold) {
                Verdict::Repeat => return session.rollback().await.map_err(Refused::from),
                Verdict::Refuse(told) => {
                    session.rollback().await?;
                    return Err(Refused::Told(told));
                }
                Verdict::Take(sums) => {
                    let written = session.text(&add(&sums, 1, "", "")).await;
                    if finish(session, written.map(drop), sums.len(), hold).await? {
                        return Ok(());
                    }
                }
            }
        }
        Err(Refused::Fault(Fault::Contended("its rows were not to be had".to_owned())))
    }
}
