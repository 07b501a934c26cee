//! Hands the gateway what it needs of this node: listeners, secrets, checks, numbers, the audit.

use anyhow::{Context, Result};
use doos_adapter_embedded::Store;
use doos_app::App;
use doos_domain::message::Consumer;
use doos_gateway::{Build, Extra, Gateway, GaugeSample, Listeners};
use opentelemetry::trace::TraceContextExt;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::audit;
use crate::config::Config;
use crate::secrets::Secrets;
use crate::telemetry;

/// A gateway that takes calls, or nothing where the role is not wanted.
pub struct Serving {
    stop: CancellationToken,
    served: Option<JoinHandle<()>>,
}

impl Serving {
    /// Takes no more calls and waits until those in flight are done or cut off.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        let Some(served) = self.served.take() else { return };
        if served.await.is_err() {
            tracing::error!("the gateway broke while stopping");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the node owns the gateway's task")]
pub async fn serve(
    config: &Config,
    app: &Arc<App>,
    store: &Store,
    secrets: &Secrets,
    main: TcpListener,
) -> Result<Serving> {
    let stop = CancellationToken::new();
    if !config.roles.is_empty() && !config.roles.iter().any(|role| role == "gateway") {
        return Ok(Serving { stop, served: None });
    }
    let mut listeners = Listeners { main: vec![main], ..Listeners::default() };
    let ip = config.listen.ip();
    for (port, list) in [
        (config.server.http_port, &mut listeners.main),
        (config.server.grpc_port, &mut listeners.grpc),
        (config.server.admin_port, &mut listeners.operations),
    ] {
        if port != 0 && port != config.listen.port() {
            let address = SocketAddr::new(ip, port);
            list.push(TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?);
        }
    }
    let options = config.gateway_options();
    let keys = doos_gateway::Secrets { token_key: secrets.token.clone(), callback_key: secrets.callback.clone() };
    let gateway = Gateway::new(Arc::clone(app), options, keys, extra(config, app, store))?;
    let shutdown = stop.clone();
    let served = tokio::spawn(async move {
        let drained = gateway.serve(listeners, shutdown).await;
        tracing::info!(cut = drained.cut, "the gateway has drained");
    });
    Ok(Serving { stop, served: Some(served) })
}

fn extra(config: &Config, app: &Arc<App>, store: &Store) -> Extra {
    let readiness = {
        let store = store.clone();
        Arc::new(move || {
            let stopped = store.stopped().map(|cause| format!("the store has stopped: {cause}"));
            let hindered = || store.hindrance().map(|cause| format!("the store takes no orders just now: {cause}"));
            let ready = stopped.or_else(hindered).map_or(Ok(()), Err);
            Box::pin(async { ready }) as futures::future::BoxFuture<'static, Result<(), String>>
        })
    };
    let gauges = {
        let (app, store) = (Arc::clone(app), store.clone());
        Arc::new(move || {
            let (app, store) = (Arc::clone(&app), store.clone());
            Box::pin(async move { readings(&app, &store).await })
                as futures::future::BoxFuture<'static, Vec<GaugeSample>>
        })
    };
    let audit = {
        let data_dir = config.data_dir.clone();
        Arc::new(move || {
            let data_dir = data_dir.clone();
            Box::pin(async move {
                let report = tokio::task::spawn_blocking(move || audit::beside_server(&data_dir)).await;
                let report = report.map_err(|error| error.to_string())?.map_err(|error| format!("{error:#}"))?;
                serde_json::to_value(report).map_err(|error| error.to_string())
            }) as futures::future::BoxFuture<'static, Result<serde_json::Value, String>>
        })
    };
    let exports = !config.tracing.otlp_endpoint.is_empty();
    let build = Build { version: env!("CARGO_PKG_VERSION").to_owned(), ..Build::default() };
    Extra { readiness, gauges, audit, roles: crate::start::role_names(config), span: exports.then(span_hook), build }
}

/// Gives a request's span its parent, and tells the trace under which our work goes on.
fn span_hook() -> doos_gateway::SpanHook {
    Arc::new(|span, arrived| {
        if let Some(parent) = arrived.and_then(telemetry::remote_context) {
            // Refused only when no exporter is installed, and then there is nothing to parent.
            let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
        }
        let context = span.context();
        let ours = context.span().span_context().clone();
        ours.is_valid().then(|| format!("00-{}-{}-{:02x}", ours.trace_id(), ours.span_id(), ours.trace_flags().to_u8()))
    })
}

/// Depth, age and size of every queue that the application itself does not know.
async fn readings(app: &App, store: &Store) -> Vec<GaugeSample> {
    let mut readings = Vec::new();
    let mut add = |name: &str, help: &str, labels: &[(&str, &str)], value: f64| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        readings.push(GaugeSample { name: name.to_owned(), help: help.to_owned(), labels, value });
    };
    let depths = store.depths();
    add("doos_journal_queue", "Units waiting for the journal", &[], depths.queued as f64);
    add("doos_tail_orders", "Orders not folded into the database yet", &[], depths.tail_orders as f64);
    add("doos_tail_bytes", "Journal not folded yet", &[], depths.tail_bytes as f64);
    add("doos_journal_bytes", "Journal kept", &[], (depths.journal_end - depths.journal_oldest) as f64);
    for consumer in Consumer::ALL {
        let labels = [("consumer", consumer.name())];
        if let Ok(lag) = app.ports.bus.lag(consumer).await {
            add("doos_consumer_lag_messages", "Messages a consumer has not settled", &labels, lag as f64);
        }
        if let Ok(waiting) = app.ports.inbox.waiting_count(consumer).await {
            add("doos_consumer_waiting_messages", "Messages waiting for another try", &labels, waiting as f64);
        }
    }
    for lag in app.feed_lags().await.unwrap_or_default() {
        let labels = [("projection", lag.name)];
        add("doos_projection_lag_ms", "Age of the oldest change that a read model lacks", &labels, lag.lag_ms as f64);
        let filling = f64::from(u8::from(lag.is_walking));
        add("doos_projection_filling", "Whether a read model has begun anew and lacks orders", &labels, filling);
    }
    if let Ok(parked) = app.ports.inbox.dead_letter_count().await {
        add("doos_dead_letters", "Parked messages", &[], parked as f64);
    }
    if let Ok(holds) = app.ports.gate.hold_count().await {
        add("doos_stock_holds", "Holds without a decision", &[], holds as f64);
    }
    readings
}
