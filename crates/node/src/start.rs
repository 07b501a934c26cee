//! Starting, running and ending a node.

use anyhow::{Context, Result};
use doos_app::App;
use doos_ports::clock::Clock;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::callbacks::HttpSink;
use crate::clock::SystemClock;
use crate::config::{Config, Profile};
use crate::engines::{self, Engines, Surroundings};
use crate::live::Live;
use crate::secrets::Secrets;
use crate::server_file::ServerFile;
use crate::standins::{self, CarrierDesk, Provider};
use crate::telemetry::LogLevel;
use crate::{doctor, gateway, seed};

pub struct Node {
    config: Config,
    listen: SocketAddr,
    engines: Arc<dyn Engines>,
    app: Arc<App>,
    gateway: gateway::Serving,
    stop_roles: StopRoles,
    roles: JoinSet<()>,
    /// The groups' flushers and the stand-ins; they end with the process.
    beside: JoinSet<()>,
    products: usize,
    signals: Signals,
}

/// Ends the roles.
#[derive(Default)]
struct StopRoles {
    /// After the run in progress.
    asked: CancellationToken,
    /// In the middle of it, wherever it waits for something.
    cut: CancellationToken,
}

impl Node {
    pub async fn start(config: Config) -> Result<Self> {
        config.check()?;
        prepare_directory(&config.data_dir)?;
        let secrets = Secrets::of(&config)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let mut beside = JoinSet::new();

        // Bound before anything else is touched: a second start on the same port says so at once.
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another address with --listen", config.listen))?;
        let listen = listener.local_addr()?;

        let engines = engines::open(&config, &clock, &mut beside).await?;
        let provider = Arc::new(Provider::default());
        let carrier = Arc::new(CarrierDesk::default());
        let surroundings = Surroundings {
            clock: Arc::clone(&clock),
            provider: Arc::clone(&provider) as _,
            carrier: Arc::clone(&carrier) as _,
        };
        let limits = doos_app::Options { worker: engines.worker(), ..config.limits.clone() };
        let (app, loops) = App::start(engines.ports(surroundings), limits).await?;
        for flusher in loops {
            beside.spawn(flusher.run);
        }
        crate::telemetry::link_traces(&app);

        engines.join(&app, &secrets, &mut beside).await?;
        if config.demo.seed && config.profile == Profile::Dev && plays(&config, "gateway") {
            let turn = engines.turn("seed").await?;
            // Others may have put it there while this process waited.
            app.refresh_catalog().await?;
            seed::seed(&app, doos_gateway::assets::demo_catalogue()).await.context("the demo catalogue")?;
            if let Some(turn) = turn {
                turn.release().await;
            }
        }
        let products = app.catalog.all().len();

        let outside = config.data_dir.join("outside");
        fs::create_dir_all(&outside).context("the stand-ins' directory")?;
        let options = standins::provider_options(&config, secrets.callback.clone());
        let sink = HttpSink { target: config.payment.callback_to.unwrap_or(listen) };
        beside.spawn(standins::run_provider(provider, options, Arc::clone(&clock), outside.clone(), sink));
        beside.spawn(standins::run_carrier(carrier, standins::carrier_options(&config), Arc::clone(&clock), outside));

        let stop_roles = StopRoles::default();
        let roles = start_roles(&config, &app, &*engines, &clock, &stop_roles)?;
        let gateway = gateway::serve(&config, &app, &engines, &secrets, listener).await?;
        // Before anybody can know where it runs, so that whoever does can stop it in good order.
        let signals = Signals::catch().context("cannot listen for signals")?;
        ServerFile::write(&config.data_dir, listen).context("server.json in the data directory")?;
        tracing::info!(listen = %listen, data_dir = %config.data_dir.display(), "ready");
        Ok(Self { config, listen, engines, app, gateway, stop_roles, roles, beside, products, signals })
    }

    /// What a person wants to know first. `bare`: with everything for a first visit.
    pub fn banner(&self, bare: bool) -> String {
        let url = format!("http://{}", self.listen);
        let mut lines = vec![
            format!("doos {} · data in {}", env!("CARGO_PKG_VERSION"), self.config.data_dir.display()),
            format!("listening on {url}"),
        ];
        if bare {
            lines.push(format!("  shop        {url}/          ({} products)", self.products));
            lines.push(format!("  interface   {url}/docs      {url}/openapi.json"));
            lines.push(format!("  metrics     {url}/metrics"));
            lines.push(String::new());
            // Without the demo catalogue nobody knows what there is to buy.
            if self.config.demo.seed && self.config.profile == Profile::Dev {
                lines.push("place an order:".to_owned());
                lines.push(format!("  {}", self.first_order(&url)));
                lines.push(String::new());
            }
        }
        for finding in doctor::insecurities(&self.config) {
            lines.push(finding.to_string());
        }
        lines.join("\n")
    }

    /// The same for programs.
    pub fn banner_json(&self) -> serde_json::Value {
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "data_dir": self.config.data_dir,
            "url": format!("http://{}", self.listen),
            "products": self.products,
            "findings": doctor::insecurities(&self.config),
        })
    }

    fn first_order(&self, url: &str) -> String {
        let token = if self.config.tokens_required() {
            let data_dir = self.config.data_dir.display();
            format!(" -H \"Authorization: Bearer $(doos token --user 42 --data-dir '{data_dir}')\"")
        } else {
            String::new()
        };
        format!(
            "curl -s {url}/v1/orders{token} -H 'Content-Type: application/json' -H 'Idempotency-Key: first-order' \
             -d '{{\"user_id\":\"42\",\"items\":[{{\"product_id\":\"101\",\"quantity\":2}}],\"address\":\"1 Harbour Street\"}}'"
        )
    }

    /// Takes the live values of the cluster, where there are any.
    pub fn follow_live_values(&mut self, level: Option<LogLevel>) {
        let Some(registry) = self.engines.registry() else { return };
        let live = Live { config: self.config.clone(), registry, rates: self.gateway.rates.clone(), level };
        self.beside.spawn(live.run());
    }

    /// Runs until told to stop by signal, or until the store has stopped; then drains.
    pub async fn run_until_told(mut self) -> Result<()> {
        let stopped = tokio::select! {
            signal = self.signals.next() => { tracing::info!(signal, "stopping"); None }
            cause = self.engines.until_stopped() => Some(cause),
        };
        self.stop().await;
        match stopped {
            Some(cause) => Err(anyhow::anyhow!("the store has stopped: {cause}. Start again to recover")),
            None => Ok(()),
        }
    }

    /// Calls in flight first, then the roles, then the store.
    pub async fn stop(mut self) {
        self.gateway.stop().await;
        self.stop_roles.asked.cancel();
        let ended = tokio::time::timeout(Duration::from_millis(self.config.drain_ms), async {
            while self.roles.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!("some roles did not end in time; they are finished at the next start");
            self.stop_roles.cut.cancel();
        }
        self.roles.shutdown().await;
        self.beside.shutdown().await;
        drop(self.app);
        self.engines.stop().await;
        ServerFile::remove(&self.config.data_dir);
        tracing::info!("stopped");
    }
}

fn prepare_directory(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(dir).with_context(|| format!("cannot make the data directory {}", dir.display()))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot restrict the data directory {}", dir.display()))
}

/// Whether the configuration gives this node a role.
pub(crate) fn plays(config: &Config, name: &str) -> bool {
    config.roles.is_empty() || config.roles.iter().any(|role| role == name)
}

/// The roles that this node runs.
pub(crate) fn role_names(config: &Config) -> Vec<String> {
    let wanted = |name: &str| plays(config, name);
    let delivers = standins::carrier_options(config).deliver_after_ms.is_some();
    // A parcel that never arrives by itself need not be asked after. A process always needs its own ids; and what it
    // commits on a cluster's databases only its own relay knows of at once, the others find it seconds later.
    let runs = |name: &&str| match *name {
        "id-keeper" => true,
        "relay" => wanted(name) || config.database.is_cluster(),
        "deliveries" => wanted(name) && delivers,
        _ => wanted(name),
    };
    doos_roles::ALL.into_iter().filter(runs).map(str::to_owned).collect()
}

fn start_roles(
    config: &Config,
    app: &Arc<App>,
    engines: &dyn Engines,
    clock: &Arc<dyn Clock>,
    stop: &StopRoles,
) -> Result<JoinSet<()>> {
    let mut roles = JoinSet::new();
    for name in role_names(config) {
        let Some(role) = doos_roles::build(&name, app) else { continue };
        let driven = doos_roles::drive(engines.lend(role), Arc::clone(clock), stop.asked.clone().cancelled_owned());
        roles.spawn(on_its_own_thread(&name, driven, &stop.cut)?);
    }
    if config.demo.life {
        let role = Box::new(doos_roles::DemoLife::new(Arc::clone(app)));
        let driven = doos_roles::drive(role, Arc::clone(clock), stop.asked.clone().cancelled_owned());
        roles.spawn(on_its_own_thread("demo-life", driven, &stop.cut)?);
    }
    Ok(roles)
}

/// Drives a role on a thread that serves no request: it works through hundreds of messages at a time, and whoever waits
/// for an answer must not wait for that. Ends when the role has, or when the thread has seen that it is cut.
fn on_its_own_thread(
    name: &str,
    driven: impl Future<Output = ()> + Send + 'static,
    cut: &CancellationToken,
) -> Result<impl Future<Output = ()> + Send + 'static> {
    let (runtime, cut) = (Handle::current(), cut.clone());
    let (ended, end) = oneshot::channel::<()>();
    let drive = move || {
        runtime.block_on(cut.run_until_cancelled_owned(driven));
        drop(ended);
    };
    thread::Builder::new().name(name.to_owned()).spawn(drive).with_context(|| format!("no thread for role {name}"))?;
    Ok(async move {
        // Nothing is ever sent; the other end is dropped, also by a panic.
        let _ = end.await;
    })
}

/// The signals that ask for a stop, caught from the moment this exists.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
