//! Taking over the stock gate: the steps between having the lease and opening.
//!
//! What holds: first the epoch is raised on every order shard, then what is stored there undecided is read, then stock and
//! decisions in one snapshot of the inventory; what is undecided is held. So whoever held for an earlier gate either has
//! an order that is found here, or gets none stored. A shard that does not answer in time is skipped: it keeps its old
//! epoch, takes nothing that is held under the new one, and is found behind by [`App::is_gate_behind`].
//!
//! What must never happen: two owners with one epoch. It grows with the clock and ends in the owner's worker number, so
//! it differs from that of every other owner even if neither has seen the shards that the other has.

use doos_domain::order::Order;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::gate_epochs::GateEpochs;
use doos_ports::stock_gate::{Hold, HoldError};
use doos_ports::stock_ledger::StockTransaction;
use futures::future::{Either, join_all, select};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{App, Error, Result};

/// A shard that has not answered by then is skipped.
const SHARD_PATIENCE: Duration = Duration::from_secs(5);
/// Bits of a worker number.
const WORKER_BITS: u32 = 6;

/// What a gate is filled with. Inventory decides nothing until this is dropped, so that rows and holds are of one
/// instant: an order decided a moment ago must not be held on top of its deduction.
pub struct Contents {
    pub rows: Vec<StockRow>,
    pub holds: Vec<Hold>,
    _locked: Box<dyn StockTransaction>,
}

/// The epoch is raised wherever it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    pub epoch: u64,
    pub shards: Vec<usize>,
    /// Away: no orders there until the gate is taken over once more.
    pub skipped: Vec<usize>,
}

/// Above every epoch that is known, and no other owner's.
pub fn next_epoch(highest: u64, now: Timestamp, worker: u8) -> u64 {
    let time = u64::try_from(now.as_millis()).unwrap_or(0);
    let number = time.max((highest >> WORKER_BITS) + 1);
    number << WORKER_BITS | u64::from(worker) & ((1 << WORKER_BITS) - 1)
}

impl App {
    /// Raises the epoch on every shard that answers. `highest`: what is known besides the shards.
    pub async fn raise_gate_epoch(&self, epochs: &dyn GateEpochs, highest: u64) -> Result<Raised> {
        let all: Vec<usize> = (0..epochs.shard_count()).collect();
        let known = join_all(all.iter().map(|shard| self.in_time(epochs.epoch(*shard)))).await;
        let highest = known.iter().filter_map(|known| known.as_ref().ok()).copied().fold(highest, u64::max);
        let epoch = next_epoch(highest, self.ports.clock.now(), self.ids.worker());
        // One that did not tell its epoch is not waited for again.
        let raise = async |(shard, known): (&usize, &Result<u64>)| match known {
            Ok(_) => (*shard, self.in_time(epochs.raise(*shard, epoch)).await),
            Err(error) => (*shard, Err(error.clone())),
        };
        let mut raised = Raised { epoch, shards: Vec::new(), skipped: Vec::new() };
        for (shard, told) in join_all(all.iter().zip(&known).map(raise)).await {
            match told {
                Ok(stands) if stands == epoch => raised.shards.push(shard),
                Ok(stands) => {
                    let cause = format!("epoch {stands} on shard {shard} is above {epoch}: another owner was faster");
                    return Err(Error::Unavailable { cause });
                }
                Err(error) => {
                    let cause = error.cause().unwrap_or_default();
                    tracing::warn!(
                        shard,
                        cause,
                        "this shard is away; it takes no orders until the gate has reached it"
                    );
                    raised.skipped.push(shard);
                }
            }
        }
        if raised.shards.is_empty() {
            return Err(Error::Unavailable { cause: "no order shard answers".to_owned() });
        }
        Ok(raised)
    }

    /// What a gate of this epoch begins with.
    pub async fn gate_contents(&self, epochs: &dyn GateEpochs, raised: &Raised) -> Result<Contents> {
        let of_shards = join_all(raised.shards.iter().map(|shard| self.in_time(epochs.undecided(*shard)))).await;
        // Its epoch is raised, so what it has must be known before the gate may open.
        let undecided = of_shards.into_iter().collect::<Result<Vec<_>>>()?.concat();
        self.contents(&undecided).await
    }

    /// Rows, and holds of those that inventory has not decided about.
    pub(crate) async fn contents(&self, undecided: &[Arc<Order>]) -> Result<Contents> {
        let products = self.ports.ledger.rows().await?.iter().map(|row| row.product_id).collect();
        let orders = undecided.iter().map(|order| order.id).collect();
        let locked = self.ports.ledger.lock(products, orders).await?;
        let decided: BTreeSet<_> = locked.decisions().iter().map(|decision| decision.order_id).collect();
        let deadline = self.ports.clock.now().plus_millis(i64::try_from(self.options.hold_deadline_ms).unwrap_or(0));
        let open = undecided.iter().filter(|order| !decided.contains(&order.id));
        let hold = |order: &Arc<Order>| Hold { order_id: order.id, lines: order.demands(), key: None, deadline };
        Ok(Contents { rows: locked.rows(), holds: open.map(hold).collect(), _locked: locked })
    }

    /// Holds for stored orders that a gate which keeps its holds has none for, since they were placed under another
    /// gate. It may have too little for them; whether there is enough is inventory's to decide.
    pub async fn hold_undecided(&self) -> Result<usize> {
        let undecided = self.ports.orders.undecided().await?;
        let mut contents = self.contents(&undecided).await?;
        let holds = std::mem::take(&mut contents.holds);
        let mut held = 0;
        for hold in holds {
            match self.ports.gate.hold(hold).await {
                Ok(()) => held += 1,
                Err(HoldError::Short(_) | HoldError::InProgress(_)) => {}
                Err(HoldError::Engine(error)) => return Err(error.into()),
            }
        }
        // Not before: a decision in between would tell the gate to end a hold that comes after it, and stays.
        drop(contents);
        Ok(held)
    }

    /// Whether a shard that answers stands at another epoch than the gate: it was skipped, has come anew, or somebody
    /// else has raised it. What does not answer cannot be taken over either.
    pub async fn is_gate_behind(&self, epochs: &dyn GateEpochs, epoch: u64) -> bool {
        let asked = (0..epochs.shard_count()).map(|shard| self.in_time(epochs.epoch(shard)));
        join_all(asked).await.into_iter().any(|told| told.is_ok_and(|stands| stands != epoch))
    }

    async fn in_time<T>(&self, asked: impl Future<Output = doos_ports::Result<T>>) -> Result<T> {
        match select(pin!(asked), pin!(self.ports.clock.sleep(SHARD_PATIENCE))).await {
            Either::Left((told, _)) => Ok(told?),
            Either::Right(_) => {
                Err(Error::Unavailable { cause: format!("it did not answer within {SHARD_PATIENCE:?}") })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_grow_also_when_the_clock_has_gone_back_and_no_two_workers_have_one() {
        let at = Timestamp::from_millis;
        let first = next_epoch(0, at(1_790_000_000_000), 3);
        for now in [0, 1_790_000_000_000, 1_790_000_000_001] {
            let second = next_epoch(first, at(now), 3);
            assert!(second > first, "{now}");
            assert_ne!(second, next_epoch(first, at(now), 4));
        }
        // A script and a score hold whole numbers up to 2^53 exactly.
        assert!(next_epoch(0, at(2_000_000_000_000), 63) < 1 << 53);
    }
}
