//! What the registry's callers and its work in the background share: what is known, what is wanted, what is held.
//!
//! What holds: all of it changes under one lock, so that a name which was got and a look that contradicts it always
//! meet, whichever came first. The lock is never held across a call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::registry::{Error, Instance, View};
use tokio::sync::{Notify, watch};

use crate::board::Board;
use crate::failure::Failure;
use crate::keys::Keys;
use crate::link::Link;
use crate::options::Options;
use crate::tenure::{Mark, Tenure};

/// Whether etcd can be asked.
#[derive(Clone, Debug)]
pub(crate) enum Contact {
    /// Nobody has been asked yet, or the last lease has ended and the next is not there yet.
    Unknown,
    There(Arc<Tenure>),
    Away(String),
    Closed,
}

/// What was announced, under which lease, and when.
pub(crate) struct Announced {
    pub instance: Instance,
    pub lease: i64,
    pub revision: i64,
}

pub(crate) struct State {
    pub board: Board,
    pub tenure: Option<Arc<Tenure>>,
    pub wanted: Option<Instance>,
    pub announced: Option<Announced>,
    /// Names for which a call is under way.
    pub trying: BTreeSet<String>,
    held: BTreeMap<String, Arc<Mark>>,
    is_closed: bool,
}

pub(crate) struct Shared {
    pub options: Options,
    pub clock: Arc<dyn Clock>,
    pub instance: String,
    pub started_at: Timestamp,
    pub keys: Keys,
    pub link: Link,
    /// There is something for the work in the background to do.
    pub work: Notify,
    state: Mutex<State>,
    views: watch::Sender<Arc<View>>,
    contact: watch::Sender<Contact>,
}

impl Shared {
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, String> {
        options.check()?;
        let keys = Keys::new(&options.prefix);
        let state = State {
            board: Board::new(keys.clone()),
            tenure: None,
            wanted: None,
            announced: None,
            trying: BTreeSet::new(),
            held: BTreeMap::new(),
            is_closed: false,
        };
        Ok(Self {
            link: Link::new(&options, clock.random())?,
            instance: format!("{:016x}", clock.random()),
            started_at: clock.now(),
            keys,
            options,
            clock,
            work: Notify::new(),
            state: Mutex::new(state),
            views: watch::Sender::default(),
            contact: watch::Sender::new(Contact::Unknown),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    pub fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    pub async fn changed(&self, is_it: impl Fn(&View) -> bool + Send) -> Arc<View> {
        let mut views = self.views.subscribe();
        let view = views.wait_for(|view| is_it(view)).await;
        view.expect("the sender lives as long as this").clone()
    }

    /// The lease to work under, once it is known whether there is one; refused at once while etcd is away.
    pub async fn tenure(&self) -> Result<Arc<Tenure>, Error> {
        let away = |cause: &str| Error::Engine(Failure::Away(cause.to_owned()).unavailable());
        let mut contact = self.contact.subscribe();
        // A first question has as long as it may take to be answered by one member, and then by another.
        let patience = self.options.call_timeout() * 2;
        let known = contact.wait_for(|contact| !matches!(contact, Contact::Unknown));
        match tokio::time::timeout(patience, known).await {
            Ok(Ok(contact)) => match &*contact {
                Contact::There(tenure) => Ok(Arc::clone(tenure)),
                Contact::Away(cause) => Err(away(cause)),
                Contact::Closed | Contact::Unknown => Err(Error::Engine(Failure::closed().unavailable())),
            },
            _ => Err(away("nobody has answered yet")),
        }
    }

    /// Changes what is known, tells those who watch, and those whose names have gone.
    pub fn learn(&self, change: impl FnOnce(&mut Board) -> bool) {
        let mut state = self.state();
        if state.is_closed {
            return;
        }
        if change(&mut state.board) {
            self.views.send_replace(Arc::new(state.board.view().clone()));
        }
        let State { board, held, .. } = &mut *state;
        held.retain(|name, mark| {
            let is_lost = board.contradicts(name, mark.fence);
            if is_lost {
                tracing::warn!(name, "the registry has taken this name from us");
                mark.lose();
            }
            !is_lost
        });
        drop(state);
        self.work.notify_one();
    }

    /// etcd answers, and this is the lease.
    pub fn set_there(&self, tenure: &Arc<Tenure>) {
        let mut state = self.state();
        if state.is_closed {
            return;
        }
        state.tenure = Some(Arc::clone(tenure));
        let before = self.contact.send_replace(Contact::There(Arc::clone(tenure)));
        if let Contact::Away(_) = before {
            tracing::info!("the registry answers again");
        }
    }

    pub fn set_away(&self, cause: &str) {
        self.learn(Board::set_stale);
        let state = self.state();
        if state.is_closed {
            return;
        }
        let before = self.contact.send_replace(Contact::Away(cause.to_owned()));
        if !matches!(before, Contact::Away(_)) {
            tracing::warn!(cause, "the registry is away; what is known stays, incumbents carry on, nobody takes over");
        }
    }

    /// etcd has said that the lease is over: everything under it is.
    pub fn end_tenure(&self, tenure: &Tenure) {
        tenure.end();
        let mut state = self.state();
        state.tenure = None;
        state.announced = None;
        let held = std::mem::take(&mut state.held);
        for (name, mark) in held {
            tracing::warn!(name, "the lease on this name has run out");
            mark.lose();
        }
        if !state.is_closed {
            self.contact.send_replace(Contact::Unknown);
        }
    }

    /// Nothing is held, known or wanted any more. Returns the lease that is to be given back.
    pub fn end(&self) -> Option<Arc<Tenure>> {
        self.learn(Board::set_stale);
        let mut state = self.state();
        state.is_closed = true;
        state.wanted = None;
        let tenure = state.tenure.take();
        if let Some(tenure) = &tenure {
            tenure.end();
        }
        for mark in std::mem::take(&mut state.held).into_values() {
            mark.lose();
        }
        self.contact.send_replace(Contact::Closed);
        tenure
    }

    pub async fn closed(&self) {
        let mut contact = self.contact.subscribe();
        let _ = contact.wait_for(|contact| matches!(contact, Contact::Closed)).await;
    }

    pub fn announce(&self, wanted: Option<Instance>) {
        let mut state = self.state();
        if !state.is_closed {
            state.wanted = wanted;
        }
        drop(state);
        self.work.notify_one();
    }
}

impl State {
    pub fn holds(&self, name: &str) -> bool {
        self.held.contains_key(name)
    }

    /// Takes a name down as held, unless what is known by now says otherwise; then it is lost from the beginning.
    pub fn hold(&mut self, name: &str, mark: &Arc<Mark>) {
        if self.is_closed || mark.is_lost() || self.board.contradicts(name, mark.fence) {
            mark.lose();
        } else {
            self.held.insert(name.to_owned(), Arc::clone(mark));
        }
    }

    /// The name is not held under this fence any more; a later holding of the same name stays.
    pub fn forget(&mut self, name: &str, fence: i64) {
        if self.held.get(name).is_some_and(|mark| mark.fence == fence) {
            self.held.remove(name);
        }
    }

    /// Names under our lease that nobody here holds: given up, or got by a call whose answer nobody waited for.
    pub fn orphans(&self, tenure: &Tenure) -> Vec<(String, i64)> {
        let ours = self.board.holdings().iter().filter(|(_, holding)| holding.lease == tenure.id);
        ours.filter(|(name, holding)| {
            !self.trying.contains(*name) && self.held.get(*name).is_none_or(|mark| mark.fence != holding.fence)
        })
        .map(|(name, holding)| (name.clone(), holding.fence))
        .collect()
    }

    /// What is to be announced, if it is not yet, or if what is known says that it has gone.
    pub fn to_announce(&self, tenure: &Tenure) -> Option<Instance> {
        let wanted = self.wanted.as_ref()?;
        let stands = self.announced.as_ref().is_some_and(|announced| {
            let is_seen = || self.board.view().instances.get(&wanted.name) == Some(wanted);
            announced.instance == *wanted
                && announced.lease == tenure.id
                && (!self.board.knows(announced.revision) || is_seen())
        });
        (!stands).then(|| wanted.clone())
    }
}
