//! What an operator does to the registry by hand.

use doos_ports::registry::Standing;

use crate::engine::{self, By, seen, within};

async fn by_hand(act: impl FnOnce(&By) + Send + 'static) {
    tokio::task::spawn_blocking(move || act(&By::hand())).await.unwrap();
}

#[test]
fn a_name_that_is_taken_from_its_holder_is_lost_at_once_and_another_has_it() {
    engine::run(async |options| {
        let (holder, other) = (engine::open(&options), engine::open(&options));
        let old = within("a name", holder.acquire("gate")).await.unwrap();
        let kept = within("a name", holder.acquire("upkeep")).await.unwrap();
        let key = format!("{}/leases/gate", options.prefix);
        let (new, ()) = futures::join!(other.acquire("gate"), by_hand(move |by| by.delete(&key)));
        within("the loss", old.lost()).await;
        assert_eq!(old.standing(), Standing::Lost);
        let new = new.unwrap();
        assert!(new.fence() > old.fence());
        assert!(kept.is_sure(), "the other names stay");
        // The old holder's handle must not take the name from the new one.
        old.release().await;
        drop(old);
        assert!(holder.try_acquire("gate").await.unwrap().is_none(), "the new one has it");
        assert_ne!(new.standing(), Standing::Lost);
        // Given up in the background; whoever waits gets it, whoever asks at once may come too early.
        drop(new);
        within("the name that was given up", holder.acquire("gate")).await.unwrap();
    });
}

#[test]
fn a_key_without_a_lease_keeps_everybody_away_from_a_name() {
    engine::run(async |options| {
        let registry = engine::open(&options);
        registry.ready().await.unwrap();
        let key = format!("{}/leases/cdc", options.prefix);
        let (put, gone) = (key.clone(), key);
        by_hand(move |by| by.put(&put, "maintenance")).await;
        assert!(registry.try_acquire("cdc").await.unwrap().is_none());
        let view = seen(&registry, |view| view.holders.contains_key("cdc")).await;
        assert_eq!(view.owner("cdc"), None);
        let (lease, ()) = futures::join!(registry.acquire("cdc"), by_hand(move |by| by.delete(&gone)));
        assert!(lease.unwrap().is_sure());
    });
}

#[test]
fn an_announcement_that_was_deleted_comes_back() {
    engine::run(async |options| {
        let registry = engine::open(&options);
        registry.announce(&["order"], "10.0.0.1:8080");
        let view = seen(&registry, |view| view.instances.len() == 1).await;
        let key = format!("{}/instances/{}", options.prefix, registry.instance());
        by_hand(move |by| by.delete(&key)).await;
        let view = seen(&registry, |now| now.version > view.version && now.instances.is_empty()).await;
        seen(&registry, |now| now.version > view.version && now.instances.len() == 1).await;
    });
}

#[test]
fn what_cannot_be_read_disturbs_nothing() {
    engine::run(async |options| {
        let registry = engine::open(&options);
        registry.set_value("log.level", Some("info"), None).await.unwrap();
        let prefix = options.prefix.clone();
        by_hand(move |by| {
            by.put(&format!("{prefix}/instances/odd"), "{");
            by.put(&format!("{prefix}/foreign/thing"), "x");
            by.put(&format!("{prefix}/values/by-hand"), "1");
        })
        .await;
        let view = seen(&registry, |view| view.values.contains_key("by-hand")).await;
        assert_eq!((view.values.len(), view.instances.len()), (2, 0));
    });
}
