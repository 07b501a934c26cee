//! The embedded store: one journal and one database in the data directory, everything in this process.

use anyhow::{Context, Result};
use async_trait::async_trait;
use doos_adapter_embedded::{MemoryGate, Projections, Running, Store};
use doos_app::App;
use doos_domain::audit::MovementSums;
use doos_domain::ids::ProductId;
use doos_domain::stock::StockRow;
use doos_gateway::GaugeSample;
use doos_ports::Ports;
use doos_ports::clock::Clock;
use doos_ports::registry::Lease;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

use super::{Engines, Surroundings, gauge};
use crate::audit::{self, DirectoryEvidence, Evidence, Report};
use crate::clock::ids_ahead_ms;
use crate::config::Config;
use crate::secrets::Secrets;

pub(crate) struct Embedded {
    data_dir: PathBuf,
    worker: u8,
    store: Store,
    projections: Projections,
    gate: Arc<MemoryGate>,
    /// Gone once stopped.
    running: Mutex<Option<Running>>,
}

impl Embedded {
    pub async fn open(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self> {
        let running = open_store(config).await?;
        let store = running.store.clone();
        warn_of_ids_ahead(&store, clock.as_ref())?;
        Ok(Self {
            data_dir: config.data_dir.clone(),
            worker: config.limits.worker,
            store,
            projections: open_projections(config).await?,
            gate: Arc::default(),
            running: Mutex::new(Some(running)),
        })
    }
}

#[async_trait]
impl Evidence for Embedded {
    async fn of(&self, product: ProductId) -> Result<Option<(StockRow, MovementSums)>> {
        DirectoryEvidence(self.data_dir.clone()).of(product).await
    }
}

#[async_trait]
impl Engines for Embedded {
    fn ports(&self, surroundings: Surroundings) -> Ports {
        let store = &self.store;
        Ports {
            clock: surroundings.clock,
            id_marks: store.id_marks(),
            orders: store.orders(),
            outbox: store.outbox(),
            ledger: store.ledger(),
            gate: Arc::clone(&self.gate) as _,
            bus: store.bus(),
            inbox: store.inbox(),
            feed: store.feed(),
            actions: store.actions(),
            catalog: store.catalog(),
            identities: store.identities(),
            payments: store.payments(),
            shipments: store.shipments(),
            statistics: Arc::clone(&self.projections.statistics) as _,
            search: Arc::clone(&self.projections.search) as _,
            provider: surroundings.provider,
            carrier: surroundings.carrier,
        }
    }

    fn worker(&self) -> u8 {
        self.worker
    }

    async fn turn(&self, _name: &str) -> Result<Option<Box<dyn Lease>>> {
        Ok(None)
    }

    async fn join(&self, app: &Arc<App>, _secrets: &Secrets, _beside: &mut JoinSet<()>) -> Result<()> {
        let holds = app.rebuild_gate().await?;
        tracing::info!(holds, "the stock gate is rebuilt");
        Ok(())
    }

    async fn until_stopped(&self) -> String {
        self.store.until_stopped().await
    }

    fn readiness(&self) -> Result<(), String> {
        let stopped = self.store.stopped().map(|cause| format!("the store has stopped: {cause}"));
        let hindered = || self.store.hindrance().map(|cause| format!("the store takes no orders just now: {cause}"));
        stopped.or_else(hindered).map_or(Ok(()), Err)
    }

    fn gauges(&self) -> Vec<GaugeSample> {
        let depths = self.store.depths();
        vec![
            gauge("doos_journal_queue", "Units waiting for the journal", depths.queued as f64),
            gauge("doos_tail_orders", "Orders not folded into the database yet", depths.tail_orders as f64),
            gauge("doos_tail_bytes", "Journal not folded yet", depths.tail_bytes as f64),
            gauge("doos_journal_bytes", "Journal kept", (depths.journal_end - depths.journal_oldest) as f64),
        ]
    }

    async fn audit(&self) -> Result<Report> {
        let data_dir = self.data_dir.clone();
        tokio::task::spawn_blocking(move || audit::beside_server(&data_dir)).await?
    }

    async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(running) = running else { return };
        // Draining the journal blocks; it must not hold up the runtime's threads.
        if tokio::task::spawn_blocking(move || running.stop()).await.is_err() {
            tracing::error!("the store's threads could not be ended");
        }
    }
}

async fn open_store(config: &Config) -> Result<Running> {
    let (dir, options) = (config.data_dir.clone(), config.store);
    let parts = tokio::task::spawn_blocking(move || Store::open_dir(&dir, options)).await?;
    let parts = parts.map_err(|error| {
        let full =
            if error.may_pass() { "; is the disk full? Nothing is lost: free some space and start again" } else { "" };
        anyhow::Error::new(error).context(format!("cannot open the store in {}{full}", config.data_dir.display()))
    })?;
    if let Some(cut) = &parts.recovery.cut {
        tracing::warn!(cut = ?cut, "an unfinished last group was cut; nobody had been told of it");
    }
    if let Some(loss) = &parts.recovery.loss {
        tracing::error!(loss = ?loss, "damage was cut away, and what lay behind it is lost, as accepted");
        // They may hold what the store has lost; they are filled again from what it has.
        Projections::forget(&config.data_dir)?;
    }
    Ok(parts.spawn()?)
}

/// Nothing breaks, but whoever set the clock wrong should know: ids then tell a time that has not come.
fn warn_of_ids_ahead(store: &Store, clock: &dyn Clock) -> Result<()> {
    if let Some(ahead_ms) = ids_ahead_ms(store.id_mark().context("cannot read the marks of order ids")?, clock.now()) {
        tracing::error!(
            ahead_ms,
            "order ids were issued far ahead of the clock: it was wrong at an earlier start, or it is wrong now; \
             see `doos doctor`"
        );
    }
    Ok(())
}

async fn open_projections(config: &Config) -> Result<Projections> {
    let (dir, options) = (config.data_dir.clone(), config.projections);
    let opened = tokio::task::spawn_blocking(move || Projections::open(&dir, options)).await?;
    opened.with_context(|| format!("cannot open statistics and search in {}", config.data_dir.display()))
}
