//! Who owns the stock gate in memory: every node with the role inventory may, one does, and the others send it what they
//! are asked.
//!
//! What holds: a gate is asked only after its epoch stands on the order shards and it has been filled from the ledger and
//! the undecided orders. With the registry away the owner carries on and nobody takes over; it steps down when the
//! registry says that it has lost the name. An owner that was paused past its lease may still hold, and gets nothing
//! stored: its epoch has been raised over.

use doos_adapter_embedded::MemoryGate;
use doos_adapter_peer::{Owner, RemoteGate, RemoteOptions, Seat};
use doos_app::App;
use doos_app::take_over::Raised;
use doos_ports::gate_epochs::GateEpochs;
use doos_ports::registry::{Lease, Registry};
use doos_ports::stock_gate::StockGate;
use secrecy::SecretString;
use std::sync::Arc;

use super::{AFTER_TAKE_OVER, LEASE, LOOK_EVERY, TRY_AGAIN};

pub(crate) struct Election {
    pub app: Arc<App>,
    pub registry: Arc<dyn Registry>,
    pub epochs: Arc<dyn GateEpochs>,
    pub seat: Arc<Seat>,
    /// Whether this node may own the gate.
    pub is_candidate: bool,
    /// Of the cluster, for calls to the owner.
    pub token: SecretString,
    pub options: RemoteOptions,
}

impl Election {
    /// Follows the owner and takes its place when it may, until dropped.
    pub async fn run(self) {
        loop {
            let lease = tokio::select! {
                lease = self.registry.acquire(LEASE), if self.is_candidate => lease,
                () = self.follow() => return,
            };
            let lease = match lease {
                Ok(lease) => lease,
                Err(error) => {
                    tracing::error!(error = %error, "this node cannot stand for the stock gate");
                    self.app.ports.clock.sleep(TRY_AGAIN).await;
                    continue;
                }
            };
            self.seat.give(Owner::Nobody);
            tokio::select! {
                () = self.own(&*lease) => {}
                () = lease.lost() => tracing::warn!("this node has lost the stock gate"),
            }
            self.seat.give(Owner::Nobody);
            lease.release().await;
            self.app.ports.clock.sleep(TRY_AGAIN).await;
        }
    }

    /// Takes the gate over, and once more whenever a shard stands at another epoch. Returns when that cannot be done;
    /// another node may have better luck.
    async fn own(&self, lease: &dyn Lease) {
        loop {
            let raised = match self.take_over().await {
                Ok(raised) => raised,
                Err(error) => {
                    let cause = error.cause().unwrap_or_default();
                    tracing::warn!(error = %error, cause, "the stock gate cannot be taken over; another may try");
                    return;
                }
            };
            tracing::info!(epoch = raised.epoch, skipped = ?raised.skipped, fence = lease.fence(), "this node owns the stock gate");
            // What was decided between the snapshot and this line was told to nobody.
            if let Err(error) = self.app.refresh_gate().await {
                tracing::debug!(error = %error, "the stock gate learns what it missed later");
            }
            self.app.ports.clock.sleep(AFTER_TAKE_OVER).await;
            // With the registry away nobody may begin; what is held stays good where its epoch stands.
            while !lease.is_sure() || !self.app.is_gate_behind(&*self.epochs, raised.epoch).await {
                self.app.ports.clock.sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Until the new gate is filled the old one, if there is one, goes on: what it holds is stored nowhere any more.
    async fn take_over(&self) -> doos_app::Result<Raised> {
        let raised = self.app.raise_gate_epoch(&*self.epochs, 0).await?;
        let mut contents = self.app.gate_contents(&*self.epochs, &raised).await?;
        let gate = MemoryGate::in_epoch(raised.epoch);
        gate.rebuild(std::mem::take(&mut contents.rows), std::mem::take(&mut contents.holds)).await?;
        self.seat.give(Owner::Here(Arc::new(gate)));
        drop(contents);
        Ok(raised)
    }

    /// Goes wherever the owner is; never ends by itself.
    async fn follow(&self) {
        let mut known = None;
        let mut view = self.registry.view();
        loop {
            // Before there is a new owner, the old one is as good as none; it says so itself.
            if let Some(owner) = view.owner(LEASE).filter(|owner| owner.name != self.registry.instance())
                && known.as_ref() != Some(&(owner.name.clone(), owner.address.clone()))
            {
                match RemoteGate::new(&owner.address, &self.token, self.options.clone()) {
                    Ok(remote) => {
                        tracing::info!(owner = owner.name, address = owner.address, "the stock gate is there");
                        self.seat.give(Owner::There(Arc::new(remote)));
                        known = Some((owner.name.clone(), owner.address.clone()));
                    }
                    Err(error) => tracing::error!(error = %error, "the stock gate's address cannot be used"),
                }
            }
            view = self.registry.changed(view.version).await;
        }
    }
}
