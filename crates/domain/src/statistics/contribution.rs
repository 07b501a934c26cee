//! What one version of one order adds to the statistics.

use super::Calendar;
use crate::ids::ProductId;
use crate::money::Currency;
use crate::order::{Order, Status};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    pub version: u32,
    pub status: Status,
    pub currency: Currency,
    /// When it was placed.
    pub placed_minute: i64,
    pub sale: Option<Sale>,
    pub refunds: Vec<Refunded>,
}

/// An order whose money has been taken and not been asked back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// When it was paid.
    pub minute: i64,
    /// What is left of the captured money.
    pub amount_minor: i64,
    pub lines: Vec<SoldLine>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoldLine {
    pub product_id: ProductId,
    pub units: i64,
    /// Its share of the sale; the shares of all lines add up to the sale.
    pub amount_minor: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refunded {
    pub minute: i64,
    pub amount_minor: i64,
}

impl Contribution {
    pub fn of(order: &Order) -> Self {
        let refunds = order.money.refunds.iter().map(|refund| Refunded {
            minute: Calendar::minute_of(refund.requested_at),
            amount_minor: refund.amount.amount_minor,
        });
        Self {
            version: order.version,
            status: order.status,
            currency: order.total.currency,
            placed_minute: Calendar::minute_of(order.created_at),
            sale: sale_of(order),
            refunds: refunds.collect(),
        }
    }
}

fn sale_of(order: &Order) -> Option<Sale> {
    let left = order.money.captured_minor - order.money.refund_requested_minor();
    if left <= 0 {
        return None;
    }
    // Money taken before the order could be paid is on its way back; until then it counts where the order began.
    let paid = order.history.iter().find(|entry| entry.to == Status::Paid);
    let at = paid.map_or(order.created_at, |entry| entry.at);
    Some(Sale { minute: Calendar::minute_of(at), amount_minor: left, lines: shared_out(order, left) })
}

/// Splits an amount over the lines by their worth. What rounding leaves goes to the last line.
fn shared_out(order: &Order, amount_minor: i64) -> Vec<SoldLine> {
    let worth = |line: &crate::pricing::Line| i128::from(line.unit_price.amount_minor) * i128::from(line.quantity);
    let whole: i128 = order.lines.iter().map(worth).sum();
    let last = order.lines.len().saturating_sub(1);
    let mut left = amount_minor;
    let share = |(index, line): (usize, &crate::pricing::Line)| {
        let exact = i128::from(amount_minor) * worth(line) / whole.max(1);
        let share = if index == last { left } else { i64::try_from(exact).unwrap_or(0) };
        left -= share;
        SoldLine { product_id: line.product_id, units: i64::from(line.quantity), amount_minor: share }
    };
    order.lines.iter().enumerate().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Cause;
    use crate::ids::{AttemptId, OrderId, UserId};
    use crate::money::Money;
    use crate::order::Outcome;
    use crate::pricing::{Line, Quote};
    use crate::stock::Decision;
    use crate::time::Timestamp;

    const MINUTE_MS: i64 = 60_000;

    fn at(minute: i64) -> Cause {
        Cause::system("test", Timestamp::from_millis(minute * MINUTE_MS + 500))
    }

    fn changed(verdict: crate::order::Verdict) -> Order {
        match verdict {
            Ok(Outcome::Changed(step)) => step.order,
            other => panic!("{other:?}"),
        }
    }

    fn placed(lines: &[(u64, u32, i64)]) -> Order {
        let money = |minor| Money::new(minor, Currency::Cny);
        let lines: Vec<Line> = lines
            .iter()
            .map(|(product, quantity, price)| Line {
                product_id: ProductId::new(*product).unwrap(),
                quantity: *quantity,
                unit_price: money(*price),
            })
            .collect();
        let total = lines.iter().map(|line| line.unit_price.amount_minor * i64::from(line.quantity)).sum();
        let quote = Quote { lines, total: money(total) };
        Order::place(OrderId::new(9).unwrap(), UserId::new(4).unwrap(), quote, None, &at(100)).order
    }

    fn paid(order: &Order) -> Order {
        let confirmed = changed(order.stock_decided(Decision::Deducted, &at(101)));
        let asked = changed(confirmed.pay(None, &at(102)));
        changed(asked.payment_captured(&AttemptId::nth(order.id, 1), order.total, &at(103)))
    }

    #[test]
    fn an_unpaid_order_is_an_order_and_no_sale() {
        let counted = Contribution::of(&placed(&[(1, 2, 500)]));
        assert_eq!((counted.placed_minute, counted.version, counted.sale), (100, 1, None));
    }

    #[test]
    fn a_paid_order_is_a_sale_of_the_minute_in_which_it_was_paid() {
        let order = paid(&placed(&[(1, 2, 500), (7, 1, 250)]));
        let sale = Contribution::of(&order).sale.unwrap();
        assert_eq!((sale.minute, sale.amount_minor), (103, 1_250));
        let lines: Vec<_> = sale.lines.iter().map(|it| (it.product_id.get(), it.units, it.amount_minor)).collect();
        assert_eq!(lines, [(1, 2, 1_000), (7, 1, 250)]);
    }

    #[test]
    fn a_refunded_order_is_no_sale_any_more_and_its_refund_is_told() {
        let order = paid(&placed(&[(1, 2, 500)]));
        let cancelled = changed(order.cancel(&at(110)));
        let counted = Contribution::of(&cancelled);
        assert_eq!(counted.sale, None);
        assert_eq!(counted.refunds, [Refunded { minute: 110, amount_minor: 1_000 }]);
    }

    #[test]
    fn shares_add_up_to_the_sale_whatever_is_left_of_it() {
        let mut order = paid(&placed(&[(1, 1, 333), (2, 2, 333), (3, 1, 1)]));
        for captured in [1, 2, 999, 1_000] {
            order.money.captured_minor = captured;
            let sale = Contribution::of(&order).sale.unwrap();
            assert_eq!(sale.lines.iter().map(|line| line.amount_minor).sum::<i64>(), captured);
            assert!(sale.lines.iter().all(|line| line.amount_minor >= 0));
        }
    }
}
