//! The place where everything meets: executor, engines, the applications that are up, and what clients were told.
//!
//! A call goes through [`Site::call`]: it runs in a task of its own on the node that serves it, and the caller may hang
//! up or be left without an answer when that node dies.

use doos_adapter_sim::{SimClock, SimEngines};
use doos_app::App;
use doos_domain::order::Order;
use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, select};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::executor::{Executor, NodeId};
use crate::oracle::Oracle;
use crate::scenario::Scenario;

/// Where clients, faults and checks live; never crashes.
pub const OUTSIDE: NodeId = 0;

pub struct Site {
    pub executor: Arc<Executor>,
    pub engines: SimEngines,
    pub scenario: Scenario,
    pub oracle: Oracle,
    /// The nodes that serve callers right now.
    desks: Mutex<BTreeMap<NodeId, Arc<App>>>,
    clocks: Mutex<BTreeMap<NodeId, Arc<SimClock>>>,
    calm: AtomicBool,
    /// The orders lie in the simulated engines, where it can be seen whether they are durable.
    orders_in_engines: bool,
    clients_busy: AtomicU64,
}

impl Site {
    pub fn new(executor: Arc<Executor>, engines: SimEngines, scenario: Scenario, orders_in_engines: bool) -> Arc<Self> {
        Arc::new(Self {
            executor,
            engines,
            scenario,
            oracle: Oracle::default(),
            desks: Mutex::default(),
            clocks: Mutex::default(),
            calm: AtomicBool::new(false),
            orders_in_engines,
            clients_busy: AtomicU64::new(0),
        })
    }

    pub fn open_desk(&self, node: NodeId, app: Arc<App>) {
        lock(&self.desks).insert(node, app);
    }

    pub fn close_desk(&self, node: NodeId) {
        let gone = lock(&self.desks).remove(&node);
        drop(gone);
    }

    /// The clock of a node's machine, which stays what it is when the process dies.
    pub fn clock(&self, node: NodeId) -> Arc<SimClock> {
        Arc::clone(lock(&self.clocks).entry(node).or_insert_with(|| self.engines.clock()))
    }

    pub fn set_calm(&self) {
        self.engines.faults().set_calm();
        self.executor.disarm_all();
        self.calm.store(true, Ordering::Relaxed);
        self.executor.note(|| "calm: nothing fails from now on".to_owned());
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Some node that serves callers.
    pub fn any_desk(&self) -> Option<(NodeId, Arc<App>)> {
        let desks = lock(&self.desks);
        let last = desks.len().checked_sub(1)?;
        let index = self.executor.up_to(last as u64) as usize;
        desks.iter().nth(index).map(|(node, app)| (*node, Arc::clone(app)))
    }

    /// Asks some node. `None`: nobody is there, it died meanwhile, or the caller lost patience.
    pub async fn call<T: Send + 'static>(
        &self,
        patience_ms: u64,
        ask: impl FnOnce(Arc<App>) -> BoxFuture<'static, T>,
    ) -> Option<T> {
        let Some((node, app)) = self.any_desk() else {
            self.executor.sleep(200).await;
            return None;
        };
        let (reply, answer) = oneshot::channel();
        let asked = ask(app);
        self.executor.spawn(node, async move {
            let _ = reply.send(asked.await);
        });
        match select(answer, self.executor.sleep(patience_ms)).await {
            Either::Left((Ok(value), _)) => Some(value),
            Either::Left((Err(_), _)) | Either::Right(_) => None,
        }
    }

    /// A client was shown this order; `at_least` is what had been shown before it asked. Nobody sees what is not stored.
    pub fn shown(&self, order: &Order, at_least: u32) {
        self.oracle.shown(order, at_least);
        let stored = self.engines.look(|durable| durable.order(order.id).map_or(0, |stored| stored.version));
        if self.orders_in_engines && stored < order.version {
            let what = format!("order {} was shown at version {}, stored is {stored}", order.id, order.version);
            self.oracle.finding("I3", what);
        }
    }

    /// Runs a client; the world is not at rest while one is at work.
    pub fn client(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        self.clients_busy.fetch_add(1, Ordering::Relaxed);
        let site = Arc::clone(self);
        self.executor.spawn(OUTSIDE, async move {
            work.await;
            site.clients_busy.fetch_sub(1, Ordering::Relaxed);
        });
    }

    pub fn clients_busy(&self) -> u64 {
        self.clients_busy.load(Ordering::Relaxed)
    }

    /// Drops what would hold itself alive.
    pub fn end(&self) {
        self.executor.end();
        let desks = std::mem::take(&mut *lock(&self.desks));
        drop(desks);
        self.executor.end();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
