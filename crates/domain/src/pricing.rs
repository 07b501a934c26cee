//! From what a client asks for to one immutable quote: merged lines, the catalogue's prices, a checked total.
//!
//! What must never happen: a client's price entering a sum. It is only ever compared, and a difference is refused, so
//! that nobody is charged what they did not see.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::catalog::Product;
use crate::ids::ProductId;
use crate::message::Demand;
use crate::money::{self, Money};

/// One line as the client sent it, read but not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedLine {
    pub product_id: ProductId,
    pub quantity: u32,
    /// The unit price the client saw, as an exact decimal text.
    pub seen_price: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub product_id: ProductId,
    pub quantity: u32,
    pub unit_price: Money,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    pub lines: Vec<Line>,
    pub total: Money,
}

impl Quote {
    pub fn demands(&self) -> Vec<Demand> {
        self.lines.iter().map(|line| Demand { product_id: line.product_id, qty: line.quantity }).collect()
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    #[error("an order needs at least one line")]
    NoLines,
    #[error("an order has at most {max} lines")]
    TooManyLines { max: usize },
    #[error("a quantity lies between 1 and {max}; {product_id} was asked for {quantity} times")]
    Quantity { product_id: ProductId, quantity: u64, max: u32 },
    #[error("product {0} does not exist or is not on sale")]
    UnknownProduct(ProductId),
    #[error("product {product_id} costs {actual} {currency} now, not {seen}")]
    PriceChanged { product_id: ProductId, seen: String, actual: String, currency: &'static str },
    #[error("the price of product {product_id} is not an exact decimal")]
    SeenPrice { product_id: ProductId, source: money::Error },
    #[error("the lines have different currencies")]
    MixedCurrencies,
    #[error("the total is too large")]
    TotalTooLarge,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub lines_max: usize,
    pub quantity_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lines_max: 100, quantity_max: 100_000 }
    }
}

/// Prices a cart. Lines of the same product become one, in the order in which the products first appear.
pub fn quote<'a>(
    wanted: &[WantedLine],
    find: impl Fn(ProductId) -> Option<&'a Product>,
    limits: Limits,
) -> Result<Quote, Refusal> {
    if wanted.is_empty() {
        return Err(Refusal::NoLines);
    }
    if wanted.len() > limits.lines_max {
        return Err(Refusal::TooManyLines { max: limits.lines_max });
    }
    let mut lines: Vec<Line> = Vec::with_capacity(wanted.len());
    let mut place_of: BTreeMap<ProductId, usize> = BTreeMap::new();
    for line in wanted {
        let id = line.product_id;
        let product = find(id).filter(|product| product.on_sale).ok_or(Refusal::UnknownProduct(id))?;
        if let Some(seen) = &line.seen_price {
            compare_price(product, seen)?;
        }
        let place = *place_of.entry(id).or_insert_with(|| {
            lines.push(Line { product_id: id, quantity: 0, unit_price: product.price });
            lines.len() - 1
        });
        let quantity = u64::from(lines[place].quantity) + u64::from(line.quantity);
        if line.quantity == 0 || quantity > u64::from(limits.quantity_max) {
            return Err(Refusal::Quantity { product_id: id, quantity, max: limits.quantity_max });
        }
        lines[place].quantity += line.quantity;
    }
    let total = total(&lines)?;
    Ok(Quote { lines, total })
}

fn compare_price(product: &Product, seen: &str) -> Result<(), Refusal> {
    let currency = product.price.currency;
    match Money::parse_decimal(seen, currency) {
        Ok(price) if price == product.price => return Ok(()),
        // More decimals than the currency has is a price, too: another one.
        Ok(_) | Err(money::Error::TooPrecise { .. }) => {}
        Err(source) => return Err(Refusal::SeenPrice { product_id: product.id, source }),
    }
    Err(Refusal::PriceChanged {
        product_id: product.id,
        seen: seen.to_owned(),
        actual: product.price.to_string(),
        currency: currency.code(),
    })
}

fn total(lines: &[Line]) -> Result<Money, Refusal> {
    let mut total = Money::new(0, lines[0].unit_price.currency);
    for line in lines {
        let amount = line.unit_price.checked_times(line.quantity).map_err(|_| Refusal::TotalTooLarge)?;
        total = total.checked_add(amount).map_err(|error| match error {
            money::Error::MixedCurrencies { .. } => Refusal::MixedCurrencies,
            _ => Refusal::TotalTooLarge,
        })?;
    }
    Ok(total)
}
