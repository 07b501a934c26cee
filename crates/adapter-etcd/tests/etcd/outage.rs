//! The real etcd killed, and stopped for a while.
//!
//! Everybody on this machine shares it, so these run only when asked for, one at a time:
//! `DOOS_TEST_OUTAGE=1 cargo test -p doos-adapter-etcd --test etcd outage -- --test-threads=1 --nocapture`

use doos_ports::Error::Unavailable;
use doos_ports::clock::Clock as _;
use doos_ports::registry::{Error, Standing};
use std::time::Duration;

use crate::engine::{self, RealClock, seen, within};

/// Longer than the lease, twice.
const AWAY: Duration = Duration::from_secs(5);

async fn service(verb: &'static str) {
    let ran = tokio::task::spawn_blocking(move || engine::services().args([verb, "etcd"]).status().unwrap());
    assert!(ran.await.unwrap().success(), "{verb}");
}

fn survives(down: &'static str, up: &'static str) {
    if std::env::var("DOOS_TEST_OUTAGE").is_err() {
        println!("NOT RUN: it takes etcd from others; set DOOS_TEST_OUTAGE=1");
        return;
    }
    engine::run(async |options| {
        let (one, other) = (engine::open(&options), engine::open(&options));
        one.announce(&["order"], "10.0.0.1:8080");
        other.announce(&["order"], "10.0.0.2:8080");
        let lease = within("a name", one.acquire("gate")).await.unwrap();
        let workers = (one.worker_number().await.unwrap(), other.worker_number().await.unwrap());
        let version = one.set_value("log.level", Some("info"), None).await.unwrap();
        let both = |registry| seen(registry, |view| view.instances_of("order").count() == 2 && !view.values.is_empty());
        futures::join!(both(&one), both(&other));
        let (fence, taken_over) = (lease.fence(), other.acquire("gate"));

        service(down).await;
        let away = async {
            for registry in [&one, &other] {
                let view = seen(registry, |view| !view.is_current).await;
                assert_eq!(view.instances_of("order").count(), 2, "the last known");
                assert_eq!(view.values["log.level"].version, version);
            }
            let asked_at = RealClock.monotonic();
            for registry in [&one, &other] {
                assert!(matches!(registry.try_acquire("new").await, Err(Error::Engine(Unavailable { .. }))));
                assert!(matches!(registry.worker_number().await, Err(Error::Engine(Unavailable { .. }))));
                assert!(matches!(registry.set_value("a", None, None).await, Err(Error::Engine(Unavailable { .. }))));
            }
            let refused_ms = (RealClock.monotonic() - asked_at).as_millis();
            assert!(refused_ms < 100, "six refusals took {refused_ms} ms");
            tokio::time::sleep(AWAY).await;
            assert_eq!(lease.standing(), Standing::Unsure, "the incumbent carries on, and is not sure");
            assert_eq!(workers.0.lease.standing(), Standing::Unsure);
        };
        let mut taken_over = std::pin::pin!(taken_over);
        tokio::select! {
            biased;
            taken = &mut taken_over => panic!("{:?} was handed out while etcd was away", taken.map(|lease| lease.fence())),
            () = away => {}
        }

        service(up).await;
        let back_at = RealClock.monotonic();
        futures::join!(seen(&one, |view| view.is_current), seen(&other, |view| view.is_current));
        println!("{down}: current again {} ms after it was back", (RealClock.monotonic() - back_at).as_millis());
        // etcd gives leases their whole time again when it starts; one that was only stopped may have ended them.
        let standing = async {
            while lease.standing() == Standing::Unsure {
                tokio::time::sleep(engine::TICK).await;
            }
            lease.standing()
        };
        let standing = within("an answer", standing).await;
        println!("{down}: afterwards the lease is {standing:?}");
        if standing == Standing::Sure {
            let view = seen(&other, |view| view.holders.contains_key("gate")).await;
            assert_eq!(view.holders["gate"].fence, fence);
            lease.release().await;
        }
        let next = within("the name", taken_over).await.unwrap();
        assert!(next.is_sure() && next.fence() > fence);
        // Nobody has told them to: they are announced again.
        let known = |registry| seen(registry, |view| view.is_current && view.instances_of("order").count() == 2);
        futures::join!(known(&one), known(&other));
        let numbers = (within("a number", one.worker_number()).await, within("a number", other.worker_number()).await);
        assert_ne!(numbers.0.unwrap().number, numbers.1.unwrap().number);
        one.set_value("log.level", Some("debug"), Some(version)).await.unwrap();
        seen(&other, |view| view.values["log.level"].text == "debug").await;
    });
}

#[test]
fn a_killed_etcd_is_waited_for_with_what_is_known() {
    survives("kill", "start");
}

#[test]
fn a_stopped_etcd_is_waited_for_with_what_is_known() {
    survives("pause", "resume");
}
