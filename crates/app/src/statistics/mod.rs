//! What the dashboard shows: sums of sales, the best sold products, how many orders stand where, what runs low.
//!
//! Everybody but a customer may look: the sums are about all orders.

use doos_domain::catalog::Product;
use doos_domain::ids::ProductId;
use doos_domain::money::Currency;
use doos_domain::statistics::{Calendar, Figures, Step};
use doos_domain::time::Timestamp;
use doos_ports::statistics::{Bucket, ProductSales, SeriesQuery, Totals};
use doos_ports::stock_gate::Level;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::projecting::Lag;
use crate::pulse::Rates;
use crate::{App, Error, Principal, Result};

/// Points of one series, whatever its length: a chart has no use for more.
pub const POINTS_MAX: i64 = 10_000;
pub const TOP_PRODUCTS_MAX: usize = 100;

/// A series as it was read: whole buckets, from and to which minute.
pub struct Series {
    pub step: Step,
    pub from: Timestamp,
    pub to: Timestamp,
    pub buckets: Vec<Bucket>,
}

/// Which day is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    Today,
    Yesterday,
    /// So many days after 1970-01-01.
    Number(i64),
}

pub struct TopProducts {
    /// Days after 1970-01-01.
    pub day: i64,
    pub products: Vec<ProductSales>,
}

/// Everything at one glance.
pub struct Summary {
    pub at: Timestamp,
    pub totals: Totals,
    pub today: BTreeMap<Currency, Figures>,
    pub yesterday: BTreeMap<Currency, Figures>,
}

/// What changes by the second.
pub struct Now {
    pub at: Timestamp,
    pub rates: Rates,
    pub totals: Totals,
    pub today: BTreeMap<Currency, Figures>,
    pub lags: Vec<Lag>,
}

impl App {
    /// Sales by step, in whole buckets from the one in which `from` lies to the one before `to` or around it.
    pub async fn sales(&self, principal: &Principal, step: Step, from: Timestamp, to: Timestamp) -> Result<Series> {
        principal.check_sees_all()?;
        let calendar = self.ports.statistics.calendar();
        let first = calendar.start_of(step, Calendar::minute_of(from));
        // The last bucket is the one of the last millisecond before `to`.
        let last = calendar.start_of(step, Calendar::minute_of(to.plus_millis(-1)));
        let points = (last - first) / step.minutes() + 1;
        if to <= from {
            return Err(Error::Invalid("`to` lies after `from`".to_owned()));
        }
        if points > POINTS_MAX {
            return Err(Error::Invalid(format!(
                "from `from` to `to` are {points} buckets of a {}; at most {POINTS_MAX} are given at once",
                step.name()
            )));
        }
        let end = last + step.minutes();
        let buckets = self.ports.statistics.series(SeriesQuery { step, from: first, to: end }).await?;
        Ok(Series { step, from: Calendar::time_of(first), to: Calendar::time_of(end), buckets })
    }

    pub async fn top_products(&self, principal: &Principal, day: Day, limit: usize) -> Result<TopProducts> {
        principal.check_sees_all()?;
        if !(1..=TOP_PRODUCTS_MAX).contains(&limit) {
            return Err(Error::Invalid(format!("a limit lies between 1 and {TOP_PRODUCTS_MAX}")));
        }
        let calendar = self.ports.statistics.calendar();
        let today = calendar.day_of(Calendar::minute_of(self.ports.clock.now()));
        let day = match day {
            Day::Today => today,
            Day::Yesterday => today - 1,
            Day::Number(day) => day,
        };
        let products = self.ports.statistics.top_products(calendar.start_of_day(day), limit).await?;
        Ok(TopProducts { day, products })
    }

    pub async fn statistics_summary(&self, principal: &Principal) -> Result<Summary> {
        principal.check_sees_all()?;
        let at = self.ports.clock.now();
        Ok(Summary {
            at,
            totals: self.ports.statistics.totals().await?,
            today: self.figures_of_day(at, 0).await?,
            yesterday: self.figures_of_day(at, 1).await?,
        })
    }

    pub async fn statistics_now(&self, principal: &Principal) -> Result<Now> {
        principal.check_sees_all()?;
        let at = self.ports.clock.now();
        Ok(Now {
            at,
            rates: self.pulse.rates(at),
            totals: self.ports.statistics.totals().await?,
            today: self.figures_of_day(at, 0).await?,
            lags: self.feed_lags().await?,
        })
    }

    async fn figures_of_day(&self, at: Timestamp, days_ago: i64) -> Result<BTreeMap<Currency, Figures>> {
        let calendar = self.ports.statistics.calendar();
        let from = calendar.start_of_day(calendar.day_of(Calendar::minute_of(at)) - days_ago);
        let query = SeriesQuery { step: Step::Day, from, to: from + 1 };
        let buckets = self.ports.statistics.series(query).await?;
        Ok(buckets.into_iter().map(|bucket| (bucket.currency, bucket.figures)).collect())
    }

    /// Products on sale with less than `below` free, least first.
    pub async fn stock_alarms(
        &self,
        principal: &Principal,
        below: i64,
        limit: usize,
    ) -> Result<Vec<(Arc<Product>, Level)>> {
        principal.check_sees_all()?;
        if !(1..=TOP_PRODUCTS_MAX).contains(&limit) {
            return Err(Error::Invalid(format!("a limit lies between 1 and {TOP_PRODUCTS_MAX}")));
        }
        let products = self.catalog.all();
        let on_sale: Vec<&Arc<Product>> = products.values().filter(|product| product.on_sale).collect();
        let ids: Vec<ProductId> = on_sale.iter().map(|product| product.id).collect();
        let levels = self.stock_levels(&ids).await?;
        let mut low: Vec<(Arc<Product>, Level)> = on_sale
            .into_iter()
            .zip(levels)
            .map(|(product, level)| (Arc::clone(product), level))
            .filter(|(_, level)| level.free < below)
            .collect();
        low.sort_by_key(|(product, level)| (level.free, product.id));
        low.truncate(limit);
        Ok(low)
    }
}
