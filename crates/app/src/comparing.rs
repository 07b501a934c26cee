//! Whether the read models are equal to the orders that they are computed from.
//!
//! What holds: it only reads, page by page, and everything goes on meanwhile. An order that moves on while it is looked
//! at is asked for again until the feed has carried the change, for a bounded time; what is still different then is
//! told. Sums are compared where no order has changed between the first look and the last, and said not to be otherwise:
//! a sum of moving orders is equal to nothing.
//!
//! What must never happen: a difference that is only a change under way.

use doos_domain::ids::OrderId;
use doos_domain::statistics::{Contribution, Figures, SeriesKey, Step, Tally};
use doos_ports::bus::Position;
use doos_ports::order_store::Query;
use doos_ports::projection::Projection;
use doos_ports::statistics::SeriesQuery;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{App, Error, Principal, Result};

/// Orders and sums named in one report.
const NAMED_MAX: usize = 20;
/// Orders that are asked for again; what is beyond is told as it was found.
const DOUBTS_MAX: usize = 10_000;
/// A change is usually carried within a second.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const ASKED_AGAIN_MAX: usize = 50;

/// One read model next to the orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub name: &'static str,
    /// It has begun anew; compared was what is read until it is filled.
    pub is_filling: bool,
    /// Orders in the store.
    pub orders: u64,
    /// Orders in the read model before the first look.
    pub held: u64,
    pub missing: u64,
    /// In an older version than the store's.
    pub behind: u64,
    /// In a newer version than the store's.
    pub ahead: u64,
    /// At least so many orders in it that the store does not have.
    pub surplus: u64,
    /// The first that are different.
    pub named: Vec<OrderId>,
    pub sums: Sums,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sums {
    /// It keeps none.
    None,
    /// So many were equal.
    Equal(usize),
    /// Of so many, how many are not, and the first of them.
    Different(usize, usize, Vec<String>),
    /// Orders have changed meanwhile.
    Moving,
}

impl Comparison {
    pub const fn is_equal(&self) -> bool {
        let is_same = self.missing == 0 && self.behind == 0 && self.ahead == 0 && self.surplus == 0;
        is_same && !matches!(self.sums, Sums::Different(..))
    }
}

/// What is known of a read model while the orders are walked.
struct Compared<'app> {
    projection: &'app dyn Projection,
    held: u64,
    is_filling: bool,
    /// Each with the version that the store had.
    doubts: BTreeMap<OrderId, u32>,
    /// Beyond those.
    more: u64,
}

impl App {
    /// Compares every read model with the order store. One comparison at a time.
    pub async fn compare_projections(&self, by: &Principal) -> Result<Vec<Comparison>> {
        by.check_operator()?;
        let _alone = self.comparing.try_lock().map_err(|_| Error::Overloaded)?;
        let begun_at = self.ports.feed.end().await?;
        let mut all = Vec::new();
        for projection in self.projections() {
            let is_filling = projection.standing().await?.walk != doos_ports::projection::Walk::Done;
            let held = projection.order_count().await?;
            all.push(Compared { projection, held, is_filling, doubts: BTreeMap::new(), more: 0 });
        }
        let (orders, tally) = self.walk_orders(&mut all).await?;
        let mut told = Vec::new();
        for compared in all {
            told.push(self.settle_doubts(compared, orders).await?);
        }
        let sums = self.compare_sums(&tally, begun_at).await?;
        if let Some(statistics) = told.iter_mut().find(|it| it.name == self.ports.statistics.name()) {
            statistics.sums = sums;
        }
        Ok(told)
    }

    /// Every order once, newest first; those placed meanwhile are not among them.
    async fn walk_orders(&self, all: &mut [Compared<'_>]) -> Result<(u64, Tally)> {
        let (mut orders, mut before) = (0, None);
        let mut tally = Tally::new(self.ports.statistics.calendar());
        loop {
            let limit = self.options.feed_group_len_max;
            let page = self.ports.orders.list(Query { before, limit, ..Query::default() }).await?;
            orders += page.orders.len() as u64;
            let ids: Vec<OrderId> = page.orders.iter().map(|order| order.id).collect();
            for order in &page.orders {
                tally.add(&Contribution::of(order));
            }
            for compared in all.iter_mut() {
                let versions = compared.projection.versions(&ids).await?;
                for (order, version) in page.orders.iter().zip(versions) {
                    if version == Some(order.version) {
                        continue;
                    }
                    if compared.doubts.len() < DOUBTS_MAX {
                        compared.doubts.insert(order.id, order.version);
                    } else {
                        compared.more += 1;
                    }
                }
            }
            match page.next {
                Some(next) => before = Some(next),
                None => return Ok((orders, tally)),
            }
        }
    }

    async fn settle_doubts(&self, mut compared: Compared<'_>, orders: u64) -> Result<Comparison> {
        let mut told = Comparison {
            name: compared.projection.name(),
            is_filling: compared.is_filling,
            orders,
            held: compared.held,
            missing: 0,
            behind: compared.more,
            ahead: 0,
            surplus: compared.held.saturating_sub(orders),
            named: Vec::new(),
            sums: Sums::None,
        };
        let mut found = BTreeMap::new();
        for again in 0..=ASKED_AGAIN_MAX {
            found = self.still_different(&compared).await?;
            compared.doubts.retain(|id, _| found.contains_key(id));
            if found.is_empty() {
                break;
            }
            if again < ASKED_AGAIN_MAX {
                self.ports.clock.sleep(ASK_AGAIN).await;
            }
        }
        for (id, (in_store, in_model)) in found {
            match in_model {
                None => told.missing += 1,
                Some(version) if version < in_store => told.behind += 1,
                Some(_) => told.ahead += 1,
            }
            if told.named.len() < NAMED_MAX {
                told.named.push(id);
            }
        }
        Ok(told)
    }

    /// Orders in doubt whose version in the read model is older than the one that was seen, or newer than there is; with
    /// the store's version and the read model's.
    async fn still_different(&self, compared: &Compared<'_>) -> Result<BTreeMap<OrderId, (u32, Option<u32>)>> {
        let mut different = BTreeMap::new();
        let doubts: Vec<(OrderId, u32)> = compared.doubts.iter().map(|(id, version)| (*id, *version)).collect();
        for chunk in doubts.chunks(self.options.feed_group_len_max) {
            let ids: Vec<OrderId> = chunk.iter().map(|(id, _)| *id).collect();
            let versions = compared.projection.versions(&ids).await?;
            for ((id, seen), version) in chunk.iter().zip(versions) {
                if version == Some(*seen) {
                    continue;
                }
                // Read after the model, so that it is never older than what the model was told.
                let now = self.ports.orders.load(*id).await?.map_or(0, |order| order.version);
                if !version.is_some_and(|version| (*seen..=now).contains(&version)) {
                    different.insert(*id, (now, version));
                }
            }
        }
        Ok(different)
    }

    /// The sums of all time and of each day, and the count of each state.
    async fn compare_sums(&self, tally: &Tally, begun_at: Position) -> Result<Sums> {
        let statistics = &self.ports.statistics;
        let totals = statistics.totals().await?;
        let days = statistics.series(SeriesQuery { step: Step::Day, from: i64::MIN, to: i64::MAX }).await?;
        let mut stored: BTreeMap<SeriesKey, Figures> = BTreeMap::new();
        for (currency, figures) in &totals.all_time {
            stored.insert(SeriesKey { step: None, start: 0, currency: *currency }, *figures);
        }
        for day in days {
            let key = SeriesKey { step: Some(Step::Day), start: day.start, currency: day.currency };
            stored.insert(key, day.figures);
        }
        let is_kept = |key: &&SeriesKey| matches!(key.step, None | Some(Step::Day));
        let keys: BTreeSet<SeriesKey> = stored.keys().chain(tally.series.keys().filter(is_kept)).copied().collect();
        let mut different = Vec::new();
        for key in &keys {
            let [is, should_be] = [&stored, &tally.series].map(|sums| sums.get(key).copied().unwrap_or_default());
            if is != should_be {
                different.push(format!("{key:?}: {is:?}, by the orders {should_be:?}"));
            }
        }
        let states: BTreeSet<_> = totals.states.keys().chain(tally.states.keys()).copied().collect();
        for status in &states {
            let [is, should_be] = [&totals.states, &tally.states].map(|sums| sums.get(status).copied().unwrap_or(0));
            if is != should_be {
                different.push(format!("{status:?}: {is}, by the orders {should_be}"));
            }
        }
        // Asked last: what came in between makes every sum above one of another instant.
        if !self.ports.feed.read(begun_at, 1).await?.is_empty() {
            return Ok(Sums::Moving);
        }
        let compared = keys.len() + states.len();
        if different.is_empty() {
            return Ok(Sums::Equal(compared));
        }
        let count = different.len();
        different.truncate(NAMED_MAX);
        Ok(Sums::Different(compared, count, different))
    }
}
