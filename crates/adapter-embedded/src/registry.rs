//! The registry of one process: it is always there, has every name nobody else in the process has, and a worker number
//! from the configuration.
//!
//! What holds: a lease is sure until it is given up. Live values last until the process ends; those of the
//! configuration are there from the beginning. Fences begin at the time of opening, so that they also grow from one
//! start to the next. What keeps a second process away is the lock on the data directory.

use async_trait::async_trait;
use doos_domain::ids::WORKER_COUNT;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::registry::{
    Error, Holder, Instance, Lease, Registry, Standing, Value, View, WorkerNumber, check_name, check_value,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

use crate::locks::lock;

const ENGINE: &str = "the registry";
const INSTANCE: &str = "this-process";

pub struct StaticRegistry {
    shared: Arc<Shared>,
}

struct Shared {
    worker: u8,
    started_at: Timestamp,
    state: Mutex<State>,
    views: watch::Sender<Arc<View>>,
}

struct State {
    view: View,
    /// Of the last holder, and of the last change of a value.
    last: u64,
    held: BTreeMap<String, Arc<watch::Sender<bool>>>,
    is_closed: bool,
}

impl StaticRegistry {
    /// `values` are the live values that hold from the beginning.
    pub fn new(worker: u8, values: BTreeMap<String, String>, clock: &dyn Clock) -> Self {
        assert!(worker < WORKER_COUNT, "worker numbers have six bits");
        let started_at = clock.now();
        let last = u64::try_from(started_at.as_millis()).unwrap_or(0);
        let values = values.into_iter().map(|(name, text)| (name, Value { text, version: last })).collect();
        let view = View { version: 1, is_current: true, values, ..View::default() };
        let views = watch::Sender::new(Arc::new(view.clone()));
        let state = Mutex::new(State { view, last, held: BTreeMap::new(), is_closed: false });
        Self { shared: Arc::new(Shared { worker, started_at, state, views }) }
    }
}

impl Shared {
    /// Changes what is known and tells those who watch.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let mut state = lock(&self.state);
        if state.is_closed {
            let cause = "it is closed".to_owned();
            return Err(doos_ports::Error::Unavailable { engine: ENGINE, cause }.into());
        }
        let before = state.view.clone();
        let outcome = change(&mut state)?;
        if state.view != before {
            state.view.version += 1;
            self.views.send_replace(Arc::new(state.view.clone()));
        }
        Ok(outcome)
    }

    async fn changed(&self, seen: u64) -> Arc<View> {
        let mut views = self.views.subscribe();
        let view = views.wait_for(|view| view.version > seen).await;
        view.expect("the sender lives as long as this").clone()
    }

    fn take(self: &Arc<Self>, name: &str) -> Result<Option<Held>, Error> {
        self.change(|state| {
            if state.held.contains_key(name) {
                return Ok(None);
            }
            state.last += 1;
            let (fence, lost) = (state.last, Arc::new(watch::Sender::new(false)));
            state.held.insert(name.to_owned(), Arc::clone(&lost));
            let holder = Holder { instance: INSTANCE.to_owned(), fence };
            state.view.holders.insert(name.to_owned(), holder);
            Ok(Some(Held { shared: Arc::clone(self), name: name.to_owned(), fence, lost }))
        })
    }
}

struct Held {
    shared: Arc<Shared>,
    name: String,
    fence: u64,
    lost: Arc<watch::Sender<bool>>,
}

impl Held {
    fn give_up(&self) {
        if self.lost.send_replace(true) {
            return;
        }
        // Once the registry is closed there is nothing left to change.
        let _ = self.shared.change(|state| {
            state.held.remove(&self.name);
            state.view.holders.remove(&self.name);
            Ok(())
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[async_trait]
impl Lease for Held {
    fn name(&self) -> &str {
        &self.name
    }

    fn fence(&self) -> u64 {
        self.fence
    }

    fn standing(&self) -> Standing {
        if *self.lost.borrow() { Standing::Lost } else { Standing::Sure }
    }

    async fn lost(&self) {
        let mut lost = self.lost.subscribe();
        // The sender lives in this lease.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    async fn release(&self) {
        self.give_up();
    }
}

#[async_trait]
impl Registry for StaticRegistry {
    fn instance(&self) -> &str {
        INSTANCE
    }

    async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    fn view(&self) -> Arc<View> {
        self.shared.views.borrow().clone()
    }

    async fn changed(&self, seen: u64) -> Arc<View> {
        self.shared.changed(seen).await
    }

    fn announce(&self, roles: &[&str], address: &str) {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let (name, address, started_at) = (INSTANCE.to_owned(), address.to_owned(), self.shared.started_at);
        let instance = Instance { name, roles, address, started_at };
        // A closed registry announces nothing.
        let _ = self.shared.change(|state| {
            state.view.instances.insert(INSTANCE.to_owned(), instance);
            Ok(())
        });
    }

    fn withdraw(&self) {
        let _ = self.shared.change(|state| {
            state.view.instances.clear();
            Ok(())
        });
    }

    async fn try_acquire(&self, name: &str) -> Result<Option<Box<dyn Lease>>, Error> {
        check_name(name)?;
        let held = self.shared.take(name)?;
        Ok(held.map(|held| Box::new(held) as Box<dyn Lease>))
    }

    async fn acquire(&self, name: &str) -> Result<Box<dyn Lease>, Error> {
        check_name(name)?;
        loop {
            let seen = self.view().version;
            if let Some(held) = self.shared.take(name)? {
                return Ok(Box::new(held));
            }
            self.shared.changed(seen).await;
        }
    }

    async fn worker_number(&self) -> Result<WorkerNumber, Error> {
        let number = self.shared.worker;
        match self.shared.take(&format!("worker/{number:02}"))? {
            Some(held) => Ok(WorkerNumber { number, lease: Box::new(held) }),
            None => Err(Error::NoWorkerNumber { count: 1 }),
        }
    }

    async fn set_value(&self, name: &str, text: Option<&str>, expected: Option<u64>) -> Result<u64, Error> {
        check_value(name, text)?;
        self.shared.change(|state| {
            let present = state.view.values.get(name).map_or(0, |value| value.version);
            if expected.is_some_and(|expected| expected != present) {
                return Err(Error::Changed { name: name.to_owned() });
            }
            state.last += 1;
            let version = state.last;
            match text {
                Some(text) => {
                    let text = text.to_owned();
                    state.view.values.insert(name.to_owned(), Value { text, version });
                }
                None => {
                    state.view.values.remove(name);
                }
            }
            Ok(version)
        })
    }

    async fn close(&self) {
        let _ = self.shared.change(|state| {
            state.is_closed = true;
            state.view.is_current = false;
            for lost in std::mem::take(&mut state.held).into_values() {
                lost.send_replace(true);
            }
            Ok(())
        });
    }
}
