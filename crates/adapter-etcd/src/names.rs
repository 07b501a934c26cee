//! How names, worker numbers and live values are had: one transaction each.
//!
//! What holds: a name's key is made only where there is none, under this process's lease, and its fence is the revision
//! at which that happened. A call that is dropped or has lost its answer leaves at most a key that nobody here holds,
//! and those are cleared away in the background.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doos_domain::ids::WORKER_COUNT;
use doos_ports::registry::{Error, Lease, Standing};

use crate::board::number;
use crate::calls;
use crate::failure::Failure;
use crate::keys::{self, worker_lease};
use crate::session::free;
use crate::shared::{Shared, State};
use crate::tenure::{Mark, Tenure};
use crate::wire::Op;

/// How often whoever waits for a name looks again where nothing has told it to.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A name held by this process.
pub(crate) struct Held {
    shared: Arc<Shared>,
    name: String,
    mark: Arc<Mark>,
}

#[async_trait]
impl Lease for Held {
    fn name(&self) -> &str {
        &self.name
    }

    fn fence(&self) -> u64 {
        number(self.mark.fence)
    }

    fn standing(&self) -> Standing {
        if self.mark.is_lost() {
            Standing::Lost
        } else if self.mark.tenure.is_sure(self.shared.now()) {
            Standing::Sure
        } else {
            Standing::Unsure
        }
    }

    async fn lost(&self) {
        self.mark.until_lost().await;
    }

    async fn release(&self) {
        if self.give_up()
            && let Err(failure) = free(&self.shared, &self.name, self.mark.fence).await
        {
            tracing::debug!(name = self.name, %failure, "a name could not be freed at once; it is tried again");
        }
        self.shared.work.notify_one();
    }
}

impl Held {
    /// Whether it was held until now.
    fn give_up(&self) -> bool {
        let mut state = self.shared.state();
        let was_held = !self.mark.is_lost();
        self.mark.lose();
        state.forget(&self.name, self.mark.fence);
        was_held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.give_up() {
            self.shared.work.notify_one();
        }
    }
}

/// Says that a call for a name is under way, for as long as it lives: what that call makes is no orphan yet.
struct Trying<'shared> {
    shared: &'shared Shared,
    name: &'shared str,
}

impl<'shared> Trying<'shared> {
    /// None if this process holds the name, or another call of it is under way.
    fn begin(shared: &'shared Shared, name: &'shared str) -> Option<Self> {
        let mut state = shared.state();
        let is_free = !state.holds(name) && state.trying.insert(name.to_owned());
        // Not `then_some`: what is made is undone by its drop, under this lock.
        is_free.then(|| Self { shared, name })
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        self.shared.state().trying.remove(self.name);
        self.shared.work.notify_one();
    }
}

pub(crate) async fn try_acquire(shared: &Arc<Shared>, name: &str) -> Result<Option<Held>, Error> {
    let tenure = shared.tenure().await?;
    create(shared, &tenure, name, None).await
}

/// Makes the name's key, and does `also` with it.
async fn create(
    shared: &Arc<Shared>,
    tenure: &Arc<Tenure>,
    name: &str,
    also: Option<Op>,
) -> Result<Option<Held>, Error> {
    let Some(_trying) = Trying::begin(shared, name) else { return Ok(None) };
    let unavailable = |failure: Failure| {
        // The work in the background finds out whether the lease has ended, and what the call may have left behind.
        shared.work.notify_one();
        Error::Engine(failure.unavailable())
    };
    // Twice: the first time there may be a key of our own that nobody here holds any more.
    for _ in 0..2 {
        let key = shared.keys.lease(name);
        let put = calls::put(key.clone(), keys::holding(&shared.instance), tenure.id);
        let ops = std::iter::once(put).chain(also.clone()).collect();
        let settled = shared.link.transact(vec![calls::absent(key.clone())], ops, Some(key)).await;
        let settled = settled.map_err(unavailable)?;
        if settled.was_done {
            let mark = Arc::new(Mark::new(settled.revision, Arc::clone(tenure)));
            shared.state().hold(name, &mark);
            return Ok(Some(Held { shared: Arc::clone(shared), name: name.to_owned(), mark }));
        }
        match settled.found {
            Some(found) if found.lease == tenure.id => {
                free(shared, name, found.create_revision).await.map_err(unavailable)?;
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

pub(crate) async fn acquire(shared: &Arc<Shared>, name: &str) -> Result<Held, Error> {
    loop {
        let seen = shared.view();
        // While somebody is seen to hold it there is nothing to ask. A name that was given up here is seen for a while.
        let is_taken = {
            let state = shared.state();
            state.holds(name) || is_seen_elsewhere(&state, name)
        };
        if !is_taken && let Ok(Some(held)) = try_acquire(shared, name).await {
            return Ok(held);
        }
        tokio::select! {
            _ = shared.changed(|view| view.version > seen.version) => {}
            () = shared.clock.sleep(LOOK_AGAIN) => {}
            () = shared.closed() => return Err(Error::Engine(Failure::closed().unavailable())),
        }
    }
}

fn is_seen_elsewhere(state: &State, name: &str) -> bool {
    let ours = state.tenure.as_ref().map(|tenure| tenure.id);
    let holding = state.board.holdings().get(name);
    state.board.view().is_current && holding.is_some_and(|holding| Some(holding.lease) != ours)
}

/// The number that has been unused for longest: whoever had it and was stopped is the least likely to come back to it.
pub(crate) async fn worker_number(shared: &Arc<Shared>) -> Result<(u8, Held), Error> {
    let unavailable = |failure: Failure| Error::Engine(failure.unavailable());
    let tenure = shared.tenure().await?;
    let used = shared.link.list(shared.keys.numbers()).await.map_err(unavailable)?.kvs;
    let taken = shared.link.list(shared.keys.worker_leases()).await.map_err(unavailable)?.kvs;
    let last_used = |number: u8| {
        let key = shared.keys.number(number);
        used.iter().find(|kv| kv.key == key).map_or(0, |kv| kv.mod_revision)
    };
    let is_taken = |number: u8| {
        let key = shared.keys.lease(&worker_lease(number));
        taken.iter().any(|kv| kv.key == key && kv.lease != tenure.id)
    };
    let mut free: Vec<u8> = (0..WORKER_COUNT).filter(|number| !is_taken(*number)).collect();
    // Many may start at once; among numbers that nobody had, each begins elsewhere.
    let turn = usize::try_from(shared.clock.random() % u64::from(WORKER_COUNT)).unwrap_or(0);
    if !free.is_empty() {
        let middle = turn % free.len();
        free.rotate_left(middle);
    }
    free.sort_by_key(|number| last_used(*number));
    for candidate in free {
        let name = worker_lease(candidate);
        let used_now = calls::put(shared.keys.number(candidate), keys::holding(&shared.instance), 0);
        if let Some(held) = create(shared, &tenure, &name, Some(used_now)).await? {
            return Ok((candidate, held));
        }
    }
    Err(Error::NoWorkerNumber { count: WORKER_COUNT })
}

pub(crate) async fn set_value(
    shared: &Shared,
    name: &str,
    text: Option<&str>,
    expected: Option<u64>,
) -> Result<u64, Error> {
    shared.tenure().await?;
    let key = shared.keys.value(name);
    let changed = || Error::Changed { name: name.to_owned() };
    let condition = match expected {
        None => None,
        Some(0) => Some(calls::absent(key.clone())),
        Some(version) => Some(calls::modified(key.clone(), i64::try_from(version).map_err(|_| changed())?)),
    };
    let op = match text {
        Some(text) => calls::put(key.clone(), text.as_bytes().to_vec(), 0),
        None => calls::delete(key),
    };
    let settled = shared.link.transact(condition.into_iter().collect(), vec![op], None).await;
    let settled = settled.map_err(|failure| Error::Engine(failure.of_a_write()))?;
    if settled.was_done { Ok(number(settled.revision)) } else { Err(changed()) }
}
