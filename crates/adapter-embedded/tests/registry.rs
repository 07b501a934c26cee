//! The registry of one process: its behaviour suite, and what only it does.
#![cfg(test)]

use async_trait::async_trait;
use doos_adapter_embedded::StaticRegistry;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::registry::Registry;
use doos_ports::suites::registry::Case;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Time that stands still: this engine only looks at it when it begins.
struct Still(i64);

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration) {}

    fn random(&self) -> u64 {
        0
    }
}

fn registry(values: &[(&str, &str)], now_ms: i64) -> Arc<dyn Registry> {
    let values = values.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect::<BTreeMap<_, _>>();
    Arc::new(StaticRegistry::new(7, values, &Still(now_ms)))
}

fn run(case: Case) {
    let open = Arc::new(|| Box::pin(async { registry(&[], 1_790_000_000_000) }) as _);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(case(open));
}

mod suite {
    use super::run;

    doos_ports::registry_suite!(run);
}

#[tokio::test]
async fn the_worker_number_is_the_configured_one_and_there_is_one() {
    let registry = registry(&[], 1);
    let worker = registry.worker_number().await.unwrap();
    assert_eq!(worker.number, 7);
    assert!(registry.worker_number().await.is_err());
    drop(worker);
    assert_eq!(registry.worker_number().await.unwrap().number, 7);
}

#[tokio::test]
async fn configured_values_are_there_from_the_beginning() {
    let registry = registry(&[("log.level", "info")], 1);
    let view = registry.view();
    assert_eq!(view.values["log.level"].text, "info");
    registry.set_value("log.level", Some("debug"), Some(view.values["log.level"].version)).await.unwrap();
    assert_eq!(registry.view().values["log.level"].text, "debug");
}

#[tokio::test]
async fn fences_grow_from_one_start_to_the_next() {
    let first = registry(&[], 1_000).try_acquire("gate").await.unwrap().unwrap().fence();
    let second = registry(&[], 2_000).try_acquire("gate").await.unwrap().unwrap().fence();
    assert!(second > first);
}
