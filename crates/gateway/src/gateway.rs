//! The gateway as the node holds it: made from the application, served on listeners, drained.

use doos_app::App;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic_health::ServingStatus;

use crate::auth::Authenticator;
use crate::exchange::Exchange;
use crate::extra::{Extra, Secrets};
use crate::limits::Limits;
use crate::listen::{Door, Doors, Serves};
use crate::live::Hub;
use crate::metrics::Metrics;
use crate::options::{InvalidOption, Options, Profile};
use crate::shared_limits::SharedBuckets;
use crate::state::State;
use crate::{grpc, rest};

const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// After the cut nothing may take long any more.
const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// The rates of a gateway's callers, to be changed while it serves.
#[derive(Clone)]
pub struct RateControl(Arc<Limits>);

impl RateControl {
    /// Takes the rates and bursts of these options. Every bucket whose rate changes begins full.
    pub fn set(&self, options: &Options) {
        self.0.set(options);
    }
}

pub struct Gateway {
    state: Arc<State>,
    doors: Arc<Doors>,
    health: grpc::HealthReporter,
}

/// Where to listen. Everything is served on `main`; the others are further doors.
#[derive(Default)]
pub struct Listeners {
    /// REST, gRPC, pages, operations: one port for all. Several may be given.
    pub main: Vec<TcpListener>,
    /// gRPC alone.
    pub grpc: Vec<TcpListener>,
    /// `/metrics`, `/livez` and `/readyz` alone.
    pub operations: Vec<TcpListener>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections and calls that had to be cut off.
    pub cut: usize,
}

impl Gateway {
    pub fn new(app: Arc<App>, options: Options, secrets: Secrets, extra: Extra) -> Result<Self, InvalidOption> {
        options.check()?;
        let metrics = Metrics::new(&app, rest::routes().chain(grpc::routes()));
        let feed = Arc::clone(&app.ports.feed);
        let shared = extra.limits.as_ref();
        let shared = shared.map(|limits| SharedBuckets::new(Arc::clone(limits), Arc::clone(&app.ports.clock)));
        let state = Arc::new(State {
            auth: Authenticator::new(&secrets.token_key, options.token_cache_len_max),
            limits: Arc::new(Limits::new(&options, shared)),
            hub: Hub::new(feed, options.stream_events_max, metrics.streams_overrun.clone()),
            metrics,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            overdue: CancellationToken::new(),
            callback_key: secrets.callback_key,
            extra,
            app,
            options,
        });
        let (grpc, health) = grpc::router(&state);
        let exchange = Exchange {
            rest: rest::router(&state),
            operations: rest::operations_router(&state),
            grpc,
            state: Arc::clone(&state),
        };
        let doors = Arc::new(Doors::new(Arc::new(exchange), &state.options));
        Ok(Self { state, doors, health })
    }

    /// Changes the rates of callers while it serves.
    pub fn rates(&self) -> RateControl {
        RateControl(Arc::clone(&self.state.limits))
    }

    /// Serves until `shutdown`, then drains: no new connections, streams told where to resume, calls that
    /// have arrived finished, and whatever is left after the drain's deadline cut off.
    pub async fn serve(self, listeners: Listeners, shutdown: CancellationToken) -> Drained {
        let state = &self.state;
        let stop = &state.stop;
        let background = TaskTracker::new();
        background.spawn(Arc::clone(&state.hub).run(stop.clone()));
        background.spawn(sweep(Arc::clone(state)));
        let doors = [
            (listeners.main, Serves::Everything),
            (listeners.grpc, Serves::Grpc),
            (listeners.operations, Serves::Operations),
        ];
        for (listeners, serves) in doors {
            for listener in listeners {
                let is_local = listener.local_addr().is_ok_and(|address| self.lends_demo(address));
                let accept = Arc::clone(&self.doors).accept(listener, Door { serves, is_local }, stop.clone());
                background.spawn(accept);
            }
        }
        self.health.set_service_status(grpc::SERVICE, ServingStatus::Serving).await;
        shutdown.cancelled().await;
        for service in ["", grpc::SERVICE] {
            self.health.set_service_status(service, ServingStatus::NotServing).await;
        }
        stop.cancel();
        background.close();
        background.wait().await;
        self.drain().await
    }

    async fn drain(&self) -> Drained {
        let tasks = &self.state.tasks;
        tasks.close();
        let patience = Duration::from_millis(self.state.options.drain_timeout_ms);
        let grace = patience.min(Duration::from_millis(self.state.options.drain_receive_timeout_ms));
        if tokio::time::timeout(grace, tasks.wait()).await.is_ok() {
            return Drained { cut: 0 };
        }
        // Nobody can wait for a client that does not send the rest; what has arrived is still worked on.
        self.state.overdue.cancel();
        let patience = patience - grace;
        if tokio::time::timeout(patience, tasks.wait()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = tasks.len();
        tracing::warn!(cut, "the drain's deadline has passed; what is open is cut off");
        self.doors.cut();
        // Connections end at once; a call in its own task may be inside an engine and ends with the process.
        let _ = tokio::time::timeout(CUT_PATIENCE, tasks.wait()).await;
        Drained { cut }
    }

    /// Whether a call without a token is the demo principal's on this address.
    fn lends_demo(&self, address: SocketAddr) -> bool {
        let options = &self.state.options;
        options.profile == Profile::Dev && !options.require_auth && address.ip().to_canonical().is_loopback()
    }

    /// What is insecure about listening there, each with its remedy.
    pub fn warnings(&self, addresses: &[SocketAddr]) -> Vec<String> {
        let options = &self.state.options;
        let mut warnings = Vec::new();
        if addresses.iter().any(|address| self.lends_demo(*address)) {
            warnings.push(
                "calls from this machine without a token act for any user and read everything; \
                 use --require-auth or --profile prod"
                    .to_owned(),
            );
        }
        if options.profile == Profile::Dev && addresses.iter().any(|address| !address.ip().is_loopback()) {
            warnings.push(
                "profile dev listens on an address that others can reach, without TLS; use --profile prod behind a \
                 proxy that ends TLS"
                    .to_owned(),
            );
        }
        if options.profile == Profile::Prod && options.principal_rate_per_s == 0 {
            warnings.push("no rate limit for a single caller; set gateway.principal_rate_per_s".to_owned());
        }
        warnings
    }

    /// What `/metrics` would say of the gateway and the application.
    pub async fn metrics_text(&self) -> String {
        let extra = (self.state.extra.gauges)().await;
        self.state.metrics.text(extra).unwrap_or_default()
    }
}

async fn sweep(state: Arc<State>) {
    let forever = async {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            state.limits.sweep();
        }
    };
    state.stop.run_until_cancelled(forever).await;
}
