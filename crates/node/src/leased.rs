//! A role that one process at a time should run: it is run while this process holds the role's name in the registry.
//!
//! What holds: the lease only spares work done twice. What keeps two of them from harming each other is in the store
//! that the role writes to, so a holder carries on while it is unsure, as with the registry away, and stops once the
//! name is lost. With the registry away and no holder left nobody begins, and everything is caught up with afterwards.

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use doos_ports::registry::{Lease, Registry, Standing};
use doos_roles::{Ran, Role};
use std::sync::Arc;

pub(crate) struct Leased {
    role: Box<dyn Role>,
    registry: Arc<dyn Registry>,
    lease: Option<Box<dyn Lease>>,
}

impl Leased {
    pub fn new(role: Box<dyn Role>, registry: Arc<dyn Registry>) -> Self {
        Self { role, registry, lease: None }
    }
}

fn is_held(lease: &dyn Lease) -> bool {
    lease.standing() != Standing::Lost
}

#[async_trait]
impl Role for Leased {
    fn name(&self) -> &'static str {
        self.role.name()
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        match &self.lease {
            Some(lease) if is_held(&**lease) => self.role.run_once(now).await,
            Some(_) => {
                tracing::warn!(role = self.role.name(), "this process has lost the role; another carries on");
                self.lease = None;
                Ok(Ran::Idle)
            }
            None => Ok(Ran::Idle),
        }
    }

    async fn ready(&mut self) {
        match &self.lease {
            Some(lease) => tokio::select! {
                () = self.role.ready() => {}
                () = lease.lost() => {}
            },
            None => match self.registry.acquire(&format!("role/{}", self.role.name())).await {
                Ok(lease) => {
                    tracing::info!(role = self.role.name(), fence = lease.fence(), "this process runs the role");
                    self.lease = Some(lease);
                }
                // Only a name that cannot be stored is refused, and a role's can.
                Err(error) => {
                    tracing::error!(role = self.role.name(), error = %error, "the role cannot be had");
                    std::future::pending::<()>().await;
                }
            },
        }
    }
}
