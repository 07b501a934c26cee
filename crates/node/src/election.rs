//! Who owns the stock gate in a cluster: every node with the role inventory may, one does, and the others send it what
//! they are asked.
//!
//! What holds: a gate is asked only after it has been rebuilt from the ledger and the undecided orders. With the
//! registry away the owner carries on and nobody takes over; it steps down when the registry says that it has lost the
//! name. What it held for others and nobody stored is in no other gate; those orders end as any hold does.

use doos_adapter_embedded::MemoryGate;
use doos_adapter_peer::{Owner, RemoteGate, RemoteOptions, Seat};
use doos_app::App;
use doos_ports::registry::Registry;
use doos_ports::stock_gate::StockGate;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// The name that the owner holds.
pub(crate) const GATE: &str = "gate";
const TRY_AGAIN: Duration = Duration::from_millis(500);

pub(crate) struct Election {
    pub app: Arc<App>,
    pub registry: Arc<dyn Registry>,
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
                lease = self.registry.acquire(GATE), if self.is_candidate => lease,
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
            let gate: Arc<dyn StockGate> = Arc::new(MemoryGate::default());
            let rebuilt = tokio::select! {
                rebuilt = self.app.rebuild(&*gate) => rebuilt,
                () = lease.lost() => continue,
            };
            match rebuilt {
                Ok(holds) => tracing::info!(holds, fence = lease.fence(), "this node owns the stock gate"),
                Err(error) => {
                    let cause = error.cause().unwrap_or_default();
                    tracing::warn!(error = %error, cause, "the stock gate cannot be rebuilt; another may try");
                    lease.release().await;
                    self.app.ports.clock.sleep(TRY_AGAIN).await;
                    continue;
                }
            }
            self.seat.give(Owner::Here(gate));
            // What was decided between the rebuilding and this line was told to nobody.
            if let Err(error) = self.app.refresh_gate().await {
                tracing::debug!(error = %error, "the stock gate learns what it missed later");
            }
            lease.lost().await;
            self.seat.give(Owner::Nobody);
            tracing::warn!("this node has lost the stock gate");
        }
    }

    /// Goes wherever the owner is; never ends by itself.
    async fn follow(&self) {
        let mut known = None;
        let mut view = self.registry.view();
        loop {
            // Before there is a new owner, the old one is as good as none; it says so itself.
            if let Some(owner) = view.owner(GATE).filter(|owner| owner.name != self.registry.instance())
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
