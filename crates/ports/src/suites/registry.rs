//! What every registry must do. The cases of `registry_suite` need one process; those of `registry_among_many_suite`
//! need an engine that several processes share.
//!
//! An engine's test file says how one case is run, with an [`Opening`] that makes one more process on the same empty
//! registry at each call.

use futures::future::{BoxFuture, join_all};
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::registry::{Error, Lease, Registry, Standing, VALUE_BYTES_MAX, View, WorkerNumber};
use doos_domain::ids::WORKER_COUNT;

/// Starts another process.
pub type Opening = Arc<dyn Fn() -> BoxFuture<'static, Arc<dyn Registry>> + Send + Sync>;
pub type Case = fn(Opening) -> BoxFuture<'static, ()>;

macro_rules! cases {
    ($d:tt $macro_name:ident { $($case:ident,)+ }) => {
        #[macro_export]
        macro_rules! $macro_name {
            ($d run:ident) => {
                $(
                    #[test]
                    fn $case() {
                        $d run(|open| Box::pin($crate::suites::registry::$case(open)));
                    }
                )+
            };
        }
    };
}

cases!($ registry_suite {
    an_announced_process_is_found_under_each_of_its_roles,
    a_later_announcement_takes_the_place_of_the_first,
    a_withdrawn_process_is_found_no_more_and_keeps_its_leases,
    a_name_is_held_once,
    a_released_name_is_lost_and_its_next_fence_is_higher,
    a_dropped_lease_frees_its_name,
    whoever_waits_gets_the_name_when_it_is_released,
    a_waiter_that_gives_up_holds_nothing,
    names_are_held_apart,
    a_holder_can_be_found_and_called,
    a_worker_number_is_one_of_64_and_held,
    a_value_is_seen_with_the_version_of_its_last_change,
    a_removed_value_is_gone,
    a_value_that_is_not_as_expected_is_not_set,
    what_cannot_be_stored_is_refused,
    a_closed_registry_holds_nothing,
});

cases!($ registry_among_many_suite {
    processes_find_each_other,
    a_closed_process_is_found_no_more,
    what_one_process_holds_no_other_gets,
    of_many_who_try_at_once_one_gets_the_name,
    fences_grow_from_process_to_process,
    a_waiter_takes_over_from_a_process_that_closes,
    worker_numbers_are_never_shared,
    the_65th_worker_is_refused_until_a_number_is_given_back,
    a_number_given_back_is_handed_out_last,
    a_value_set_by_one_is_seen_by_all,
    of_two_who_expect_the_same_version_one_sets_the_value,
});

/// Waits until the view is as it should be.
async fn seen(registry: &Arc<dyn Registry>, is_it: impl Fn(&View) -> bool) -> Arc<View> {
    let mut view = registry.view();
    while !is_it(&view) {
        view = registry.changed(view.version).await;
    }
    view
}

async fn held(registry: &Arc<dyn Registry>, name: &str) -> Box<dyn Lease> {
    registry.try_acquire(name).await.expect("the engine is there").expect("the name is free")
}

async fn refused(registry: &Arc<dyn Registry>, name: &str) {
    assert!(registry.try_acquire(name).await.expect("the engine is there").is_none(), "{name} was handed out twice");
}

async fn number(registry: &Arc<dyn Registry>) -> WorkerNumber {
    registry.worker_number().await.expect("a number is free")
}

fn addresses(view: &View, role: &str) -> BTreeSet<String> {
    view.instances_of(role).map(|instance| instance.address.clone()).collect()
}

fn only(address: &str) -> BTreeSet<String> {
    BTreeSet::from([address.to_owned()])
}

pub async fn an_announced_process_is_found_under_each_of_its_roles(open: Opening) {
    let registry = open().await;
    registry.announce(&["gateway", "order"], "10.0.0.1:8080");
    let view = seen(&registry, |view| view.instances.contains_key(registry.instance())).await;
    assert!(view.is_current);
    assert_eq!(addresses(&view, "gateway"), only("10.0.0.1:8080"));
    assert_eq!(addresses(&view, "order"), only("10.0.0.1:8080"));
    assert!(addresses(&view, "inventory").is_empty());
    assert!(view.instances[registry.instance()].started_at.as_millis() > 0);
}

pub async fn a_later_announcement_takes_the_place_of_the_first(open: Opening) {
    let registry = open().await;
    registry.announce(&["gateway"], "10.0.0.1:8080");
    seen(&registry, |view| addresses(view, "gateway") == only("10.0.0.1:8080")).await;
    registry.announce(&["order"], "10.0.0.1:9090");
    let view = seen(&registry, |view| addresses(view, "order") == only("10.0.0.1:9090")).await;
    assert_eq!(view.instances.len(), 1);
    assert!(addresses(&view, "gateway").is_empty());
}

pub async fn a_withdrawn_process_is_found_no_more_and_keeps_its_leases(open: Opening) {
    let registry = open().await;
    let lease = held(&registry, "gate").await;
    registry.announce(&["gateway"], "10.0.0.1:8080");
    seen(&registry, |view| !view.instances.is_empty()).await;
    registry.withdraw();
    seen(&registry, |view| view.instances.is_empty()).await;
    assert!(lease.is_sure());
    registry.announce(&["gateway"], "10.0.0.1:8080");
    seen(&registry, |view| !view.instances.is_empty()).await;
}

pub async fn a_name_is_held_once(open: Opening) {
    let registry = open().await;
    let lease = held(&registry, "gate").await;
    assert_eq!((lease.name(), lease.standing()), ("gate", Standing::Sure));
    refused(&registry, "gate").await;
    refused(&registry, "gate").await;
    assert!(lease.is_sure());
}

pub async fn a_released_name_is_lost_and_its_next_fence_is_higher(open: Opening) {
    let registry = open().await;
    let mut last = 0;
    for _ in 0..5 {
        let lease = held(&registry, "gate").await;
        assert!(lease.fence() > last, "{} follows {last}", lease.fence());
        last = lease.fence();
        lease.release().await;
        assert_eq!(lease.standing(), Standing::Lost);
        lease.lost().await;
        lease.release().await;
    }
}

pub async fn a_dropped_lease_frees_its_name(open: Opening) {
    let registry = open().await;
    let first = held(&registry, "gate").await;
    let fence = first.fence();
    drop(first);
    let second = registry.acquire("gate").await.expect("a good name");
    assert!(second.fence() > fence);
    seen(&registry, |view| view.holders.get("gate").is_some_and(|holder| holder.fence == second.fence())).await;
    assert!(second.is_sure(), "the end of the first is not the end of the second");
    drop(second);
    seen(&registry, |view| view.holders.is_empty()).await;
}

pub async fn whoever_waits_gets_the_name_when_it_is_released(open: Opening) {
    let registry = open().await;
    let first = held(&registry, "gate").await;
    let fence = first.fence();
    let release = async {
        seen(&registry, |view| view.holders.contains_key("gate")).await;
        first.release().await;
    };
    let (second, ()) = futures::join!(registry.acquire("gate"), release);
    assert!(second.expect("a good name").fence() > fence);
}

pub async fn a_waiter_that_gives_up_holds_nothing(open: Opening) {
    let registry = open().await;
    for _ in 0..20 {
        // Looked at once and dropped, wherever that leaves it.
        let mut waiter = registry.acquire("gate");
        let now = futures::future::poll_immediate(&mut waiter).await;
        drop(waiter);
        drop(now);
    }
    held_in_the_end(&registry, "gate").await;
}

/// A call that was dropped may have got the name before it is cleared away.
async fn held_in_the_end(registry: &Arc<dyn Registry>, name: &str) -> Box<dyn Lease> {
    registry.acquire(name).await.expect("a good name")
}

pub async fn names_are_held_apart(open: Opening) {
    let registry = open().await;
    let gate = held(&registry, "gate").await;
    let shard = held(&registry, "gate/1").await;
    gate.release().await;
    assert!(shard.is_sure());
    refused(&registry, "gate/1").await;
}

pub async fn a_holder_can_be_found_and_called(open: Opening) {
    let registry = open().await;
    let lease = held(&registry, "gate").await;
    let view = seen(&registry, |view| view.holders.contains_key("gate")).await;
    assert_eq!(view.holders["gate"].instance, registry.instance());
    assert_eq!(view.holders["gate"].fence, lease.fence());
    assert_eq!(view.owner("gate"), None, "it is announced nowhere");
    registry.announce(&["inventory"], "10.0.0.1:8080");
    let view = seen(&registry, |view| view.owner("gate").is_some()).await;
    assert_eq!(view.owner("gate").map(|owner| owner.address.as_str()), Some("10.0.0.1:8080"));
}

pub async fn a_worker_number_is_one_of_64_and_held(open: Opening) {
    let registry = open().await;
    let worker = number(&registry).await;
    assert!(worker.number < WORKER_COUNT);
    assert!(worker.lease.is_sure());
}

pub async fn a_value_is_seen_with_the_version_of_its_last_change(open: Opening) {
    let registry = open().await;
    let first = registry.set_value("log.level", Some("info"), None).await.expect("it can be set");
    let second = registry.set_value("limits/rate", Some("100"), None).await.expect("it can be set");
    let third = registry.set_value("log.level", Some("debug"), None).await.expect("it can be set");
    assert!(first < second && second < third, "{first} {second} {third}");
    let view = seen(&registry, |view| view.values.get("log.level").is_some_and(|value| value.version == third)).await;
    assert_eq!(view.values["log.level"].text, "debug");
    assert_eq!((view.values["limits/rate"].text.as_str(), view.values["limits/rate"].version), ("100", second));
}

pub async fn a_removed_value_is_gone(open: Opening) {
    let registry = open().await;
    registry.set_value("log.level", Some(""), None).await.expect("an empty one is one");
    seen(&registry, |view| view.values.contains_key("log.level")).await;
    registry.set_value("log.level", None, None).await.expect("it can be removed");
    seen(&registry, |view| view.values.is_empty()).await;
    registry.set_value("log.level", None, None).await.expect("what is gone can be removed");
    registry.set_value("log.level", Some("warn"), Some(0)).await.expect("it is not there, as expected");
}

pub async fn a_value_that_is_not_as_expected_is_not_set(open: Opening) {
    let registry = open().await;
    let set = async |text, expected| registry.set_value("topology", text, Some(expected)).await;
    let version = set(Some("one"), 0).await.expect("it is not there, as expected");
    for (text, expected) in [(Some("other"), 0), (Some("other"), version + 1), (None, version + 1), (None, 0)] {
        let refused = set(text, expected).await;
        assert!(matches!(&refused, Err(Error::Changed { name }) if name == "topology"), "{refused:?}");
    }
    let next = set(Some("two"), version).await.expect("it is as expected");
    assert!(matches!(set(Some("late"), version).await, Err(Error::Changed { .. })));
    let view = seen(&registry, |view| view.values.get("topology").is_some_and(|value| value.version >= next)).await;
    assert_eq!(view.values["topology"].text, "two");
    set(None, next).await.expect("it is as expected");
}

pub async fn what_cannot_be_stored_is_refused(open: Opening) {
    let registry = open().await;
    let (long, large) = ("n".repeat(129), "v".repeat(VALUE_BYTES_MAX + 1));
    for name in ["", "with space", "käse", "new\nline", long.as_str()] {
        assert!(matches!(registry.try_acquire(name).await, Err(Error::Refused { .. })), "{name:?}");
        assert!(matches!(registry.acquire(name).await, Err(Error::Refused { .. })), "{name:?}");
        assert!(matches!(registry.set_value(name, Some("1"), None).await, Err(Error::Refused { .. })), "{name:?}");
    }
    assert!(matches!(registry.set_value("large", Some(&large), None).await, Err(Error::Refused { .. })));
    registry.set_value("large", Some(&large[1..]), None).await.expect("as large as can be");
    registry.set_value(&long[1..], Some("1"), None).await.expect("as long as can be");
}

pub async fn a_closed_registry_holds_nothing(open: Opening) {
    let registry = open().await;
    let (lease, worker) = (held(&registry, "gate").await, number(&registry).await);
    registry.close().await;
    assert_eq!((lease.standing(), worker.lease.standing()), (Standing::Lost, Standing::Lost));
    lease.lost().await;
    assert!(matches!(registry.try_acquire("gate").await, Err(Error::Engine(_))));
    assert!(matches!(registry.worker_number().await, Err(Error::Engine(_))));
    assert!(matches!(registry.set_value("a", Some("1"), None).await, Err(Error::Engine(_))));
    assert!(!registry.view().is_current);
    registry.close().await;
}

pub async fn processes_find_each_other(open: Opening) {
    let (one, other) = (open().await, open().await);
    assert_ne!(one.instance(), other.instance());
    one.announce(&["order"], "10.0.0.1:8080");
    other.announce(&["order", "relay"], "10.0.0.2:8080");
    let late = open().await;
    for registry in [&one, &other, &late] {
        let view = seen(registry, |view| addresses(view, "order").len() == 2).await;
        assert_eq!(addresses(&view, "relay"), only("10.0.0.2:8080"));
    }
}

pub async fn a_closed_process_is_found_no_more(open: Opening) {
    let (one, other) = (open().await, open().await);
    one.announce(&["order"], "10.0.0.1:8080");
    other.announce(&["order"], "10.0.0.2:8080");
    seen(&other, |view| addresses(view, "order").len() == 2).await;
    one.close().await;
    let view = seen(&other, |view| addresses(view, "order").len() == 1).await;
    assert_eq!(addresses(&view, "order"), only("10.0.0.2:8080"));
}

pub async fn what_one_process_holds_no_other_gets(open: Opening) {
    let (one, other) = (open().await, open().await);
    let lease = held(&one, "gate").await;
    refused(&other, "gate").await;
    lease.release().await;
    let taken = held(&other, "gate").await;
    refused(&one, "gate").await;
    assert!(taken.is_sure() && !lease.is_sure());
}

pub async fn of_many_who_try_at_once_one_gets_the_name(open: Opening) {
    let registries = join_all((0..6).map(|_| open())).await;
    for round in 0..5 {
        let name = format!("round-{round}");
        let tries = registries.iter().map(|registry| registry.try_acquire(&name));
        let got = join_all(tries).await.into_iter().filter_map(|got| got.expect("the engine is there"));
        assert_eq!(got.collect::<Vec<_>>().len(), 1, "{name}");
    }
}

pub async fn fences_grow_from_process_to_process(open: Opening) {
    let registries = [open().await, open().await];
    let mut last = 0;
    for turn in 0..6 {
        let lease = held(&registries[turn % 2], "gate").await;
        assert!(lease.fence() > last);
        last = lease.fence();
        lease.release().await;
    }
}

pub async fn a_waiter_takes_over_from_a_process_that_closes(open: Opening) {
    let (one, other) = (open().await, open().await);
    let first = held(&one, "gate").await;
    let end = async {
        seen(&other, |view| view.holders.contains_key("gate")).await;
        one.close().await;
    };
    let (second, ()) = futures::join!(other.acquire("gate"), end);
    let second = second.expect("a good name");
    assert!(second.is_sure() && second.fence() > first.fence());
    assert_eq!(first.standing(), Standing::Lost);
}

pub async fn worker_numbers_are_never_shared(open: Opening) {
    let registries = join_all((0..8).map(|_| open())).await;
    let workers = join_all(registries.iter().map(number)).await;
    let numbers: BTreeSet<u8> = workers.iter().map(|worker| worker.number).collect();
    assert_eq!(numbers.len(), 8);
    assert!(workers.iter().all(|worker| worker.lease.is_sure()));
}

pub async fn the_65th_worker_is_refused_until_a_number_is_given_back(open: Opening) {
    let (one, other) = (open().await, open().await);
    let mut workers = Vec::new();
    for turn in 0..WORKER_COUNT {
        workers.push(number(if turn % 2 == 0 { &one } else { &other }).await);
    }
    let numbers: BTreeSet<u8> = workers.iter().map(|worker| worker.number).collect();
    assert_eq!(numbers, (0..WORKER_COUNT).collect());
    for registry in [&one, &other] {
        let refused = registry.worker_number().await;
        assert!(matches!(refused, Err(Error::NoWorkerNumber { count: 64 })), "{:?}", refused.err());
    }
    let back = workers.swap_remove(17);
    back.lease.release().await;
    assert_eq!(number(&other).await.number, back.number);
}

pub async fn a_number_given_back_is_handed_out_last(open: Opening) {
    let registry = open().await;
    let first = number(&registry).await;
    first.lease.release().await;
    for _ in 1..WORKER_COUNT {
        let next = number(&registry).await;
        assert_ne!(next.number, first.number);
        next.lease.release().await;
    }
    assert_eq!(number(&registry).await.number, first.number);
}

pub async fn a_value_set_by_one_is_seen_by_all(open: Opening) {
    let (one, other) = (open().await, open().await);
    let version = one.set_value("log.level", Some("info"), None).await.expect("it can be set");
    let view = seen(&other, |view| view.values.contains_key("log.level")).await;
    assert_eq!(view.values["log.level"].version, version);
    other.set_value("log.level", None, Some(version)).await.expect("it can be removed");
    seen(&one, |view| view.version > 0 && view.values.is_empty()).await;
}

pub async fn of_two_who_expect_the_same_version_one_sets_the_value(open: Opening) {
    let (one, other) = (open().await, open().await);
    let version = one.set_value("topology", Some("0"), None).await.expect("it can be set");
    let (first, second) = futures::join!(
        one.set_value("topology", Some("1"), Some(version)),
        other.set_value("topology", Some("2"), Some(version))
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
}
