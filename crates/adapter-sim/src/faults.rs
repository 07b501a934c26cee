//! What can go wrong, how often, and the switch that ends it.
//!
//! Rates are plain numbers per mille of the calls (or messages) concerned, so that a seed can draw them. A calm world
//! has no faults at all, whatever the rates say; latency stays.

use doos_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What fails by itself: a database, a broker, a world outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    OrderShard(usize),
    Inventory,
    Payments,
    Shipping,
    Catalog,
    Identities,
    IdMarks,
    Bus,
    Feed,
    Statistics,
    Search,
    Gate,
    Provider,
    Carrier,
}

impl Part {
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderShard(_) => "order store",
            Self::Inventory => "inventory",
            Self::Payments => "payment book",
            Self::Shipping => "shipment store",
            Self::Catalog => "catalogue",
            Self::Identities => "identities",
            Self::IdMarks => "id marks",
            Self::Bus => "bus",
            Self::Feed => "change feed",
            Self::Statistics => "statistics",
            Self::Search => "search",
            Self::Gate => "stock gate",
            Self::Provider => "payment provider",
            Self::Carrier => "carrier",
        }
    }
}

/// Everything ending in `_ms` is milliseconds, everything else is per mille.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// The call does not get there; nothing is done.
    pub calls_failed: u32,
    /// It is done, but the caller is told that nobody knows.
    pub replies_lost: u32,
    pub calls_slow: u32,
    pub slow_max_ms: u64,
    /// The call finds its part going away for a while.
    pub outages: u32,
    pub outage_max_ms: u64,
    /// A consumed group over several shards is written shard by shard, its progress last, instead of as one unit.
    pub consumes_torn: u32,
    /// A message on the bus is still open in its outbox, and is published again.
    pub marks_lost: u32,
    pub messages_repeated: u32,
    pub messages_delayed: u32,
    pub message_delay_max_ms: u64,
    /// A message may overtake one of its own order by the same writer, which the contract of the bus rules out.
    pub reordered_within_order: u32,
    /// A subscription starts at what was acknowledged to the broker instead of at the stored progress.
    pub redeliveries: u32,
    /// A node's clock steps when the node next sleeps.
    pub clock_steps: u32,
    pub clock_step_max_ms: u64,
    pub captures_declined: u32,
    /// The provider first says "open", and decides later.
    pub captures_late: u32,
    pub capture_delay_max_ms: u64,
    pub callbacks_lost: u32,
    pub callbacks_repeated: u32,
    pub callback_delay_max_ms: u64,
    /// Provider or carrier: no clear answer, and nothing was done.
    pub outside_unclear_before: u32,
    /// Provider or carrier: no clear answer, though it was done.
    pub outside_unclear_after: u32,
    pub parcels_refused: u32,
}

impl Rates {
    pub const fn none() -> Self {
        Self {
            calls_failed: 0,
            replies_lost: 0,
            calls_slow: 0,
            slow_max_ms: 0,
            outages: 0,
            outage_max_ms: 0,
            consumes_torn: 0,
            marks_lost: 0,
            messages_repeated: 0,
            messages_delayed: 0,
            message_delay_max_ms: 0,
            reordered_within_order: 0,
            redeliveries: 0,
            clock_steps: 0,
            clock_step_max_ms: 0,
            captures_declined: 0,
            captures_late: 0,
            capture_delay_max_ms: 0,
            callbacks_lost: 0,
            callbacks_repeated: 0,
            callback_delay_max_ms: 0,
            outside_unclear_before: 0,
            outside_unclear_after: 0,
            parcels_refused: 0,
        }
    }

    /// A bit of everything that the contracts allow.
    pub const fn rough() -> Self {
        Self {
            calls_failed: 20,
            replies_lost: 20,
            calls_slow: 20,
            slow_max_ms: 5_000,
            outages: 2,
            outage_max_ms: 20_000,
            consumes_torn: 0,
            marks_lost: 30,
            messages_repeated: 50,
            messages_delayed: 100,
            message_delay_max_ms: 10_000,
            reordered_within_order: 0,
            redeliveries: 500,
            clock_steps: 2,
            clock_step_max_ms: 30_000,
            captures_declined: 50,
            captures_late: 100,
            capture_delay_max_ms: 60_000,
            callbacks_lost: 100,
            callbacks_repeated: 200,
            callback_delay_max_ms: 60_000,
            outside_unclear_before: 30,
            outside_unclear_after: 50,
            parcels_refused: 50,
        }
    }
}

/// The rates of one world and its switch; clones share both.
#[derive(Clone, Debug)]
pub struct Faults {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    rates: Rates,
    calm: AtomicBool,
    away_until: Mutex<BTreeMap<Part, Timestamp>>,
}

static NONE: Rates = Rates::none();

impl Faults {
    pub fn new(rates: Rates) -> Self {
        Self { shared: Arc::new(Shared { rates, ..Shared::default() }) }
    }

    pub fn none() -> Self {
        Self::new(Rates::default())
    }

    /// From now on nothing fails, and whatever was away is back.
    pub fn set_calm(&self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }

    pub fn set_rough(&self) {
        self.shared.calm.store(false, Ordering::Relaxed);
    }

    pub fn is_calm(&self) -> bool {
        self.shared.calm.load(Ordering::Relaxed)
    }

    /// The rates that hold now.
    pub fn rates(&self) -> &Rates {
        if self.is_calm() { &NONE } else { &self.shared.rates }
    }

    /// Takes a part away until then, or brings it back.
    pub fn set_away(&self, part: Part, until: Timestamp) {
        self.lock().insert(part, until);
    }

    pub fn is_away(&self, part: Part, now: Timestamp) -> bool {
        !self.is_calm() && self.lock().get(&part).is_some_and(|until| now < *until)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Part, Timestamp>> {
        self.shared.away_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
