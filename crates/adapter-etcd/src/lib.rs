//! The registry over etcd: who is there, who may try, and which values hold now.
//!
//! What holds: one lease of etcd a process carries its announcement, its names and its worker number, so that all of it
//! ends together and nobody believes in a part. A fence is the revision at which a name's key was created. What is known
//! is one list of everything and one watch from its revision on; whenever the watch breaks, whatever the reason, it is
//! listed again, so that there is never a hole. The way to etcd is one connection to one of its members; a call that is
//! not answered in time moves to the next.
//!
//! With etcd away the view stays as it was, calls are refused at once, and a lease is unsure from the instant at which
//! it may have ended. It is lost only when etcd says so. docs/adr/0013-registry.md
//!
//! What must never happen here: a belief in a lease that is older than the question which prolonged it; a task started
//! in the background: whoever opens the registry is handed its work to drive.
//!
//! Where to read next: `board.rs` for what is known, `session.rs` for how it is kept, `names.rs` for how names are had.
//!
//! ```no_run
//! use doos_adapter_etcd::{EtcdRegistry, Options};
//! use doos_ports::registry::{Registry, Standing};
//!
//! # async fn node(clock: std::sync::Arc<dyn doos_ports::clock::Clock>) -> Result<(), doos_ports::registry::Error> {
//! let (registry, work) = EtcdRegistry::open(Options::default(), clock)?;
//! # #[expect(clippy::disallowed_methods, reason = "node owns its tasks")]
//! let work = tokio::spawn(work); // node: beside.spawn(work)
//!
//! registry.ready().await?; // an error: etcd is away; it goes on trying
//! let worker = registry.worker_number().await?; // App::start takes worker.number; keep the lease
//! registry.announce(&["gateway", "order"], "10.0.0.5:8080"); // once it serves
//!
//! let lease = registry.acquire("gate").await?; // waits until this process may try
//! // Take over under the store's epoch, then work until the lease is lost:
//! if lease.is_sure() { /* raise the epoch */ }
//! tokio::select! { () = lease.lost() => {}, () = std::future::pending() => { /* work */ } }
//!
//! let mut view = registry.view();
//! let gate_address = view.owner("gate").map(|owner| owner.address.clone());
//! view = registry.changed(view.version).await; // discovery and live values
//! registry.close().await; // at the end, after draining
//! # drop((work, worker, gate_address, view)); Ok(())
//! # }
//! ```

mod board;
mod calls;
mod failure;
mod keys;
mod link;
mod names;
mod options;
mod session;
mod shared;
mod tenure;
mod wire;

pub use options::Options;

use async_trait::async_trait;
use doos_ports::clock::Clock;
use doos_ports::registry::{self, Error, Instance, Lease, Registry, View, WorkerNumber};
use std::sync::Arc;

use names::Held;
use shared::Shared;

pub struct EtcdRegistry {
    shared: Arc<Shared>,
}

impl EtcdRegistry {
    /// Builds the registry and its work in the background, without asking anybody: a node starts also while etcd is
    /// away. The work ends once the registry is closed.
    pub fn open(
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<dyn Registry>, impl Future<Output = ()> + Send + 'static), Error> {
        let shared = Arc::new(Shared::new(options, clock).map_err(failure::wrong_options)?);
        let registry = Arc::new(Self { shared: Arc::clone(&shared) });
        Ok((registry, session::run(shared)))
    }
}

#[async_trait]
impl Registry for EtcdRegistry {
    fn instance(&self) -> &str {
        &self.shared.instance
    }

    async fn ready(&self) -> Result<(), Error> {
        self.shared.tenure().await?;
        Ok(())
    }

    fn view(&self) -> Arc<View> {
        self.shared.view()
    }

    async fn changed(&self, seen: u64) -> Arc<View> {
        self.shared.changed(|view| view.version > seen).await
    }

    fn announce(&self, roles: &[&str], address: &str) {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let (name, address) = (self.shared.instance.clone(), address.to_owned());
        self.shared.announce(Some(Instance { name, roles, address, started_at: self.shared.started_at }));
    }

    fn withdraw(&self) {
        self.shared.announce(None);
    }

    async fn try_acquire(&self, name: &str) -> Result<Option<Box<dyn Lease>>, Error> {
        registry::check_name(name)?;
        let got = names::try_acquire(&self.shared, name).await?;
        Ok(got.map(|held| Box::new(held) as Box<dyn Lease>))
    }

    async fn acquire(&self, name: &str) -> Result<Box<dyn Lease>, Error> {
        registry::check_name(name)?;
        let held: Held = names::acquire(&self.shared, name).await?;
        Ok(Box::new(held))
    }

    async fn worker_number(&self) -> Result<WorkerNumber, Error> {
        let (number, held) = names::worker_number(&self.shared).await?;
        Ok(WorkerNumber { number, lease: Box::new(held) })
    }

    async fn set_value(&self, name: &str, text: Option<&str>, expected: Option<u64>) -> Result<u64, Error> {
        registry::check_value(name, text)?;
        names::set_value(&self.shared, name, text, expected).await
    }

    async fn close(&self) {
        session::close(&self.shared).await;
    }
}
