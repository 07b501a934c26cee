//! A call that is carried through to its end, also if nobody waits for its outcome any more.
//!
//! What holds: as long as its caller waits, the call runs in the caller's own task, which costs nothing. A caller that
//! hangs up drops the future that waits; the call then goes on in a task of its own, from where it stood, and the drain
//! waits for it.
//!
//! What must never happen: a call polled again after it has panicked.

use futures::FutureExt as _;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// What a panic left behind.
type Panic = Box<dyn Any + Send>;

pub struct Finishing<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    /// Gone once it has ended.
    call: Option<Pin<Box<F>>>,
    tasks: TaskTracker,
}

impl<F> Finishing<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    pub fn new(call: F, tasks: TaskTracker) -> Self {
        Self { call: Some(Box::pin(call)), tasks }
    }
}

impl<F> Future for Finishing<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = Result<F::Output, Panic>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.call.as_mut().expect("nobody polls what has ended");
        let polled = AssertUnwindSafe(call).catch_unwind().poll_unpin(cx);
        if polled.is_ready() {
            self.call = None;
        }
        polled
    }
}

impl<F> Drop for Finishing<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime the process is ending, and what is in flight ends with it as it would in any task.
        if let Some(call) = self.call.take()
            && let Ok(runtime) = Handle::try_current()
        {
            self.tasks.spawn_on(call.in_current_span(), &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn a_call_goes_on_after_its_caller_has_hung_up_and_the_drain_waits_for_it() {
        let (tasks, goes_on, steps) = (TaskTracker::new(), Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
        let (waits_for, counts) = (Arc::clone(&goes_on), Arc::clone(&steps));
        let call = async move {
            counts.fetch_add(1, Ordering::Relaxed);
            waits_for.notified().await;
            counts.fetch_add(1, Ordering::Relaxed);
        };
        let mut call = Finishing::new(call, tasks.clone());
        assert!(futures::poll!(&mut call).is_pending());
        assert!(tasks.is_empty(), "while somebody waits it needs no task");
        drop(call);
        tasks.close();
        assert_eq!((tasks.len(), steps.load(Ordering::Relaxed)), (1, 1), "it went on from where it stood");
        goes_on.notify_one();
        tasks.wait().await;
        assert_eq!(steps.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_call_that_has_ended_or_panicked_leaves_nothing_behind() {
        let tasks = TaskTracker::new();
        assert_eq!(Finishing::new(async { 7 }, tasks.clone()).await.ok(), Some(7));
        let panicked = Finishing::new(async { std::hint::black_box(None::<u8>).expect("planted") }, tasks.clone());
        assert!(panicked.await.is_err());
        assert!(tasks.is_empty());
    }
}
