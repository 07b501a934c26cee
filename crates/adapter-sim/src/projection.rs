//! Statistics and search in memory: the newest version of every order, looked through from end to end at each question.
//!
//! The reference for engines that keep sums and indexes: nothing here is computed before it is asked for.

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::order::Order;
use doos_domain::search::{is_found, text_of};
use doos_domain::statistics::{Calendar, Contribution, ProductFigures, Step, Tally};
use doos_domain::time::Timestamp;
use doos_ports::projection::{Projection, Standing};
use doos_ports::search::{Hits, Meanings, SearchIndex, SearchQuery};
use doos_ports::statistics::{Bucket, ProductSales, SeriesQuery, Statistics, Totals};
use doos_ports::{Error, Result};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

const MINUTES_KEPT: i64 = 2 * 24 * 60;
const HOURS_KEPT_MINUTES: i64 = 366 * 24 * 60;

/// What a projection has stored.
#[derive(Default)]
pub struct ProjectionRows {
    pub standing: Standing,
    pub orders: BTreeMap<OrderId, Arc<Order>>,
    /// Nothing before these minutes is kept by the minute, and by the hour.
    pub minutes_from: i64,
    pub hours_from: i64,
}

impl ProjectionRows {
    fn apply(&mut self, orders: &[Arc<Order>], standing: Standing) -> Result<(), ()> {
        if standing.epoch != self.standing.epoch {
            return Err(());
        }
        for order in orders {
            let slot = self.orders.entry(order.id).or_insert_with(|| Arc::clone(order));
            if slot.version < order.version {
                *slot = Arc::clone(order);
            }
        }
        self.standing = standing;
        Ok(())
    }
}

macro_rules! projection {
    ($name:ident, $part:expr, $rows:ident) => {
        pub struct $name {
            world: Arc<World>,
        }

        impl $name {
            pub(crate) const fn new(world: Arc<World>) -> Self {
                Self { world }
            }
        }

        #[async_trait]
        impl Projection for $name {
            fn name(&self) -> &'static str {
                $part.name()
            }

            async fn standing(&self) -> Result<Standing> {
                self.world.read($part, |durable| durable.$rows.standing.clone()).await
            }

            async fn apply(&self, orders: &[Arc<Order>], standing: Standing) -> Result<()> {
                let effect = |durable: &mut Durable| durable.$rows.apply(orders, standing.clone());
                let cause = || "it has begun anew meanwhile".to_owned();
                let applied = self.world.write($part, effect).await?;
                applied.map_err(|()| Error::Unavailable { engine: $part.name(), cause: cause() })
            }

            async fn begin_anew(&self, standing: Standing) -> Result<()> {
                let effect = |durable: &mut Durable| {
                    if standing.epoch > durable.$rows.standing.epoch {
                        durable.$rows.orders.clear();
                        durable.$rows.standing = standing.clone();
                    }
                };
                self.world.write($part, effect).await
            }

            async fn forget_old(&self, now: Timestamp) -> Result<()> {
                let effect = |durable: &mut Durable| {
                    let minute = Calendar::minute_of(now);
                    let rows = &mut durable.$rows;
                    rows.minutes_from = rows.minutes_from.max(minute - MINUTES_KEPT);
                    rows.hours_from = rows.hours_from.max(minute - HOURS_KEPT_MINUTES);
                };
                self.world.write($part, effect).await
            }

            async fn versions(&self, orders: &[OrderId]) -> Result<Vec<Option<u32>>> {
                let look = |durable: &Durable| {
                    let rows = &durable.$rows.orders;
                    orders.iter().map(|id| rows.get(id).map(|order| order.version)).collect()
                };
                self.world.read($part, look).await
            }

            async fn order_count(&self) -> Result<u64> {
                self.world.read($part, |durable| durable.$rows.orders.len() as u64).await
            }
        }
    };
}

projection!(SimStatistics, Part::Statistics, statistics);
projection!(SimSearch, Part::Search, search);

fn counted(rows: &ProjectionRows) -> Tally {
    let mut tally = Tally::new(Calendar::default());
    for order in rows.orders.values() {
        tally.add(&Contribution::of(order));
    }
    tally
}

#[async_trait]
impl Statistics for SimStatistics {
    fn calendar(&self) -> Calendar {
        Calendar::default()
    }

    async fn series(&self, query: SeriesQuery) -> Result<Vec<Bucket>> {
        let look = |durable: &Durable| {
            let rows = &durable.statistics;
            let kept_from = match query.step {
                Step::Minute => rows.minutes_from,
                Step::Hour => rows.hours_from,
                Step::Day => i64::MIN,
            };
            let asked_for = query.from.max(kept_from)..query.to;
            let tally = counted(rows);
            let buckets = tally.series.iter().filter(|(key, figures)| {
                key.step == Some(query.step) && asked_for.contains(&key.start) && !figures.is_zero()
            });
            let bucket = |(key, figures): (&doos_domain::statistics::SeriesKey, &_)| Bucket {
                start: key.start,
                currency: key.currency,
                figures: *figures,
            };
            let mut buckets: Vec<Bucket> = buckets.map(bucket).collect();
            buckets.sort_by_key(|bucket| (bucket.currency.code(), bucket.start));
            buckets
        };
        self.world.read(Part::Statistics, look).await
    }

    async fn totals(&self) -> Result<Totals> {
        let look = |durable: &Durable| {
            let tally = counted(&durable.statistics);
            let ever = tally.series.into_iter().filter(|(key, _)| key.step.is_none());
            Totals { all_time: ever.map(|(key, figures)| (key.currency, figures)).collect(), states: tally.states }
        };
        self.world.read(Part::Statistics, look).await
    }

    async fn top_products(&self, day: i64, limit: usize) -> Result<Vec<ProductSales>> {
        let look = |durable: &Durable| {
            let sold = counted(&durable.statistics).products.into_iter();
            let of_day = sold.filter(|(key, figures)| key.day == day && *figures != ProductFigures::default());
            let mut top: Vec<ProductSales> = of_day
                .map(|(key, figures)| ProductSales { product_id: key.product_id, currency: key.currency, figures })
                .collect();
            top.sort_by_key(|it| (Reverse(it.figures.units), Reverse(it.figures.sales_minor), it.product_id));
            top.truncate(limit);
            top
        };
        self.world.read(Part::Statistics, look).await
    }
}

#[async_trait]
impl SearchIndex for SimSearch {
    async fn search(&self, query: &SearchQuery) -> Result<Hits> {
        let look = |durable: &Durable| {
            let below = query.before.map_or(u64::MAX, OrderId::get);
            let orders = durable.search.orders.values().rev().filter(|order| order.id.get() < below);
            let mut found: Vec<OrderId> =
                orders.filter(|order| fits(query, order)).map(|order| order.id).take(query.limit + 1).collect();
            let has_more = found.len() > query.limit;
            found.truncate(query.limit);
            Hits { next: found.last().copied().filter(|_| has_more), orders: found }
        };
        self.world.read(Part::Search, look).await
    }
}

fn fits(query: &SearchQuery, order: &Order) -> bool {
    let has = |product: &ProductId| order.lines.iter().any(|line| line.product_id == *product);
    let is_meant = |meant: &Meanings| {
        (!meant.terms.is_empty() && is_found(&meant.terms, &text_of(order)))
            || meant.order_id == Some(order.id)
            || meant.user_id == Some(order.user_id)
            || meant.products.iter().any(has)
    };
    query.text.as_ref().is_none_or(is_meant)
        && query.user_id.is_none_or(|user| order.user_id == user)
        && query.product_id.as_ref().is_none_or(has)
        && (query.statuses.is_empty() || query.statuses.contains(&order.status))
        && query.from.is_none_or(|from| order.created_at >= from)
        && query.to.is_none_or(|to| order.created_at < to)
}
