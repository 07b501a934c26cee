//! What the simulation's executor provides, and the few futures that engines are made of.
//!
//! What must never happen: two waiters woken in an order that depends on anything but when they began to wait.

use doos_domain::time::Timestamp;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

/// A future that is ready once its time has come.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Virtual time and seeded chance, owned by whoever polls the tasks.
pub trait SimRuntime: Send + Sync {
    /// The true virtual time, which no node's clock need agree with.
    fn now(&self) -> Timestamp;

    /// Virtual time since the world began.
    fn monotonic(&self) -> Duration;

    fn sleep(&self, duration: Duration) -> Pause;

    /// For the application's jitter; faults have their own source.
    fn random(&self) -> u64;

    /// Lets every other task that can run go first.
    fn yield_now(&self) -> Pause;
}

/// Wakes everybody who waits, in the order in which they came.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
}

#[derive(Default)]
struct Rung {
    times: u64,
    waiting: Vec<Waker>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        let waiting = {
            let mut rung = self.lock();
            rung.times += 1;
            std::mem::take(&mut rung.waiting)
        };
        for waker in waiting {
            waker.wake();
        }
    }

    pub(crate) fn times(&self) -> u64 {
        self.lock().times
    }

    /// Returns once it has rung more often than `seen`.
    pub(crate) async fn rung_since(&self, seen: u64) {
        poll_fn(|context| {
            let mut rung = self.lock();
            if rung.times > seen {
                return Poll::Ready(());
            }
            if !rung.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                rung.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Returns when either is ready; the first is asked first.
pub(crate) async fn race(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    let mut first = std::pin::pin!(first);
    let mut second = std::pin::pin!(second);
    poll_fn(|context| {
        if first.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        second.as_mut().poll(context)
    })
    .await;
}
