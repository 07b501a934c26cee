//! The engines of a cluster: order shards and the other databases over MySQL's protocol, Kafka, and the shards' binlogs.
//!
//! What holds: all databases have the tables and settings that they need before anything is served. The broker may be
//! away: orders are taken, and carried on when it is back.

use anyhow::{Context, Result};
use async_trait::async_trait;
use doos_adapter_binlog::BinlogFeed;
use doos_adapter_cache::CachedOrders;
use doos_adapter_embedded::StaticRegistry;
use doos_adapter_etcd::EtcdRegistry;
use doos_adapter_kafka::KafkaBus;
use doos_adapter_mysql::{Databases, MySqlEngines};
use doos_adapter_peer::{RemoteOptions, Seat};
use doos_adapter_redis::{Link, RedisLimits};
use doos_app::App;
use doos_domain::audit::MovementSums;
use doos_domain::ids::ProductId;
use doos_domain::stock::StockRow;
use doos_gateway::GaugeSample;
use doos_ports::Ports;
use doos_ports::clock::Clock;
use doos_ports::order_store::OrderStore;
use doos_ports::rate_limits::SharedLimits;
use doos_ports::registry::{Lease, Registry, WorkerNumber};
use doos_ports::search::SearchIndex;
use doos_roles::Role;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

use super::{Engines, Surroundings, gauge, reads};
use crate::audit::{self, Evidence, Report};
use crate::config::{Config, Gate, Peer};
use crate::gate::{self, Election, Keeper, Shared};
use crate::leased::Leased;
use crate::peers;
use crate::secrets::Secrets;

pub(crate) struct Cluster {
    databases: Databases,
    sql: MySqlEngines,
    bus: Arc<KafkaBus>,
    feed: Arc<BinlogFeed>,
    /// The one connection of this process, shared by everybody who uses Redis; none if there is no Redis.
    redis: Option<Arc<Link>>,
    chosen_gate: Gate,
    /// The gate, if every process asks it itself.
    shared_gate: Option<Shared>,
    /// Where everybody here asks for stock.
    seat: Arc<Seat>,
    search: Arc<dyn SearchIndex>,
    /// In front of the order store; none where nobody reads orders.
    cache: Option<Arc<CachedOrders>>,
    registry: Arc<dyn Registry>,
    /// Under which this process begins.
    number: u8,
    /// Until the node joins the cluster, and keeps it from then on.
    worker: Mutex<Option<WorkerNumber>>,
    peer: Peer,
    roles: Vec<String>,
    places_orders: bool,
}

/// How long the first node of a cluster waits for its gate before it says that it is ready.
const GATE_WAIT: Duration = Duration::from_secs(5);
const COUNT_EVERY: Duration = Duration::from_millis(500);
const KEEP_UP_EVERY: Duration = Duration::from_secs(60);
const NUMBER_EVERY: Duration = Duration::from_secs(1);
/// How long a product that another process has changed is unknown here, at most.
const CATALOG_EVERY: Duration = Duration::from_secs(2);

impl Cluster {
    pub async fn open(config: &Config, clock: &Arc<dyn Clock>, beside: &mut JoinSet<()>) -> Result<Self> {
        let projections = &config.projections;
        let options = doos_adapter_mysql::Options {
            utc_offset_minutes: projections.utc_offset_minutes,
            minute_rows_kept_s: projections.minute_rows_kept_s,
            hour_rows_kept_s: projections.hour_rows_kept_s,
            ..config.database.options()
        };
        let feed = doos_adapter_binlog::Options::new(options.addresses.shards.clone());
        let databases = Databases::new(options, Arc::clone(clock)).context("the databases' addresses")?;
        let registry = open_registry(config, clock, beside).await?;
        let worker = registry.worker_number().await.context("this process needs a worker number")?;
        let sql = databases.open().await.context("cannot open the databases")?;
        let feed = BinlogFeed::new(feed, Arc::clone(clock)).context("the change feed")?;
        let bus = KafkaBus::open(config.kafka.clone()).context("the broker's options")?;
        let redis = config.redis.link(clock).context("redis.addr")?;
        let search = reads::search(config, clock)?;
        let cache = reads::cache(config, Arc::clone(&sql.orders) as _, redis.as_ref(), clock);
        gate::check_the_others(config.gate, &registry.view())?;
        let seat = Arc::new(Seat::default());
        let shared_gate = Shared::open(config.gate, &databases, &sql, redis.as_ref())?;
        if let Some(shared) = &shared_gate {
            shared.take_seat(&seat);
        }
        Ok(Self {
            databases,
            sql,
            bus: Arc::new(bus),
            feed: Arc::new(feed),
            redis,
            chosen_gate: config.gate,
            shared_gate,
            seat,
            search,
            cache,
            registry,
            number: worker.number,
            worker: Mutex::new(Some(worker)),
            peer: config.peer.clone(),
            roles: crate::start::role_names(config),
            places_orders: crate::start::plays(config, "gateway"),
        })
    }

    /// Owns it, keeps it, or follows its owner.
    fn look_after_the_gate(&self, app: &Arc<App>, token: SecretString, beside: &mut JoinSet<()>) {
        let (app, registry) = (Arc::clone(app), Arc::clone(&self.registry));
        let epochs = Arc::clone(&self.sql.gate_epochs) as _;
        let is_candidate = self.plays("inventory");
        match &self.shared_gate {
            Some(_) if !is_candidate => {}
            Some(shared) => {
                beside.spawn(Keeper { app, registry, epochs, gate: shared.clone() }.run());
            }
            None => {
                let call_timeout = Duration::from_millis(self.peer.call_timeout_ms);
                let options = RemoteOptions { call_timeout, ..RemoteOptions::default() };
                let seat = Arc::clone(&self.seat);
                beside.spawn(Election { app, registry, epochs, seat, is_candidate, token, options }.run());
            }
        }
    }

    fn plays(&self, role: &str) -> bool {
        self.roles.iter().any(|played| played == role)
    }
}

/// The registry of the cluster, or of this process where it is alone.
async fn open_registry(config: &Config, clock: &Arc<dyn Clock>, beside: &mut JoinSet<()>) -> Result<Arc<dyn Registry>> {
    if config.etcd.endpoints.is_empty() {
        return Ok(Arc::new(StaticRegistry::new(config.limits.worker, BTreeMap::new(), clock.as_ref())));
    }
    let (registry, work) = EtcdRegistry::open(config.etcd.clone(), Arc::clone(clock)).context("etcd's options")?;
    beside.spawn(work);
    registry.ready().await.context("etcd must be there when a node starts")?;
    Ok(registry)
}

/// A number whose lease has ended may be another process's by now: this one goes on under a new number.
async fn keep_worker_number(registry: Arc<dyn Registry>, mut worker: WorkerNumber, app: Arc<App>) {
    loop {
        worker.lease.lost().await;
        tracing::warn!(number = worker.number, "this process has lost its worker number; it takes another");
        let taken = async {
            let next = registry.worker_number().await?;
            app.ids.retake(next.number).await?;
            anyhow::Ok(next)
        };
        match taken.await {
            Ok(next) => worker = next,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "no worker number can be had; it is tried again");
                app.ports.clock.sleep(NUMBER_EVERY).await;
            }
        }
    }
}

/// What other processes have changed in the catalogue is learnt by looking.
async fn keep_catalog(app: Arc<App>) {
    loop {
        app.ports.clock.sleep(CATALOG_EVERY).await;
        if let Err(error) = app.refresh_catalog().await {
            tracing::debug!(error = %error, "the catalogue could not be looked at");
        }
    }
}

#[async_trait]
impl Evidence for Cluster {
    async fn of(&self, product: ProductId) -> Result<Option<(StockRow, MovementSums)>> {
        self.databases.books().of(product).await
    }
}

#[async_trait]
impl Engines for Cluster {
    fn ports(&self, surroundings: Surroundings) -> Ports {
        let sql = self.sql.clone();
        let orders: Arc<dyn OrderStore> = match &self.cache {
            Some(cache) => Arc::clone(cache) as _,
            None => sql.orders,
        };
        Ports {
            clock: surroundings.clock,
            id_marks: sql.id_marks,
            orders,
            outbox: sql.outbox,
            ledger: sql.ledger,
            gate: Arc::new(self.seat.gate()),
            bus: Arc::clone(&self.bus) as _,
            inbox: sql.inbox,
            feed: Arc::clone(&self.feed) as _,
            actions: sql.actions,
            catalog: sql.catalog,
            identities: sql.identities,
            payments: sql.payments,
            shipments: sql.shipments,
            statistics: sql.statistics,
            search: Arc::clone(&self.search),
            provider: surroundings.provider,
            carrier: surroundings.carrier,
        }
    }

    async fn until_stopped(&self) -> String {
        // What is away comes back, or not; the node refuses meanwhile and needs no new start.
        std::future::pending().await
    }

    /// The read models are brought on by one process at a time; which one, the registry says.
    fn lend(&self, role: Box<dyn Role>) -> Box<dyn Role> {
        if role.name() == "cdc" { Box::new(Leased::new(role, Arc::clone(&self.registry))) } else { role }
    }

    fn registry(&self) -> Option<Arc<dyn Registry>> {
        Some(Arc::clone(&self.registry))
    }

    fn limits(&self) -> Option<Arc<dyn SharedLimits>> {
        let link = self.redis.as_ref()?;
        Some(Arc::new(RedisLimits::new(Arc::clone(link))))
    }

    fn worker(&self) -> u8 {
        self.number
    }

    async fn turn(&self, name: &str) -> Result<Option<Box<dyn Lease>>> {
        Ok(Some(self.registry.acquire(name).await?))
    }

    async fn join(&self, app: &Arc<App>, secrets: &Secrets, beside: &mut JoinSet<()>) -> Result<()> {
        let token = peers::token(&secrets.token);
        let (address, serving) = peers::serve(&self.peer, &self.seat, token.clone()).await?;
        beside.spawn(serving);
        let gate_told = gate::announced(self.chosen_gate);
        let roles: Vec<&str> = self.roles.iter().chain([&gate_told]).map(String::as_str).collect();
        self.registry.announce(&roles, &address);
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            beside.spawn(keep_worker_number(Arc::clone(&self.registry), worker, Arc::clone(app)));
        }
        self.look_after_the_gate(app, token, beside);
        beside.spawn(keep_catalog(Arc::clone(app)));
        if let Some(cache) = &self.cache {
            beside.spawn(Arc::clone(cache).follow(Arc::clone(&self.feed) as _));
        }
        if self.places_orders {
            let (sql, clock) = (self.sql.clone(), Arc::clone(&app.ports.clock));
            beside.spawn(async move {
                loop {
                    let begun = clock.monotonic();
                    sql.count_backlogs().await;
                    // Counting a long backlog costs the shard something; it is then done more rarely.
                    let took = clock.monotonic().saturating_sub(begun);
                    clock.sleep((took * 20).max(COUNT_EVERY)).await;
                }
            });
        }
        if self.plays("timeouts") {
            let (sql, clock) = (self.sql.clone(), Arc::clone(&app.ports.clock));
            beside.spawn(async move {
                loop {
                    if let Err(error) = sql.keep_up(clock.now()).await {
                        tracing::debug!(error = %error, "the databases' upkeep has to wait");
                    }
                    clock.sleep(KEEP_UP_EVERY).await;
                }
            });
        }
        let gate = self.seat.gate();
        let answers = async {
            gate.there().await;
            if let Some(shared) = &self.shared_gate {
                shared.answers(&*app.ports.clock).await;
            }
        };
        if tokio::time::timeout(GATE_WAIT, answers).await.is_err() {
            tracing::warn!("nobody looks after the stock gate yet; orders are refused until somebody does");
        }
        Ok(())
    }

    fn readiness(&self) -> Result<(), String> {
        if !self.seat.gate().is_there() {
            return Err("nobody owns the stock gate; a node with the role inventory must run".to_owned());
        }
        if self.chosen_gate == Gate::Redis && self.redis.as_ref().is_some_and(|redis| redis.is_away()) {
            return Err("Redis is away, and the stock gate with it".to_owned());
        }
        Ok(())
    }

    fn gauges(&self) -> Vec<GaugeSample> {
        let stats = self.bus.stats();
        let mut gauges = vec![gauge(
            "doos_bus_unacknowledged",
            "Messages on their way to the broker",
            stats.publish_queue_len as f64,
        )];
        if let Some(cache) = &self.cache {
            gauges.extend(reads::cache_gauges(cache));
        }
        if let Some(redis) = &self.redis {
            gauges.push(gauge("doos_redis_away", "1 while Redis cannot be reached", f64::from(redis.is_away())));
        }
        gauges
    }

    async fn audit(&self) -> Result<Report> {
        audit::of_cluster(&self.databases.books()).await
    }

    async fn stop(&self) {
        self.registry.close().await;
        self.bus.close().await;
    }
}
