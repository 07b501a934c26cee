//! The stand-ins as the shop meets them: through their ports, on a clock made by hand.

#![cfg(test)]

mod callbacks;
mod carrier;
mod clock;
mod provider;

use doos_domain::ids::{AttemptId, OrderId};
use doos_domain::money::{Currency, Money};
use doos_ports::outside::{Charge, OutsideError};

fn order(number: u64) -> OrderId {
    OrderId::new(number).unwrap()
}

/// 199.98 CNY for the first attempt of this order.
fn charge(number: u64) -> Charge {
    let attempt_id = AttemptId::nth(order(number), 1);
    Charge { attempt_id, order_id: order(number), amount: Money::new(19_998, Currency::Cny) }
}

fn of_amount(charge: &Charge, amount_minor: i64) -> Charge {
    Charge { amount: Money::new(amount_minor, charge.amount.currency), ..charge.clone() }
}

fn is_refused<T>(answer: &Result<T, OutsideError>) -> bool {
    matches!(answer, Err(OutsideError::Refused(_)))
}

fn is_unclear<T>(answer: &Result<T, OutsideError>) -> bool {
    matches!(answer, Err(OutsideError::Unclear(_)))
}
