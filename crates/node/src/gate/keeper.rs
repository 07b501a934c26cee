//! Who looks after a gate that every process asks itself: in Redis, or in the inventory's database.
//!
//! What holds: a gate in Redis is rebuilt, under an epoch of its own on every shard, when it has lost its memory and when
//! a shard stands at another epoch; holds of before are stored nowhere. A gate in SQL keeps its holds, so it is only told
//! what it may not know: the ledger's rows, and orders that were stored under another gate. With the registry away nothing
//! is begun.

use doos_adapter_redis::{RedisGate, Standing};
use doos_app::App;
use doos_ports::gate_epochs::GateEpochs;
use doos_ports::registry::{Lease, Registry};
use std::sync::Arc;
use std::time::Duration;

use super::{AFTER_TAKE_OVER, LEASE, LOOK_EVERY, Shared, TRY_AGAIN};

pub(crate) struct Keeper {
    pub app: Arc<App>,
    pub registry: Arc<dyn Registry>,
    pub epochs: Arc<dyn GateEpochs>,
    pub gate: Shared,
}

impl Keeper {
    /// Keeps the gate whenever it may, until dropped.
    pub async fn run(self) {
        loop {
            match self.registry.acquire(LEASE).await {
                Ok(lease) => {
                    tokio::select! {
                        () = self.keep(&*lease) => {}
                        () = lease.lost() => {}
                    }
                    tracing::warn!("this node keeps the stock gate no more");
                }
                Err(error) => {
                    tracing::error!(error = %error, "this node cannot keep the stock gate");
                    self.app.ports.clock.sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    async fn keep(&self, lease: &dyn Lease) {
        tracing::info!(fence = lease.fence(), "this node keeps the stock gate");
        let mut is_filled = false;
        loop {
            let mut pause = LOOK_EVERY;
            if lease.is_sure() {
                let looked = match &self.gate {
                    Shared::Redis(gate) => self.look_after(gate).await,
                    Shared::Sql(_) if is_filled => Ok(LOOK_EVERY),
                    Shared::Sql(_) => self.fill().await,
                };
                match looked {
                    Ok(next) => (is_filled, pause) = (true, next),
                    Err(error) => {
                        let cause = error.cause().unwrap_or_default();
                        tracing::warn!(error = %error, cause, "the stock gate could not be looked after");
                    }
                }
            }
            self.app.ports.clock.sleep(pause).await;
        }
    }

    /// Rebuilds the gate if it must be. Returns when to look again.
    async fn look_after(&self, gate: &RedisGate) -> doos_app::Result<Duration> {
        match gate.standing().await? {
            Standing::Open { epoch } if !self.app.is_gate_behind(&*self.epochs, epoch).await => return Ok(LOOK_EVERY),
            Standing::Open { epoch } => tracing::info!(epoch, "a shard stands at another epoch than the stock gate"),
            Standing::MustBeRebuilt => tracing::warn!("the stock gate has lost its memory and is rebuilt"),
        }
        let highest = gate.marked_epoch().await?;
        let raised = self.app.raise_gate_epoch(&*self.epochs, highest).await?;
        let mut contents = self.app.gate_contents(&*self.epochs, &raised).await?;
        let (rows, holds) = (std::mem::take(&mut contents.rows), std::mem::take(&mut contents.holds));
        gate.rebuild_at(raised.epoch, rows, holds).await?;
        drop(contents);
        self.app.refresh_gate().await?;
        // Its memory may be lost again at once.
        Ok(if raised.skipped.is_empty() { LOOK_EVERY } else { AFTER_TAKE_OVER })
    }

    async fn fill(&self) -> doos_app::Result<Duration> {
        self.app.refresh_gate().await?;
        let holds = self.app.hold_undecided().await?;
        tracing::info!(holds, "the stock gate knows the ledger's rows and the undecided orders");
        Ok(LOOK_EVERY)
    }
}
