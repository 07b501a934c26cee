//! Logs and traces of this process.
//!
//! What holds: logs are one JSON object a line on standard error, through a bounded hand-over that drops rather than
//! stalls; spans go to an OTLP endpoint if one is configured, through an exporter with a thread of its own, so that a
//! dead collector never slows an order. The exporter is built before the runtime starts.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

use crate::config::{Config, LogFormat};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("log.level is not a filter such as `info` or `info,doos_app=debug`: {0}")]
    Level(String),
    #[error("tracing.otlp_endpoint cannot be used: {0}")]
    Exporter(String),
    #[error("a logger is installed already")]
    Installed,
}

/// Changes how much is logged while the process runs.
#[derive(Clone)]
pub struct LogLevel(Arc<dyn Fn(EnvFilter) -> Result<(), Error> + Send + Sync>);

impl LogLevel {
    pub fn set(&self, level: &str) -> Result<(), Error> {
        (self.0)(filter(level)?)
    }
}

/// Reads a filter such as `info,doos_app=debug`.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder().parse(level).map_err(|error| Error::Level(error.to_string()))
}

/// Flushes what is left when dropped.
pub struct Telemetry {
    pub level: LogLevel,
    tracer: Option<SdkTracerProvider>,
}

pub fn install(config: &Config) -> Result<Telemetry, Error> {
    let (level, handle) = reload::Layer::new(filter(&config.log.level)?);
    let text = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // Complaining about a log that nobody reads any more would go the same way, and end in a panic.
    let text = text.log_internal_errors(false);
    let logs = match config.log.format {
        LogFormat::Json => text.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
        LogFormat::Text => text.with_target(false).boxed(),
    };
    let tracer = (!config.tracing.otlp_endpoint.is_empty()).then(|| exporter(config)).transpose()?;
    let spans = tracer.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("doos"))
            .with_filter(EnvFilter::new("info,doos_app=debug"))
    });
    tracing_subscriber::registry()
        .with(logs.with_filter(level))
        .with(spans)
        .try_init()
        .map_err(|_| Error::Installed)?;
    let level =
        LogLevel(Arc::new(move |filter| handle.reload(filter).map_err(|error| Error::Level(error.to_string()))));
    Ok(Telemetry { level, tracer })
}

fn exporter(config: &Config) -> Result<SdkTracerProvider, Error> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&config.tracing.otlp_endpoint)
        .with_timeout(Duration::from_secs(3))
        .build()
        .map_err(|error| Error::Exporter(error.to_string()))?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.tracing.sample_ratio)));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(Resource::builder().with_service_name("doos").build())
        .build())
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(tracer) = self.tracer.take() {
            // A collector that is away must not keep the process from ending, nor is it a reason to fail.
            if let Err(error) = tracer.shutdown_with_timeout(Duration::from_secs(2)) {
                let _ = writeln!(std::io::stderr(), "traces left unsent: {error}");
            }
        }
    }
}

/// Lets the spans of message groups link to the traces of their messages.
pub fn link_traces(app: &doos_app::App) {
    use doos_app::Kinship;
    use opentelemetry::trace::TraceContextExt;
    use tracing_opentelemetry::OpenTelemetrySpanExt;
    let link = Box::new(|span: &tracing::Span, traceparent: &str, kinship: Kinship| {
        let Some(context) = remote_context(traceparent) else { return };
        match kinship {
            Kinship::Link => span.add_link(context),
            // Refused only when no exporter is installed, and then there is nothing to belong to.
            Kinship::Parent => {
                let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(context));
            }
        }
    });
    // Set once a process; a second application in it keeps the first one's way, which is the same.
    let _ = app.trace_links.set(link);
}

/// The caller's span as a parent for ours.
pub fn remote_context(traceparent: &str) -> Option<opentelemetry::trace::SpanContext> {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    let mut parts = traceparent.split('-').skip(1);
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}
