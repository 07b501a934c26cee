//! Order ids when a worker number changes hands: nobody repeats one, and who has lost its number goes on under another.
#![cfg(test)]

use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_app::{App, Error, Options};
use doos_domain::ids::{EPOCH_MILLIS, UserId};
use doos_domain::time::Timestamp;
use futures::executor::block_on;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock that the test sets.
struct Watch(AtomicI64);

impl SimRuntime for Watch {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(EPOCH_MILLIS + self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed).unsigned_abs())
    }

    fn sleep(&self, duration: Duration) -> Pause {
        self.0.fetch_add(i64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
        self.yield_now()
    }

    fn random(&self) -> u64 {
        7
    }

    fn yield_now(&self) -> Pause {
        Box::pin(std::future::ready(()))
    }
}

async fn process(engines: &SimEngines, number: u32, worker: u8) -> Arc<App> {
    let ports = engines.ports(number, engines.clock(), engines.gate());
    App::start(ports, Options { worker, ..Options::default() }).await.unwrap().0
}

#[test]
fn a_process_that_lost_its_number_stops_at_its_mark_and_goes_on_under_another() {
    block_on(async {
        let watch = Arc::new(Watch(AtomicI64::new(86_400_000)));
        let engines = SimEngines::new(SimOptions::default(), Arc::clone(&watch) as _);
        engines.faults().set_calm();
        let user = UserId::new(42).unwrap();
        let mut seen = BTreeSet::new();

        let first = process(&engines, 1, 5).await;
        assert!(seen.insert(first.ids.next(user).await.unwrap()));
        // Paused past its lease: another process has the number now, and issues ids of its own.
        let second = process(&engines, 2, 5).await;
        for _ in 0..1_000 {
            assert!(seen.insert(second.ids.next(user).await.unwrap()));
        }
        // It may go on up to its mark, below which the other one issues nothing; there it learns that it is fenced.
        assert!(seen.insert(first.ids.next(user).await.unwrap()));
        watch.0.fetch_add(10_000, Ordering::Relaxed);
        let fenced = first.ids.next(user).await.unwrap_err();
        assert!(matches!(&fenced, Error::Unavailable { cause } if cause.contains('5')), "{fenced:?}");

        first.ids.retake(6).await.unwrap();
        for _ in 0..1_000 {
            assert!(seen.insert(first.ids.next(user).await.unwrap()));
            assert!(seen.insert(second.ids.next(user).await.unwrap()));
        }
    });
}
