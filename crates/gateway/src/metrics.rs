//! The numbers of `/metrics`, in OpenMetrics text.
//!
//! What holds: there can be one series for each route template, method and status class, and it is made when the first
//! request is counted under it; from then on counting is an atomic add. Counters of the application are read at each scrape, under the names that
//! the source documents give. Labels never carry a user, an order or a product.

use axum::http::{Method, StatusCode};
use doos_app::App;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::extra::GaugeSample;
use crate::rest::Route;

pub const CONTENT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const METHODS: [&str; 3] = ["GET", "POST", "PATCH"];
const ANY_METHOD: &str = "any";
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
const BUCKETS_SECONDS: [f64; 14] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

type Labels = Vec<(&'static str, &'static str)>;

pub struct Metrics {
    registry: Registry,
    pub requests: Requests,
    pub connections: Open,
    pub connections_refused: Counter,
    pub streams: Open,
    /// Streams closed because their client did not keep up.
    pub streams_overrun: Counter,
    pub shed: Counter,
}

impl Metrics {
    pub fn new(app: &Arc<App>, routes: impl IntoIterator<Item = (Route, &'static str)>) -> Self {
        let mut registry = Registry::default();
        let requests = Requests::new(&mut registry, routes);
        let connections = Open::default();
        registry.register("doos_connections_open", "Connections open now", connections.0.clone());
        let connections_refused = Counter::default();
        registry.register("doos_connections_refused", "Connections refused at the limit", connections_refused.clone());
        let streams = Open::default();
        registry.register("doos_streams_open", "Live streams open now", streams.0.clone());
        let streams_overrun = Counter::default();
        registry.register("doos_streams_overrun", "Live streams closed for not keeping up", streams_overrun.clone());
        let shed = Counter::default();
        registry.register("doos_requests_shed", "Calls refused because too much was waiting", shed.clone());
        registry.register_collector(Box::new(AppNumbers(Arc::clone(app))));
        Self { registry, requests, connections, connections_refused, streams, streams_overrun, shed }
    }

    /// Everything as text, with what the node adds.
    pub fn text(&self, extra: Vec<GaugeSample>) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(64 << 10);
        text::encode_registry(&mut text, &self.registry)?;
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Samples(extra)));
        text::encode_registry(&mut text, &registry)?;
        text::encode_eof(&mut text)?;
        Ok(text)
    }
}

/// A number of things open now.
#[derive(Default)]
pub struct Open(Gauge);

/// One of them; it is closed when this is dropped.
pub struct Opened(Gauge);

impl Open {
    pub fn enter(&self) -> Opened {
        self.0.inc();
        Opened(self.0.clone())
    }

    pub fn count(&self) -> i64 {
        self.0.get()
    }

    /// Opens one more unless there are `most` already.
    pub fn try_enter(&self, most: usize) -> Option<Opened> {
        if self.0.inc() < i64::try_from(most).unwrap_or(i64::MAX) {
            return Some(Opened(self.0.clone()));
        }
        self.0.dec();
        None
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Made when they are needed: most routes are never called with most outcomes, and what nobody counts only makes the
/// text long.
#[derive(Default)]
struct Series {
    by_class: [OnceLock<Counter>; CLASSES.len()],
    duration: OnceLock<Histogram>,
}

/// Requests by route template and the methods it knows; everything else is counted as unknown.
pub struct Requests {
    counts: Family<Labels, Counter>,
    durations: Family<Labels, Histogram>,
    series: HashMap<(&'static str, &'static str), Series>,
}

impl Requests {
    fn new(registry: &mut Registry, routes: impl IntoIterator<Item = (Route, &'static str)>) -> Self {
        let counts = Family::<Labels, Counter>::default();
        let durations = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS_SECONDS));
        registry.register("doos_http_requests", "Requests answered", counts.clone());
        registry.register("doos_http_request_duration_seconds", "From header to answer", durations.clone());
        let all = routes.into_iter().chain([(Route::UNKNOWN, ANY_METHOD)]);
        let series = all.map(|(Route(route), method)| ((route, method), Series::default())).collect();
        Self { counts, durations, series }
    }

    pub fn observe(&self, Route(route): Route, method: &Method, status: StatusCode, took: Duration) {
        let known = METHODS.iter().find(|name| **name == method.as_str());
        let own = known.and_then(|method| self.series.get_key_value(&(route, *method)));
        let found = own.or_else(|| self.series.get_key_value(&(Route::UNKNOWN.0, ANY_METHOD)));
        let Some(((route, method), series)) = found else { return };
        let place = [("route", *route), ("method", *method)];
        let class = usize::from(status.as_u16() / 100).saturating_sub(2).min(CLASSES.len() - 1);
        let count = series.by_class[class].get_or_init(|| {
            let labels = [&place[..], &[("status", CLASSES[class])]].concat();
            self.counts.get_or_create_owned(&labels)
        });
        count.inc();
        let duration = series.duration.get_or_init(|| self.durations.get_or_create_owned(&place.to_vec()));
        duration.observe(took.as_secs_f64());
    }
}

/// The application's own counters, read when asked for.
struct AppNumbers(Arc<App>);

impl fmt::Debug for AppNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppNumbers")
    }
}

impl Collector for AppNumbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let c = &self.0.counters;
        // The counters' names end in `_total`, which the text format adds.
        for (name, help, counter) in [
            ("app_order_placed", "Orders placed", &c.orders_placed),
            ("app_order_refused", "Orders refused", &c.orders_refused),
            ("app_order_cancelled", "Orders cancelled", &c.orders_cancelled),
            ("app_stock_charge_success", "Holds granted by the gate", &c.stock_held),
            ("app_commit_conflicts", "Decisions taken anew because the order had moved on", &c.conflicts),
            ("app_commit_groups", "Groups committed", &c.commit_groups),
            ("app_messages_retried", "Messages tried again later", &c.messages_retried),
            ("app_messages_parked", "Messages given up on", &c.messages_parked),
            ("app_holds_timed_out", "Holds ended by their deadline", &c.holds_ended_by_timeout),
            ("app_carrier_recalls", "Parcels called back", &c.carrier_recalls),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(counter.get()).encode(metric)?;
        }
        let help = "Parcels handed to the carrier";
        let mut shipped = encoder.encode_descriptor("app_shipping_success", help, None, MetricType::Counter)?;
        for (source, counter) in [("normal", &c.shipped_at_once), ("retry", &c.shipped_on_retry)] {
            let labels = [("source", source)];
            ConstCounter::new(counter.get()).encode(shipped.encode_family(&labels)?)?;
        }
        let flushed = i64::try_from(c.stock_flushed.get()).unwrap_or(i64::MAX);
        let depth = i64::try_from(self.0.queue_depth()).unwrap_or(i64::MAX);
        let age = i64::try_from(self.0.queue_age_ms()).unwrap_or(i64::MAX);
        for (name, help, value) in [
            ("app_forwarder_lag_ms", "From commit to the bus's acknowledgement", c.forwarder_lag_ms.get()),
            ("repo_flush_success_total", "Stock decisions written by inventory", flushed),
            ("app_order_queue_depth", "Changes of orders waiting for their group", depth),
            ("app_order_queue_age_ms", "Age of the group in flight", age),
            ("app_commit_group_len", "Changes in the last group", c.commit_group_len_last.get()),
            ("app_commit_group_ms", "Duration of the last group's commit", c.commit_group_ms_last.get()),
        ] {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

/// What the node adds, one family a name.
#[derive(Debug)]
struct Samples(Vec<GaugeSample>);

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut families: BTreeMap<&str, Vec<&GaugeSample>> = BTreeMap::new();
        for sample in &self.0 {
            families.entry(&sample.name).or_default().push(sample);
        }
        for (name, samples) in families {
            let mut family: MetricEncoder<'_> =
                encoder.encode_descriptor(name, &samples[0].help, None, MetricType::Gauge)?;
            for sample in samples {
                let labels: Vec<(&str, &str)> =
                    sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let value = ConstGauge::new(sample.value);
                if labels.is_empty() {
                    value.encode(family.encode_family(&[("", ""); 0])?)?;
                } else {
                    value.encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}
