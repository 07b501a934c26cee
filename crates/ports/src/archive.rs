//! Putting whole months of orders away, and what is told about it. Each engine does it in its own way.
//!
//! Contract: an order that is put away is read, listed and swept like any other, before, during and after; a change of it
//! is taken, and brings it back into use. A month is put away when all of its orders are closed, which the caller judges,
//! under the engine's lock; else nothing of it is. What was cut off is gone on with by asking again. Whoever asks for
//! months that are gone is told of none.

use doos_domain::ids::OrderId;
use doos_domain::month::Month;
use doos_domain::order::Order;
use doos_domain::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// A month may still get orders so long after its end: ids that were issued before it, and clocks that differ.
pub const SETTLED_AFTER_MS: i64 = 86_400_000;

/// Why an order is not closed, by a name that is the same in every engine; `None` if it is.
pub type Judge<'a> = dyn Fn(&Order) -> Option<&'static str> + Send + Sync + 'a;
pub type Tell<'a> = dyn Fn(&Progress) + Send + Sync + 'a;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All months before this one.
    Before(Month),
    Only(Month),
}

impl Which {
    pub fn takes(self, month: Month) -> bool {
        match self {
            Self::Before(end) => month < end,
            Self::Only(wanted) => month == wanted,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub which: Which,
    /// Only look.
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// All of it is put away.
    Archived,
    /// It could be; this was a dry run.
    Archivable,
    /// Some of its orders, or it itself, are not ready.
    Refused,
    /// All its orders are put away; the empty space that they had is not given back yet.
    Emptied,
}

impl Fate {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Archived => "archived",
            Self::Archivable => "archivable",
            Self::Refused => "refused",
            Self::Emptied => "emptied",
        }
    }
}

/// So many orders of a month are not ready for this reason; and one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    pub reason: &'static str,
    pub count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<OrderId>,
}

/// What became of one month on one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MonthReport {
    pub shard: usize,
    pub month: Month,
    pub fate: Fate,
    /// Orders in use in this month when it was looked at.
    pub orders: u64,
    /// Of those, put away by this call.
    pub archived: u64,
    /// Their size as JSON, and as they are kept now.
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub obstacles: Vec<Obstacle>,
}

impl MonthReport {
    pub const fn new(shard: usize, month: Month) -> Self {
        let obstacles = Vec::new();
        Self { shard, month, fate: Fate::Refused, orders: 0, archived: 0, bytes_before: 0, bytes_after: 0, obstacles }
    }
}

/// A month that was put away earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArchivedMonth {
    pub shard: usize,
    pub month: Month,
    pub orders: u64,
    pub began_at: Timestamp,
    /// `None`: it was cut off; asking again goes on with it.
    pub ended_at: Option<Timestamp>,
}

/// How far the month in hand is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    pub shard: usize,
    pub month: Month,
    pub step: Step,
    /// Orders looked at, or put away.
    pub done: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Looking,
    PuttingAway,
    GivingBack,
    Done,
}

impl Step {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Looking => "looked at",
            Self::PuttingAway => "put away",
            Self::GivingBack => "put away, its space is given back",
            Self::Done => "put away, done",
        }
    }
}

/// Counts reasons, and keeps the first order of each.
#[derive(Default)]
pub struct Obstacles(BTreeMap<&'static str, (u64, Option<OrderId>)>);

impl Obstacles {
    pub fn add(&mut self, reason: &'static str, count: u64, example: Option<OrderId>) {
        if count > 0 {
            let (counted, first) = self.0.entry(reason).or_default();
            *counted += count;
            *first = first.or(example);
        }
    }

    pub fn told(self) -> Vec<Obstacle> {
        self.0.into_iter().map(|(reason, (count, example))| Obstacle { reason, count, example }).collect()
    }
}

/// Whether a month is so long over that no order can come to it any more.
pub fn is_settled(month: Month, now: Timestamp) -> bool {
    month.next().start().plus_millis(SETTLED_AFTER_MS) <= now
}
