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
mod time;

use doos_domain::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use time::rfc3339;

/// An order with a short history takes less, and grows nothing while it is written.
const JSON_BYTES_USUAL: usize = 1_024;

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

/// Serialises what cannot fail to serialise: strings, numbers, lists and maps with string keys.
pub fn to_json(view: &impl Serialize) -> String {
    let mut json = Vec::with_capacity(JSON_BYTES_USUAL);
    serde_json::to_writer(&mut json, view).expect("strings, numbers and lists always serialise");
    String::from_utf8(json).expect("JSON is UTF-8")
}
