//! A process that is cut off from etcd, while others are not.

use doos_adapter_etcd::Options;
use doos_ports::registry::{Error, Registry, Standing};
use std::sync::Arc;

use crate::engine::{self, By, TICK, seen, within};
use crate::proxy::{Proxy, Wire};

/// Registries behind a wire, and one that is not.
async fn scene(options: &Options) -> (Proxy, Arc<dyn Registry>, Arc<dyn Registry>) {
    let proxy = Proxy::to(&options.endpoints).await;
    let behind = engine::open(&Options { endpoints: proxy.endpoint.clone(), ..options.clone() });
    let free = engine::open(options);
    behind.ready().await.unwrap();
    free.ready().await.unwrap();
    (proxy, behind, free)
}

async fn cut_off(wire: Wire) {
    let Some(options) = engine::options() else { return };
    let (proxy, behind, free) = scene(&options).await;
    behind.announce(&["order"], "10.0.0.1:8080");
    let old = behind.try_acquire("gate").await.unwrap().unwrap();
    let worker = behind.worker_number().await.unwrap();
    seen(&free, |view| view.owner("gate").is_some()).await;

    proxy.set(wire);
    let new = within("the take-over", free.acquire("gate")).await.unwrap();
    // At this instant two believe in one name unless the old one knows better by its own clock.
    assert_ne!(old.standing(), Standing::Sure);
    assert_ne!(worker.lease.standing(), Standing::Sure);
    assert!(new.is_sure() && new.fence() > old.fence());
    seen(&free, |view| view.instances.is_empty()).await;

    // It has not been told, so it carries on, with what it knew last, and is refused at once what it cannot ask for.
    assert_eq!(old.standing(), Standing::Unsure);
    let view = seen(&behind, |view| !view.is_current).await;
    assert_eq!(view.owner("gate").unwrap().address, "10.0.0.1:8080");
    let refused = within("a refusal", behind.try_acquire("other")).await;
    assert!(matches!(refused, Err(Error::Engine(doos_ports::Error::Unavailable { .. }))), "{:?}", refused.err());

    proxy.set(Wire::Whole);
    within("the loss", old.lost()).await;
    within("the loss", worker.lease.lost()).await;
    assert_eq!((old.standing(), worker.lease.standing()), (Standing::Lost, Standing::Lost));
    // Without being told again it is announced again, and can have what is free.
    for registry in [&behind, &free] {
        seen(registry, |view| view.is_current && view.instances.contains_key(behind.instance())).await;
        seen(registry, |view| view.holders["gate"].fence == new.fence()).await;
    }
    assert!(within("a name", behind.acquire("other")).await.unwrap().is_sure());
    assert!(new.is_sure());
}

#[test]
fn a_holder_whose_wire_is_silent_is_unsure_before_another_has_its_name() {
    engine::run(async |_| cut_off(Wire::Silent).await);
}

#[test]
fn a_holder_whose_wire_is_cut_is_unsure_before_another_has_its_name() {
    engine::run(async |_| cut_off(Wire::Cut).await);
}

#[test]
fn a_short_cut_costs_nobody_a_name() {
    engine::run(async |options| {
        let (proxy, behind, free) = scene(&options).await;
        let lease = behind.try_acquire("gate").await.unwrap().unwrap();
        for wire in [Wire::Cut, Wire::Silent, Wire::Cut] {
            proxy.set(wire);
            tokio::time::sleep(TICK * 5).await;
            proxy.set(Wire::Whole);
            seen(&behind, |view| view.is_current).await;
            assert!(free.try_acquire("gate").await.unwrap().is_none());
        }
        let until = lease.fence();
        // Longer than the lease: it is still being kept.
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        assert!(lease.is_sure());
        assert_eq!(seen(&free, |view| view.holders.contains_key("gate")).await.holders["gate"].fence, until);
    });
}

#[test]
fn what_changes_and_is_compacted_while_nobody_watches_is_seen_afterwards() {
    engine::run(async |options| {
        let (proxy, behind, free) = scene(&options).await;
        for name in ["changed", "removed"] {
            free.set_value(name, Some("before"), None).await.unwrap();
        }
        seen(&behind, |view| view.values.len() == 2).await;
        proxy.set(Wire::Cut);
        seen(&behind, |view| !view.is_current).await;
        free.set_value("removed", None, None).await.unwrap();
        for text in ["after", "long after"] {
            free.set_value("changed", Some(text), None).await.unwrap();
        }
        let added = free.set_value("added", Some("meanwhile"), None).await.unwrap();
        tokio::task::spawn_blocking(|| By::hand().compact()).await.unwrap();
        assert_eq!(behind.view().values["changed"].text, "before", "it cannot know");

        proxy.set(Wire::Whole);
        let view = seen(&behind, |view| view.is_current).await;
        assert_eq!(view.values, free_values(&free, added).await);
        assert_eq!(view.values.keys().collect::<Vec<_>>(), ["added", "changed"]);
        assert_eq!(view.values["changed"].text, "long after");
        // And the new watch goes on from there.
        free.set_value("changed", Some("last"), None).await.unwrap();
        seen(&behind, |view| view.values["changed"].text == "last").await;
    });
}

async fn free_values(
    free: &Arc<dyn Registry>,
    version: u64,
) -> std::collections::BTreeMap<String, doos_ports::registry::Value> {
    seen(free, |view| view.values.get("added").is_some_and(|value| value.version == version)).await.values.clone()
}

#[test]
fn with_several_endpoints_one_that_is_there_is_enough() {
    engine::run(async |options| {
        let (one, other) = (Proxy::to(&options.endpoints).await, Proxy::to(&options.endpoints).await);
        let dead = "http://127.0.0.1:1";
        let endpoints = format!("{dead},{},{}", one.endpoint, other.endpoint);
        let registry = engine::open(&Options { endpoints, lease_ttl_s: 5, ..options.clone() });
        let lease = within("a name", registry.acquire("gate")).await.unwrap();
        for (away, there) in [(&one, &other), (&other, &one), (&one, &other)] {
            there.set(Wire::Whole);
            away.set(Wire::Silent);
            // Whatever it was connected to: a value set from now on can only have come over the one that is there.
            let set = async {
                while registry.set_value("turn", Some("1"), None).await.is_err() {
                    tokio::time::sleep(TICK).await;
                }
            };
            within("a value", set).await;
            seen(&registry, |view| view.is_current).await;
        }
        assert!(lease.is_sure(), "moving on costs no lease");
    });
}

#[test]
fn a_process_that_starts_while_etcd_is_away_says_so_and_begins_once_it_is_back() {
    engine::run(async |options| {
        let proxy = Proxy::to(&options.endpoints).await;
        proxy.set(Wire::Cut);
        let registry = engine::open(&Options { endpoints: proxy.endpoint.clone(), ..options.clone() });
        assert!(registry.ready().await.is_err());
        assert!(!registry.view().is_current);
        registry.announce(&["order"], "10.0.0.1:8080");
        let (lease, ()) = futures::join!(registry.acquire("gate"), async { proxy.set(Wire::Whole) });
        assert!(lease.unwrap().is_sure());
        seen(&registry, |view| view.instances.len() == 1).await;
        registry.ready().await.unwrap();
    });
}
