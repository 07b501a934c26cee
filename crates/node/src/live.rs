//! Live values: a few options that are set for the whole cluster in the registry and hold at once in every process.
//!
//! What holds: a value is checked where it is set and again where it is taken; a bad one is told of and kept out, and
//! what held before goes on. Without a value, or with the registry away, the process's own configuration holds.
//!
//! What must never happen: an option that would let orders be lost, or the door be opened, among these.

use anyhow::{Context, Result, bail};
use doos_adapter_etcd::EtcdRegistry;
use doos_adapter_mysql::Databases;
use doos_app::actions::Plan;
use doos_domain::action::Deed;
use doos_gateway::RateControl;
use doos_ports::clock::Clock;
use doos_ports::registry::{self, Registry, View};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::offline::recorded;
use crate::telemetry::LogLevel;

/// Before the name of each in the registry.
const PREFIX: &str = "config/";
const LOG_LEVEL: &str = "log.level";
/// Rates of the gateways, by the names they have in the configuration.
const RATES: [&str; 6] = [
    "gateway.global_rate_per_s",
    "gateway.global_burst",
    "gateway.principal_rate_per_s",
    "gateway.principal_burst",
    "gateway.address_rate_per_s",
    "gateway.address_burst",
];
const RATE_MAX: u32 = 10_000_000;

/// The options that may be set live.
pub fn keys() -> impl Iterator<Item = &'static str> {
    std::iter::once(LOG_LEVEL).chain(RATES)
}

fn check(key: &str, text: &str) -> Result<()> {
    match key {
        LOG_LEVEL => crate::telemetry::filter(text).map(drop).map_err(Into::into),
        rate if RATES.contains(&rate) => match text.parse::<u32>() {
            Ok(number) if number <= RATE_MAX => Ok(()),
            _ => bail!("{key} is a number from 0 (no limit) to {RATE_MAX}, not {text:?}"),
        },
        _ => bail!("{key} is not set live; these are: {}", keys().collect::<Vec<_>>().join(", ")),
    }
}

// --- In a node

/// What a process does with the values.
pub(crate) struct Live {
    pub config: Config,
    pub registry: Arc<dyn Registry>,
    pub rates: RateControl,
    pub level: Option<LogLevel>,
}

impl Live {
    /// Takes every change, until dropped.
    pub async fn run(self) {
        let (mut good, mut refused) = (BTreeMap::new(), BTreeMap::new());
        let mut view = self.registry.view();
        loop {
            let taken = take(&view, &good, &mut refused);
            if taken != good {
                self.apply(&taken);
                good = taken;
            }
            view = self.registry.changed(view.version).await;
        }
    }

    fn apply(&self, values: &BTreeMap<String, String>) {
        let value = |key: &str| values.get(key);
        let mut options = self.config.gateway_options();
        let slots = [
            &mut options.global_rate_per_s,
            &mut options.global_burst,
            &mut options.principal_rate_per_s,
            &mut options.principal_burst,
            &mut options.address_rate_per_s,
            &mut options.address_burst,
        ];
        for (key, slot) in RATES.into_iter().zip(slots) {
            *slot = value(key).and_then(|text| text.parse().ok()).unwrap_or(*slot);
        }
        self.rates.set(&options);
        let level = value(LOG_LEVEL).unwrap_or(&self.config.log.level);
        if let Some(handle) = &self.level
            && let Err(error) = handle.set(level)
        {
            tracing::warn!(error = %error, "the log level cannot be changed");
        }
        tracing::info!(values = ?values, "live values have been taken");
    }
}

/// The values of a view that are good; in place of a bad one what held before.
fn take(
    view: &View,
    before: &BTreeMap<String, String>,
    refused: &mut BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut good = BTreeMap::new();
    for (name, value) in &view.values {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        match check(key, &value.text) {
            Ok(()) => {
                good.insert(key.to_owned(), value.text.clone());
            }
            Err(error) => {
                if refused.insert(key.to_owned(), value.text.clone()).as_ref() != Some(&value.text) {
                    tracing::warn!(key, error = %error, "a live value is kept out");
                }
                if let Some(last) = before.get(key) {
                    good.insert(key.to_owned(), last.clone());
                }
            }
        }
    }
    good
}

// --- From the command line

/// Sets a value for the whole cluster, or with `None` gives it back to each process's configuration.
pub async fn set(config: &Config, key: &str, text: Option<&str>) -> Result<Value> {
    match text {
        Some(text) => check(key, text)?,
        // One that an earlier release knew may be taken back as well.
        None => registry::check_name(key)?,
    }
    let log = match config.database.is_cluster() {
        true => {
            let databases = Databases::new(config.database.options(), Arc::new(SystemClock::start()));
            Some(databases.context("the databases' addresses")?.actions())
        }
        // The log of an embedded store is its own process's to write.
        false => None,
    };
    with_registry(config, async |etcd| {
        let name = format!("{PREFIX}{key}");
        let setting = async {
            etcd.set_value(&name, text, None).await.map_err(|error| match error {
                registry::Error::Engine(error) => error.into(),
                refused => doos_app::Error::Invalid(refused.to_string()),
            })
        };
        let plan = Plan::new(Deed::SetLiveValue, key).with("value", text);
        let version = match &log {
            Some(log) => recorded(log, plan, setting).await?,
            None => setting.await?,
        };
        Ok(json!({ "key": key, "value": text, "version": version }))
    })
    .await
}

/// What is set for the whole cluster.
pub async fn values(config: &Config) -> Result<BTreeMap<String, String>> {
    with_registry(config, async |etcd| {
        let view = etcd.view();
        let own = |(name, value): (&String, &registry::Value)| {
            Some((name.strip_prefix(PREFIX)?.to_owned(), value.text.clone()))
        };
        Ok(view.values.iter().filter_map(own).collect())
    })
    .await
}

#[expect(clippy::disallowed_methods, reason = "the command owns the registry's task, and ends with it")]
async fn with_registry<T>(config: &Config, work: impl AsyncFnOnce(&dyn Registry) -> Result<T>) -> Result<T> {
    if config.etcd.endpoints.is_empty() {
        bail!("etcd.endpoints is empty: live values are kept in etcd; change the configuration file instead");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (registry, running) = EtcdRegistry::open(config.etcd.clone(), clock).context("etcd's options")?;
    let running = tokio::spawn(running);
    registry.ready().await.context("etcd cannot be asked")?;
    // The first view is that before the first look.
    if !registry.view().is_current {
        registry.changed(registry.view().version).await;
    }
    let done = work(&*registry).await;
    registry.close().await;
    let _ = running.await;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(values: &[(&str, &str)]) -> View {
        let value = |(name, text): &(&str, &str)| {
            ((*name).to_owned(), registry::Value { text: (*text).to_owned(), version: 1 })
        };
        View { values: values.iter().map(value).collect(), ..View::default() }
    }

    #[test]
    fn a_bad_value_is_kept_out_and_what_held_before_goes_on() {
        let (mut refused, nothing) = (BTreeMap::new(), BTreeMap::new());
        let good = take(
            &view(&[("config/gateway.global_burst", "9"), ("config/log.level", "debug"), ("other", "x")]),
            &nothing,
            &mut refused,
        );
        assert_eq!(good.len(), 2);
        let bad = view(&[("config/gateway.global_burst", "-1"), ("config/log.level", "a=b=c"), ("config/roles", "x")]);
        assert_eq!(take(&bad, &good, &mut refused), good);
        assert_eq!(refused.len(), 3);
        assert!(take(&view(&[]), &good, &mut refused).is_empty(), "given back to the configuration");
    }

    #[test]
    fn only_what_can_do_no_harm_is_set_live() {
        assert!(
            check("gateway.principal_rate_per_s", "500").is_ok() && check(LOG_LEVEL, "info,doos_app=debug").is_ok()
        );
        let refused = check("auth.require", "false").unwrap_err().to_string();
        assert!(refused.contains("not set live") && refused.contains("log.level"), "{refused}");
        for text in ["", "-1", "1.5", "99999999999", "many"] {
            assert!(check("gateway.global_rate_per_s", text).is_err(), "{text}");
        }
    }
}
