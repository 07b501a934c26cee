//! The sums over all orders, read in milliseconds however many there are.
//!
//! Contract: figures are those of [`doos_domain::statistics`], of one instant of the feed. Buckets of a minute are kept
//! for days, of an hour for months, of a day for ever; what is no longer kept is answered as if nothing had happened
//! then. A bucket that holds nothing may be left out.

use async_trait::async_trait;
use doos_domain::ids::ProductId;
use doos_domain::money::Currency;
use doos_domain::order::Status;
use doos_domain::statistics::{Calendar, Figures, ProductFigures, Step};
use std::collections::BTreeMap;

use crate::Result;
use crate::projection::Projection;

/// Buckets whose first minute is at or after `from` and before `to`; minutes since 1970.
#[derive(Clone, Copy, Debug)]
pub struct SeriesQuery {
    pub step: Step,
    pub from: i64,
    pub to: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its first minute.
    pub start: i64,
    pub currency: Currency,
    pub figures: Figures,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub all_time: BTreeMap<Currency, Figures>,
    /// How many orders are in each state now.
    pub states: BTreeMap<Status, i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductSales {
    pub product_id: ProductId,
    pub currency: Currency,
    pub figures: ProductFigures,
}

#[async_trait]
pub trait Statistics: Projection {
    /// Where its days begin.
    fn calendar(&self) -> Calendar;

    /// By currency, and by time within it.
    async fn series(&self, query: SeriesQuery) -> Result<Vec<Bucket>>;

    async fn totals(&self) -> Result<Totals>;

    /// The products of which most pieces were sold on the day that begins with this minute; most first, then most
    /// money, then the smaller id.
    async fn top_products(&self, day: i64, limit: usize) -> Result<Vec<ProductSales>>;
}
