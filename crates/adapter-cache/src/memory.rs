//! The first level: orders in memory, and the loads that are under way.
//!
//! What holds: of all who ask for the same order at once, one loads and the others take what it got. A change that comes
//! while an order is being loaded raises the flight's floor: what was loaded below it is neither kept nor handed on, and
//! loaded again. Keeping an order, and learning of a newer version, happen under the same lock.
//!
//! What must never happen: a lock held across an await, or somebody who waits for a load whose caller has gone.

use doos_domain::ids::OrderId;
use doos_domain::order::Order;
use doos_ports::Result;
use futures::future::BoxFuture;
use moka::Expiry;
use moka::sync::Cache;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// So that readers of different orders seldom meet.
const SHARDS: usize = 64;
/// How often a load is begun for one caller: the second one begins after the change that made the first too old.
const LOADS_MAX: usize = 3;
/// How often one caller takes the seat behind somebody who goes away.
const SEATS_MAX: usize = 8;
/// This process's own commits, as long as the second level may not have heard of them.
const OWN_MAX: u64 = 100_000;
const OWN_KEPT: Duration = Duration::from_secs(60);

pub(crate) type Found = Option<Arc<Order>>;
type Landed = watch::Receiver<Option<Result<Found>>>;

/// An order, or that there is none.
#[derive(Clone)]
pub(crate) struct Entry {
    pub order: Found,
    pub ttl: Duration,
}

fn version_of(found: &Found) -> u32 {
    found.as_ref().map_or(0, |order| order.version)
}

/// Loads an order, and is told which try it is.
pub(crate) trait Load<'load>: Fn(usize) -> BoxFuture<'load, Result<Entry>> {}

impl<'load, F: Fn(usize) -> BoxFuture<'load, Result<Entry>>> Load<'load> for F {}

/// Each entry has a time of its own.
struct OwnTime;

impl Expiry<OrderId, Entry> for OwnTime {
    fn expire_after_create(&self, _: &OrderId, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(&self, _: &OrderId, entry: &Entry, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.ttl)
    }
}

struct Flight {
    /// What is older than this is not kept.
    floor: u32,
    landed: Landed,
}

pub(crate) struct Memory {
    kept: Cache<OrderId, Entry>,
    own: Cache<OrderId, u32>,
    flights: [Mutex<HashMap<OrderId, Flight>>; SHARDS],
}

/// Who loads, until dropped; those behind then choose another.
struct Leader<'a> {
    memory: &'a Memory,
    id: OrderId,
    landing: watch::Sender<Option<Result<Found>>>,
}

enum Seat<'a> {
    Leader(Leader<'a>),
    Behind(Landed),
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.memory.flights(self.id).remove(&self.id);
    }
}

impl Memory {
    pub fn new(orders_max: u64) -> Self {
        Self {
            kept: Cache::builder().max_capacity(orders_max).expire_after(OwnTime).build(),
            own: Cache::builder().max_capacity(OWN_MAX).time_to_live(OWN_KEPT).build(),
            flights: std::array::from_fn(|_| Mutex::default()),
        }
    }

    fn flights(&self, id: OrderId) -> MutexGuard<'_, HashMap<OrderId, Flight>> {
        let place = (id.get() ^ (id.get() >> 22)) as usize % SHARDS;
        self.flights[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn find(&self, id: OrderId) -> Option<Found> {
        self.kept.get(&id).map(|entry| entry.order)
    }

    pub fn len(&self) -> u64 {
        self.kept.entry_count()
    }

    /// Forgets what is kept. Loads under way are not kept either.
    pub fn clear(&self) {
        self.kept.invalidate_all();
        for shard in &self.flights {
            for flight in shard.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
                flight.floor = u32::MAX;
            }
        }
    }

    /// There is this version: nothing older is kept or handed out. `keep`: for how long, if it is kept already.
    pub fn learn(&self, order: &Arc<Order>, keep: Duration) {
        let mut flights = self.flights(order.id);
        if let Some(flight) = flights.get_mut(&order.id) {
            flight.floor = flight.floor.max(order.version);
        }
        if self.kept.get(&order.id).is_some_and(|entry| version_of(&entry.order) < order.version) {
            self.kept.insert(order.id, Entry { order: Some(Arc::clone(order)), ttl: keep });
        }
    }

    /// The same of what this process has committed, which the second level may not know for a while.
    pub fn learn_own(&self, order: &Arc<Order>, keep: Duration) {
        let mut known = self.own.get(&order.id).unwrap_or_default();
        known = known.max(order.version);
        self.own.insert(order.id, known);
        self.learn(order, keep);
    }

    /// The version in which this process itself has committed an order a moment ago.
    pub fn own(&self, id: OrderId) -> u32 {
        self.own.get(&id).unwrap_or_default()
    }

    /// What `load` gets, once for all who ask at the same time.
    pub async fn read<'load>(&self, id: OrderId, load: impl Load<'load>) -> Result<Found> {
        for _ in 0..SEATS_MAX {
            let mut landed = match self.take_seat(id) {
                Seat::Leader(leader) => return self.lead(leader, load).await,
                Seat::Behind(landed) => landed,
            };
            // Closed without a landing: whoever was in front has gone.
            if let Ok(landed) = landed.wait_for(Option::is_some).await
                && let Some(found) = landed.as_ref()
            {
                return found.clone();
            }
        }
        load(LOADS_MAX).await.map(|entry| entry.order)
    }

    fn take_seat(&self, id: OrderId) -> Seat<'_> {
        let mut flights = self.flights(id);
        if let Some(flight) = flights.get(&id) {
            return Seat::Behind(flight.landed.clone());
        }
        let (landing, landed) = watch::channel(None);
        flights.insert(id, Flight { floor: 0, landed });
        Seat::Leader(Leader { memory: self, id, landing })
    }

    async fn lead<'load>(&self, leader: Leader<'_>, load: impl Load<'load>) -> Result<Found> {
        let mut outcome = load(0).await;
        for number in 1..LOADS_MAX {
            match &outcome {
                Ok(entry) if !self.keep(leader.id, entry) => outcome = load(number).await,
                _ => break,
            }
        }
        let found = outcome.map(|entry| entry.order);
        leader.landing.send_replace(Some(found.clone()));
        found
    }

    /// `false`: there is a newer one by now.
    fn keep(&self, id: OrderId, entry: &Entry) -> bool {
        let mut flights = self.flights(id);
        let Some(flight) = flights.get_mut(&id) else { return true };
        if version_of(&entry.order) < flight.floor {
            // What is loaded from here on is loaded after the change.
            flight.floor = if flight.floor == u32::MAX { 0 } else { flight.floor };
            return false;
        }
        self.kept.insert(id, entry.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doos_domain::actor::Cause;
    use doos_domain::ids::UserId;
    use doos_domain::money::{Currency, Money};
    use doos_domain::pricing::Quote;
    use doos_domain::time::Timestamp;
    use doos_ports::Error;
    use futures::future::{join, join_all};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    const TTL: Duration = Duration::from_secs(600);

    fn order(version: u32) -> Arc<Order> {
        let quote = Quote { lines: Vec::new(), total: Money::new(0, Currency::Eur) };
        let user = UserId::new(1).unwrap();
        let cause = Cause::system("test", Timestamp::from_millis(1));
        let mut order = Order::place(OrderId::new(77).unwrap(), user, quote, None, &cause).order;
        order.version = version;
        Arc::new(order)
    }

    fn entry(version: u32) -> Entry {
        Entry { order: Some(order(version)), ttl: TTL }
    }

    fn at_once(_: usize) -> BoxFuture<'static, Result<Entry>> {
        Box::pin(async { Ok(entry(1)) })
    }

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn of_many_who_ask_at_once_one_loads() {
        block_on(async {
            let (memory, loads, id) = (Memory::new(10), AtomicUsize::new(0), order(1).id);
            let load = |_| -> BoxFuture<'_, Result<Entry>> {
                Box::pin(async {
                    loads.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Ok(entry(1))
                })
            };
            let found = join_all((0..50).map(|_| memory.read(id, load))).await;
            assert!(found.into_iter().all(|found| found.unwrap() == Some(order(1))));
            assert_eq!(loads.load(Ordering::Relaxed), 1);
            assert_eq!(memory.find(id), Some(Some(order(1))));
        });
    }

    #[test]
    fn what_changes_while_it_is_loaded_is_loaded_again_for_all_who_wait() {
        block_on(async {
            let (memory, begun, goes_on, id) = (Memory::new(10), Notify::new(), Notify::new(), order(1).id);
            let (begun, goes_on) = (&begun, &goes_on);
            let load = move |number: usize| -> BoxFuture<'_, Result<Entry>> {
                Box::pin(async move {
                    if number > 0 {
                        return Ok(entry(2));
                    }
                    begun.notify_one();
                    goes_on.notified().await;
                    Ok(entry(1))
                })
            };
            let change = async {
                begun.notified().await;
                memory.learn(&order(2), TTL);
                goes_on.notify_one();
            };
            let readers = join_all((0..3).map(|_| memory.read(id, load)));
            let (found, ()) = join(readers, change).await;
            assert!(found.into_iter().all(|found| found.unwrap() == Some(order(2))));
            assert_eq!(memory.find(id), Some(Some(order(2))));
        });
    }

    #[test]
    fn who_waits_behind_somebody_that_goes_away_loads_itself() {
        block_on(async {
            let (memory, id) = (Memory::new(10), order(1).id);
            let never = |_| -> BoxFuture<'_, Result<Entry>> { Box::pin(std::future::pending()) };
            let mut gone = Box::pin(memory.read(id, never));
            assert!(futures::poll!(gone.as_mut()).is_pending());
            let mut behind = Box::pin(memory.read(id, at_once));
            assert!(futures::poll!(behind.as_mut()).is_pending());
            drop(gone);
            assert_eq!(behind.await.unwrap(), Some(order(1)));
        });
    }

    #[test]
    fn a_failure_is_told_to_all_and_kept_by_nobody() {
        block_on(async {
            let (memory, id) = (Memory::new(10), order(1).id);
            let away = |_| -> BoxFuture<'_, Result<Entry>> {
                Box::pin(async {
                    tokio::task::yield_now().await;
                    Err(Error::Unavailable { engine: "the store", cause: "test".to_owned() })
                })
            };
            let failed = join_all((0..3).map(|_| memory.read(id, away))).await;
            assert!(failed.iter().all(Result::is_err));
            assert_eq!(memory.read(id, at_once).await.unwrap(), Some(order(1)));
        });
    }

    #[test]
    fn forgetting_everything_reaches_the_loads_under_way() {
        block_on(async {
            let (memory, begun, goes_on, id) = (Memory::new(10), Notify::new(), Notify::new(), order(1).id);
            let (begun, goes_on) = (&begun, &goes_on);
            let load = move |number: usize| -> BoxFuture<'_, Result<Entry>> {
                Box::pin(async move {
                    if number == 0 {
                        begun.notify_one();
                        goes_on.notified().await;
                    }
                    Ok(entry(u32::try_from(number).unwrap() + 1))
                })
            };
            let forget = async {
                begun.notified().await;
                memory.clear();
                goes_on.notify_one();
            };
            let (found, ()) = join(memory.read(id, load), forget).await;
            assert_eq!(found.unwrap(), Some(order(2)), "loaded once more");
            assert_eq!(memory.find(id), Some(Some(order(2))));
        });
    }
}
