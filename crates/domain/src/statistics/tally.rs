//! What a group of changes adds to the sums and takes away from them.

use std::collections::BTreeMap;

use super::{Calendar, Contribution, Step};
use crate::ids::ProductId;
use crate::money::Currency;
use crate::order::Status;

/// The sums of one bucket in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Orders placed.
    pub orders: i64,
    /// Sales made.
    pub paid_orders: i64,
    /// Pieces sold.
    pub units: i64,
    /// Money taken and not asked back.
    pub sales_minor: i64,
    /// Money asked back; already taken out of the sales.
    pub refunded_minor: i64,
}

/// The sums of one product on one day in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProductFigures {
    /// Sales it was part of.
    pub orders: i64,
    pub units: i64,
    pub sales_minor: i64,
}

/// A bucket of a series by its first minute; `None` for the sum of all time, whose start is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    pub step: Option<Step>,
    pub start: i64,
    pub currency: Currency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProductKey {
    /// The first minute of the day.
    pub day: i64,
    pub product_id: ProductId,
    pub currency: Currency,
}

/// Differences, to be added to whatever is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    calendar: Calendar,
    pub series: BTreeMap<SeriesKey, Figures>,
    pub products: BTreeMap<ProductKey, ProductFigures>,
    pub states: BTreeMap<Status, i64>,
}

impl Tally {
    pub fn new(calendar: Calendar) -> Self {
        Self { calendar, ..Self::default() }
    }

    pub fn add(&mut self, counted: &Contribution) {
        self.count(counted, 1);
    }

    pub fn subtract(&mut self, counted: &Contribution) {
        self.count(counted, -1);
    }

    fn count(&mut self, counted: &Contribution, sign: i64) {
        *self.states.entry(counted.status).or_default() += sign;
        let placed = Figures { orders: sign, ..Figures::default() };
        self.spread(counted.placed_minute, counted.currency, &placed);
        for refund in &counted.refunds {
            let refunded = Figures { refunded_minor: sign * refund.amount_minor, ..Figures::default() };
            self.spread(refund.minute, counted.currency, &refunded);
        }
        let Some(sale) = &counted.sale else { return };
        let sold = Figures {
            paid_orders: sign,
            units: sign * sale.lines.iter().map(|line| line.units).sum::<i64>(),
            sales_minor: sign * sale.amount_minor,
            ..Figures::default()
        };
        self.spread(sale.minute, counted.currency, &sold);
        let day = self.calendar.start_of(Step::Day, sale.minute);
        for line in &sale.lines {
            let key = ProductKey { day, product_id: line.product_id, currency: counted.currency };
            let figures = self.products.entry(key).or_default();
            figures.orders += sign;
            figures.units += sign * line.units;
            figures.sales_minor = figures.sales_minor.saturating_add(sign * line.amount_minor);
        }
    }

    /// Into the bucket of each step, and into the sum of all time.
    fn spread(&mut self, minute: i64, currency: Currency, figures: &Figures) {
        let steps = Step::ALL.map(|step| (Some(step), self.calendar.start_of(step, minute)));
        for (step, start) in steps.into_iter().chain([(None, 0)]) {
            self.series.entry(SeriesKey { step, start, currency }).or_default().add(figures);
        }
    }
}

impl ProductFigures {
    pub fn add(&mut self, more: &Self) {
        self.orders += more.orders;
        self.units = self.units.saturating_add(more.units);
        self.sales_minor = self.sales_minor.saturating_add(more.sales_minor);
    }

    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl Figures {
    pub fn add(&mut self, more: &Self) {
        self.orders += more.orders;
        self.paid_orders += more.paid_orders;
        self.units += more.units;
        // Sums that no shop reaches stay at the end of what can be written.
        self.sales_minor = self.sales_minor.saturating_add(more.sales_minor);
        self.refunded_minor = self.refunded_minor.saturating_add(more.refunded_minor);
    }

    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{Refunded, Sale, SoldLine};

    fn sold(version: u32, minute: i64, amount_minor: i64) -> Contribution {
        let product_id = ProductId::new(7).unwrap();
        Contribution {
            version,
            status: Status::Paid,
            currency: Currency::Cny,
            placed_minute: 59,
            sale: Some(Sale { minute, amount_minor, lines: vec![SoldLine { product_id, units: 2, amount_minor }] }),
            refunds: vec![Refunded { minute: 61, amount_minor: 5 }],
        }
    }

    #[test]
    fn each_figure_lands_in_the_bucket_of_its_own_minute() {
        let mut tally = Tally::new(Calendar::default());
        tally.add(&sold(1, 60, 100));
        let at = |step, start| tally.series[&SeriesKey { step, start, currency: Currency::Cny }];
        assert_eq!(at(Some(Step::Minute), 59), Figures { orders: 1, ..Figures::default() });
        let paid = Figures { paid_orders: 1, units: 2, sales_minor: 100, ..Figures::default() };
        assert_eq!(at(Some(Step::Minute), 60), paid);
        assert_eq!(at(Some(Step::Hour), 60), Figures { refunded_minor: 5, ..paid });
        let all = Figures { orders: 1, refunded_minor: 5, ..paid };
        assert_eq!((at(Some(Step::Day), 0), at(None, 0)), (all, all));
        assert_eq!(tally.states[&Status::Paid], 1);
    }

    #[test]
    fn what_is_added_and_taken_back_leaves_nothing() {
        let mut tally = Tally::new(Calendar::default());
        let counted = sold(1, 60, i64::from(u32::MAX));
        tally.add(&counted);
        tally.subtract(&counted);
        assert!(tally.series.values().all(Figures::is_zero));
        assert!(tally.products.values().all(|figures| *figures == ProductFigures::default()));
        assert!(tally.states.values().all(|count| *count == 0));
    }
}
