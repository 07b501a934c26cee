//! Sums for dashboards.

use doos_app::projecting::Lag;
use doos_app::statistics::{Now, Series, Summary, TopProducts};
use doos_domain::catalog::Product;
use doos_domain::money::{Currency, Money};
use doos_domain::order::Status;
use doos_domain::statistics::Figures;
use doos_domain::time::Timestamp;
use doos_ports::statistics::{Bucket, Totals};
use doos_ports::stock_gate::Level;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::{Amount, rfc3339};

/// Sums of one span of time in one currency.
#[derive(Serialize, ToSchema)]
#[schema(as = SalesFigures)]
pub struct FiguresView {
    /// Orders placed.
    pub orders: i64,
    /// Orders paid, and not refunded since.
    pub paid_orders: i64,
    /// Pieces in them.
    pub units: i64,
    /// Their money: captured and not asked back, in the minute in which it was paid.
    pub sales_minor: i64,
    /// The same as a decimal.
    #[schema(example = "199.98")]
    pub sales: String,
    /// Money asked back, in the minute of the refund; already taken out of the sales.
    pub refunded_minor: i64,
}

/// One bucket of a series.
#[derive(Serialize, ToSchema)]
#[schema(as = SalesBucket)]
pub struct BucketView {
    /// Where it begins.
    #[schema(format = DateTime)]
    pub at: String,
    #[serde(flatten)]
    pub figures: FiguresView,
}

/// A series in one currency.
#[derive(Serialize, ToSchema)]
#[schema(as = CurrencySales)]
pub struct CurrencySalesView {
    #[schema(example = "CNY")]
    pub currency: &'static str,
    pub total: FiguresView,
    /// By time; a bucket in which nothing happened is left out.
    pub buckets: Vec<BucketView>,
}

/// Sales by minute, hour or day.
#[derive(Serialize, ToSchema)]
#[schema(as = SalesSeries)]
pub struct SalesView {
    #[schema(example = "hour")]
    pub step: &'static str,
    /// Where the first bucket begins.
    #[schema(format = DateTime)]
    pub from: String,
    /// Where the last bucket ends.
    #[schema(format = DateTime)]
    pub to: String,
    #[schema(format = DateTime)]
    pub as_of: String,
    /// The shop's days begin so much before those of UTC.
    pub utc_offset_minutes: i64,
    pub currencies: Vec<CurrencySalesView>,
}

/// A product by what was sold of it on one day.
#[derive(Serialize, ToSchema)]
#[schema(as = TopProduct)]
pub struct TopProductView {
    #[schema(example = "101")]
    pub product_id: String,
    /// In the reader's language; absent if the catalogue does not know it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Pieces sold.
    pub quantity: i64,
    /// Sales it was part of.
    pub orders: i64,
    pub sales: Amount,
}

/// The best sold products of one day.
#[derive(Serialize, ToSchema)]
#[schema(as = TopProducts)]
pub struct TopProductsView {
    #[schema(example = "2026-11-20")]
    pub day: String,
    pub utc_offset_minutes: i64,
    /// Most pieces first.
    pub products: Vec<TopProductView>,
}

/// How many orders are in each state.
#[derive(Serialize, ToSchema)]
#[schema(as = Funnel)]
pub struct FunnelView {
    #[schema(format = DateTime)]
    pub as_of: String,
    pub orders: i64,
    /// Every state by name.
    pub by_status: BTreeMap<&'static str, i64>,
}

/// The sums of one day.
#[derive(Serialize, ToSchema)]
#[schema(as = DaySales)]
pub struct DayView {
    pub orders: i64,
    pub paid_orders: i64,
    pub units: i64,
    /// One for each currency.
    pub sales: Vec<Amount>,
    pub refunded: Vec<Amount>,
}

/// Everything at one glance.
#[derive(Serialize, ToSchema)]
#[schema(as = StatisticsSummary)]
pub struct SummaryView {
    #[schema(format = DateTime)]
    pub as_of: String,
    /// Of all time.
    pub orders: i64,
    pub by_status: BTreeMap<&'static str, i64>,
    /// Of all time, one for each currency.
    pub sales: Vec<Amount>,
    pub today: DayView,
    pub yesterday: DayView,
}

/// What changes by the second.
#[derive(Serialize, ToSchema)]
#[schema(as = StatisticsNow)]
pub struct NowView {
    #[schema(format = DateTime)]
    pub as_of: String,
    /// Mean over the last five whole seconds.
    pub orders_per_s: f64,
    pub changes_per_s: f64,
    pub orders: i64,
    /// Orders that are not at their end: neither delivered, cancelled nor returned.
    pub open_orders: i64,
    pub by_status: BTreeMap<&'static str, i64>,
    /// Of all time, one for each currency.
    pub sales: Vec<Amount>,
    pub today: DayView,
    pub projections: Vec<ProjectionView>,
}

/// A read model and how far it is behind.
#[derive(Serialize, ToSchema)]
#[schema(as = Projection)]
pub struct ProjectionView {
    /// `statistics` or `search`.
    pub name: &'static str,
    /// Age of the oldest change that is not in it; 0 if all are.
    pub lag_ms: i64,
    /// It was begun anew and does not hold every order yet.
    pub filling: bool,
}

/// A product that runs low.
#[derive(Serialize, ToSchema)]
#[schema(as = StockAlarm)]
pub struct StockAlarmView {
    pub product_id: String,
    pub name: String,
    pub free: i64,
    pub on_hand: i64,
}

/// Products that run low, least first.
#[derive(Serialize, ToSchema)]
#[schema(as = StockAlarms)]
pub struct StockAlarmsView {
    pub below: i64,
    pub products: Vec<StockAlarmView>,
}

impl FiguresView {
    fn of(figures: &Figures, currency: Currency) -> Self {
        let Figures { orders, paid_orders, units, sales_minor, refunded_minor } = *figures;
        let sales = Money::new(sales_minor, currency).to_string();
        Self { orders, paid_orders, units, sales_minor, sales, refunded_minor }
    }
}

impl SalesView {
    pub fn of(series: &Series, utc_offset_minutes: i64, as_of: Timestamp) -> Self {
        let mut by_currency: BTreeMap<&'static str, (Currency, Vec<&Bucket>)> = BTreeMap::new();
        for bucket in &series.buckets {
            let slot = by_currency.entry(bucket.currency.code()).or_insert_with(|| (bucket.currency, Vec::new()));
            slot.1.push(bucket);
        }
        let currencies = by_currency.into_values().map(|(currency, buckets)| CurrencySalesView::of(currency, &buckets));
        Self {
            step: series.step.name(),
            from: rfc3339(series.from),
            to: rfc3339(series.to),
            as_of: rfc3339(as_of),
            utc_offset_minutes,
            currencies: currencies.collect(),
        }
    }
}

impl CurrencySalesView {
    fn of(currency: Currency, buckets: &[&Bucket]) -> Self {
        let mut total = Figures::default();
        let mut shown = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            total.add(&bucket.figures);
            shown.push(BucketView {
                at: rfc3339(doos_domain::statistics::Calendar::time_of(bucket.start)),
                figures: FiguresView::of(&bucket.figures, currency),
            });
        }
        Self { currency: currency.code(), total: FiguresView::of(&total, currency), buckets: shown }
    }
}

impl TopProductsView {
    pub fn of(
        top: &TopProducts,
        utc_offset_minutes: i64,
        name: impl Fn(doos_domain::ids::ProductId) -> Option<String>,
    ) -> Self {
        let products = top.products.iter().map(|it| TopProductView {
            product_id: it.product_id.to_string(),
            name: name(it.product_id),
            quantity: it.figures.units,
            orders: it.figures.orders,
            sales: Amount { amount_minor: it.figures.sales_minor, currency: it.currency },
        });
        Self { day: date_of(top.day), utc_offset_minutes, products: products.collect() }
    }
}

/// `2026-11-20`, of days after 1970-01-01.
fn date_of(days: i64) -> String {
    let start = jiff::Timestamp::from_second(days.saturating_mul(86_400)).unwrap_or(jiff::Timestamp::MAX);
    start.strftime("%Y-%m-%d").to_string()
}

fn by_status(totals: &Totals) -> BTreeMap<&'static str, i64> {
    Status::ALL.iter().map(|status| (status.name(), totals.states.get(status).copied().unwrap_or(0))).collect()
}

fn orders(totals: &Totals) -> i64 {
    totals.states.values().sum()
}

fn amounts(figures: &BTreeMap<Currency, Figures>, of: impl Fn(&Figures) -> i64) -> Vec<Amount> {
    figures.iter().map(|(currency, figures)| Amount { amount_minor: of(figures), currency: *currency }).collect()
}

impl DayView {
    fn of(figures: &BTreeMap<Currency, Figures>) -> Self {
        let sum = |of: fn(&Figures) -> i64| figures.values().map(of).sum();
        Self {
            orders: sum(|it| it.orders),
            paid_orders: sum(|it| it.paid_orders),
            units: sum(|it| it.units),
            sales: amounts(figures, |it| it.sales_minor),
            refunded: amounts(figures, |it| it.refunded_minor),
        }
    }
}

impl FunnelView {
    pub fn of(totals: &Totals, as_of: Timestamp) -> Self {
        Self { as_of: rfc3339(as_of), orders: orders(totals), by_status: by_status(totals) }
    }
}

impl SummaryView {
    pub fn of(summary: &Summary) -> Self {
        Self {
            as_of: rfc3339(summary.at),
            orders: orders(&summary.totals),
            by_status: by_status(&summary.totals),
            sales: amounts(&summary.totals.all_time, |it| it.sales_minor),
            today: DayView::of(&summary.today),
            yesterday: DayView::of(&summary.yesterday),
        }
    }
}

impl NowView {
    pub fn of(now: &Now) -> Self {
        let is_open = |status: &Status| !matches!(status, Status::Delivered | Status::Cancelled | Status::Returned);
        let open = now.totals.states.iter().filter(|(status, _)| is_open(status));
        Self {
            as_of: rfc3339(now.at),
            orders_per_s: now.rates.orders_per_s,
            changes_per_s: now.rates.changes_per_s,
            orders: orders(&now.totals),
            open_orders: open.map(|(_, count)| count).sum(),
            by_status: by_status(&now.totals),
            sales: amounts(&now.totals.all_time, |it| it.sales_minor),
            today: DayView::of(&now.today),
            projections: now.lags.iter().map(ProjectionView::of).collect(),
        }
    }
}

impl ProjectionView {
    pub fn of(lag: &Lag) -> Self {
        Self { name: lag.name, lag_ms: lag.lag_ms, filling: lag.is_walking }
    }
}

impl StockAlarmView {
    pub fn of(product: &Product, level: &Level, language: &str) -> Self {
        Self {
            product_id: product.id.to_string(),
            name: product.name.in_language(language).to_owned(),
            free: level.free,
            on_hand: level.on_hand(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_shown_by_its_date() {
        assert_eq!(date_of(20_412), "2025-11-20");
        assert_eq!(date_of(0), "1970-01-01");
        assert_eq!(date_of(-1), "1969-12-31");
    }
}
