//! Hands the gateway what it needs of this node: listeners, secrets, checks, numbers, the audit.

use anyhow::{Context, Result};
use doos_app::App;
use doos_domain::message::Consumer;
use doos_gateway::{
    AuditView, Build, Extra, Gateway, GaugeSample, Listeners, RateControl, Repair, RepairCall, RepairView,
};
use opentelemetry::trace::TraceContextExt;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::audit::{self, Repairer};
use crate::config::Config;
use crate::engines::Engines;
use crate::secrets::Secrets;
use crate::telemetry;

/// A gateway that takes calls, or nothing where the role is not wanted.
pub struct Serving {
    /// Of its callers.
    pub rates: RateControl,
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
    engines: &Arc<dyn Engines>,
    secrets: &Secrets,
    main: TcpListener,
) -> Result<Serving> {
    let stop = CancellationToken::new();
    let takes_calls = crate::start::plays(config, "gateway");
    // Every node can be asked how it does; only a gateway takes orders.
    let mut listeners = match takes_calls {
        true => Listeners { main: vec![main], ..Listeners::default() },
        false => Listeners { operations: vec![main], ..Listeners::default() },
    };
    let ip = config.listen.ip();
    for (port, list) in [
        (config.server.http_port, &mut listeners.main),
        (config.server.grpc_port, &mut listeners.grpc),
        (config.server.admin_port, &mut listeners.operations),
    ] {
        if takes_calls && port != 0 && port != config.listen.port() {
            let address = SocketAddr::new(ip, port);
            list.push(TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?);
        }
    }
    let options = config.gateway_options();
    let keys = doos_gateway::Secrets { token_key: secrets.token.clone(), callback_key: secrets.callback.clone() };
    let gateway = Gateway::new(Arc::clone(app), options, keys, extra(config, app, engines))?;
    let rates = gateway.rates();
    let shutdown = stop.clone();
    let served = tokio::spawn(async move {
        let drained = gateway.serve(listeners, shutdown).await;
        tracing::info!(cut = drained.cut, "the gateway has drained");
    });
    Ok(Serving { rates, stop, served: Some(served) })
}

fn extra(config: &Config, app: &Arc<App>, engines: &Arc<dyn Engines>) -> Extra {
    let readiness = {
        let engines = Arc::clone(engines);
        Arc::new(move || {
            let ready = engines.readiness();
            Box::pin(async { ready }) as futures::future::BoxFuture<'static, Result<(), String>>
        })
    };
    let gauges = {
        let (app, engines) = (Arc::clone(app), Arc::clone(engines));
        Arc::new(move || {
            let (app, engines) = (Arc::clone(&app), Arc::clone(&engines));
            Box::pin(async move { readings(&app, engines.as_ref()).await })
                as futures::future::BoxFuture<'static, Vec<GaugeSample>>
        })
    };
    let audit = {
        let engines = Arc::clone(engines);
        Arc::new(move || {
            let engines = Arc::clone(&engines);
            Box::pin(async move {
                let report = engines.audit().await.map_err(|error| format!("{error:#}"))?;
                Ok(report.into())
            }) as futures::future::BoxFuture<'static, Result<AuditView, String>>
        })
    };
    let repair = repair_hook(app, engines);
    let exports = !config.tracing.otlp_endpoint.is_empty();
    let build = Build { version: env!("CARGO_PKG_VERSION").to_owned(), ..Build::default() };
    Extra {
        readiness,
        gauges,
        audit,
        repair,
        roles: crate::start::role_names(config),
        span: exports.then(span_hook),
        limits: engines.limits(),
        build,
    }
}

/// Plans from an audit; if confirmed, does each step and audits again.
fn repair_hook(app: &Arc<App>, engines: &Arc<dyn Engines>) -> Repair {
    let (app, engines) = (Arc::clone(app), Arc::clone(engines));
    Arc::new(move |call| {
        let (app, engines) = (Arc::clone(&app), Arc::clone(&engines));
        Box::pin(async move { repair(&app, &engines, call).await.map_err(|error| format!("{error:#}")) })
    })
}

async fn repair(app: &App, engines: &Arc<dyn Engines>, call: RepairCall) -> Result<RepairView> {
    let report = engines.audit().await?;
    let plan = audit::plan(&report);
    if !call.confirm {
        return Ok(RepairView { confirmed: false, steps: audit::told(&plan), report: report.into() });
    }
    let ports = &app.ports;
    let repairer = Repairer {
        ledger: &*ports.ledger,
        orders: &*ports.orders,
        gate: Some(&*ports.gate),
        evidence: engines.as_ref(),
        actor: &call.actor,
    };
    let steps = repairer.run(&plan, ports.clock.now()).await;
    Ok(RepairView { confirmed: true, steps, report: engines.audit().await?.into() })
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
async fn readings(app: &App, engines: &dyn Engines) -> Vec<GaugeSample> {
    let mut readings = engines.gauges();
    let mut add = |name: &str, help: &str, labels: &[(&str, &str)], value: f64| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        readings.push(GaugeSample { name: name.to_owned(), help: help.to_owned(), labels, value });
    };
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
        let away = f64::from(u8::from(lag.is_away));
        add("doos_projection_away", "Whether a read model cannot be asked", &labels, away);
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
