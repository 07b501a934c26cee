//! What clients see of the domain, as JSON. Ids are strings, money is minor units with a currency, times are RFC 3339.
//!
//! What must never happen: a field renamed or its meaning changed. Only add.

pub mod actions;
pub mod audit;
pub mod comparison;
pub mod operations;
pub mod order;
pub mod product;
pub mod session;
pub mod statistics;
pub mod system;

use doos_domain::money::Money;
use doos_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An amount in the smallest units of its currency.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Amount {
    #[schema(example = 19998)]
    pub amount_minor: i64,
    /// ISO 4217.
    #[schema(value_type = String, example = "CNY")]
    pub currency: doos_domain::money::Currency,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self { amount_minor: money.amount_minor, currency: money.currency }
    }
}

/// UTC with milliseconds: `2026-03-01T09:30:00.000Z`.
pub fn rfc3339(at: Timestamp) -> String {
    // Nothing here lies before 1970; a deadline that saturated is shown as the last time there is.
    let time = jiff::Timestamp::from_millisecond(at.as_millis().max(0)).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.3}")
}

/// Serialises what cannot fail to serialise: strings, numbers, lists and maps with string keys.
pub fn to_json(view: &impl Serialize) -> String {
    serde_json::to_string(view).expect("strings, numbers and lists always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(Timestamp::from_millis(1_767_225_600_005)), "2026-01-01T00:00:00.005Z");
        assert_eq!(rfc3339(Timestamp::from_millis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(Timestamp::from_millis(i64::MAX)), "9999-12-30T22:00:00.999Z");
    }
}
