//! A position that only grows, and whoever waits for it to pass theirs.
//!
//! What holds: all who wait are woken in the order in which they began to, so a simulated run is the same each time.
//! The runtime's own watch channel wakes them in random order.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Bell {
    position: AtomicU64,
    rung: Notify,
}

impl Bell {
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    pub fn ring(&self, position: u64) {
        self.position.store(position, Ordering::Release);
        self.rung.notify_waiters();
    }

    /// Returns when the position has passed `after`. Dropping the future loses nothing.
    pub async fn passes(&self, after: u64) {
        loop {
            let mut rung = std::pin::pin!(self.rung.notified());
            // Waiting starts before looking, so that what rings in between is heard.
            rung.as_mut().enable();
            if self.position() > after {
                return;
            }
            rung.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Wake, Waker};

    struct Named(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn whoever_began_to_wait_first_is_woken_first() {
        let (bell, woken) = (Bell::default(), Arc::new(Mutex::new(Vec::new())));
        let mut waiting: Vec<_> = (0..200).map(|_| Box::pin(bell.passes(5))).collect();
        for (number, waits) in waiting.iter_mut().enumerate() {
            let waker = Waker::from(Arc::new(Named(number, Arc::clone(&woken))));
            assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        bell.ring(6);
        assert_eq!(*woken.lock().unwrap(), (0..200).collect::<Vec<_>>());
        assert!(waiting.into_iter().all(|waits| waits.now_or_never().is_some()));
        assert!(bell.passes(5).now_or_never().is_some() && bell.passes(6).now_or_never().is_none());
    }
}
