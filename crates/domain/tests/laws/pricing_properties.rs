//! Quotes against a model in wide integers, and the refusals one by one.

use doos_domain::catalog::{LocalText, Product};
use doos_domain::ids::ProductId;
use doos_domain::money::{Currency, Money};
use doos_domain::pricing::{Limits, Quote, Refusal, WantedLine, quote};
use doos_domain::time::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMITS: Limits = Limits { lines_max: 6, quantity_max: 50 };

fn id(number: u64) -> ProductId {
    ProductId::new(number).expect("product numbers here start at one")
}

fn product(number: u64, price: Money) -> Product {
    Product {
        id: id(number),
        version: 1,
        name: LocalText::plain("thing"),
        description: LocalText::default(),
        price,
        category: String::new(),
        picture: None,
        on_sale: true,
        updated_at: Timestamp::from_millis(0),
    }
}

fn cny(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::Cny)
}

fn wanted(number: u64, quantity: u32) -> WantedLine {
    WantedLine { product_id: id(number), quantity, seen_price: None }
}

fn quoted(products: &[Product], lines: &[WantedLine], limits: Limits) -> Result<Quote, Refusal> {
    let find = |id: ProductId| products.iter().find(|product| product.id == id);
    quote(lines, find, limits)
}

/// What a careful clerk would say: sums in wide integers, all of a product's pieces in one line.
fn by_hand(prices: &[i64], lines: &[(u64, u32)], limits: Limits) -> Option<(Vec<(u64, u32)>, i64)> {
    if lines.is_empty() || lines.len() > limits.lines_max {
        return None;
    }
    let mut first_seen: Vec<u64> = Vec::new();
    let mut pieces: BTreeMap<u64, u64> = BTreeMap::new();
    for (number, quantity) in lines {
        if *number == 0 || *number > prices.len() as u64 || *quantity == 0 {
            return None;
        }
        if !first_seen.contains(number) {
            first_seen.push(*number);
        }
        *pieces.entry(*number).or_default() += u64::from(*quantity);
    }
    if pieces.values().any(|quantity| *quantity > u64::from(limits.quantity_max)) {
        return None;
    }
    let total: i128 =
        pieces.iter().map(|(number, qty)| i128::from(prices[*number as usize - 1]) * i128::from(*qty)).sum();
    let merged = first_seen.into_iter().map(|number| (number, pieces[&number] as u32)).collect();
    Some((merged, i64::try_from(total).ok()?))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_quote_is_what_a_careful_clerk_would_write(
        prices in prop::collection::vec(prop_oneof![0..100_000_i64, Just(i64::MAX / 40), 1..i64::MAX], 1..4),
        lines in prop::collection::vec((1..5_u64, 0..30_u32), 0..8),
    ) {
        let products: Vec<_> = prices.iter().zip(1..).map(|(price, number)| product(number, cny(*price))).collect();
        let asked: Vec<_> = lines.iter().map(|(number, quantity)| wanted(*number, *quantity)).collect();
        let expected = by_hand(&prices, &lines, LIMITS);
        match quoted(&products, &asked, LIMITS) {
            Ok(quote) => {
                let merged: Vec<_> = quote.lines.iter().map(|line| (line.product_id.get(), line.quantity)).collect();
                prop_assert_eq!(Some((merged, quote.total.amount_minor)), expected);
                for line in &quote.lines {
                    prop_assert_eq!(line.unit_price.amount_minor, prices[line.product_id.get() as usize - 1]);
                }
            }
            Err(refusal) => prop_assert_eq!(None, expected, "refused with {:?}", refusal),
        }
    }

    #[test]
    fn a_price_seen_is_accepted_exactly_if_it_is_the_price(price in 0..1_000_000_i64, seen in 0..1_000_000_i64, same: bool) {
        let seen = if same { price } else { seen };
        let line = WantedLine { seen_price: Some(cny(seen).to_string()), ..wanted(1, 2) };
        let quote = quoted(&[product(1, cny(price))], &[line], LIMITS);
        if seen == price {
            prop_assert_eq!(quote.unwrap().total, cny(price * 2));
        } else {
            let is_refused = matches!(quote, Err(Refusal::PriceChanged { .. }));
            prop_assert!(is_refused);
        }
    }
}

#[test]
fn a_price_seen_may_be_written_in_any_exact_way() {
    for (text, accepted) in [("10", true), ("10.0", true), ("10.000", true), ("10.01", false), ("10.001", false)] {
        let line = WantedLine { seen_price: Some(text.to_owned()), ..wanted(1, 1) };
        assert_eq!(quoted(&[product(1, cny(1_000))], &[line], LIMITS).is_ok(), accepted, "{text}");
    }
    for text in ["", "ten", "1e1", "-10"] {
        let line = WantedLine { seen_price: Some(text.to_owned()), ..wanted(1, 1) };
        let refusal = quoted(&[product(1, cny(1_000))], &[line], LIMITS).unwrap_err();
        assert!(matches!(refusal, Refusal::SeenPrice { .. }), "{text}: {refusal:?}");
    }
}

#[test]
fn every_refusal_is_reached() {
    let usd = Money::new(100, Currency::Usd);
    let mut withdrawn = product(4, cny(100));
    withdrawn.on_sale = false;
    let products = [product(1, cny(100)), product(2, usd), product(3, cny(i64::MAX)), withdrawn];
    let refused = |lines: &[WantedLine]| quoted(&products, lines, LIMITS).unwrap_err();
    assert_eq!(refused(&[]), Refusal::NoLines);
    assert_eq!(refused(&vec![wanted(1, 1); 7]), Refusal::TooManyLines { max: 6 });
    let too_many = |quantity| Refusal::Quantity { product_id: id(1), quantity, max: 50 };
    assert_eq!(refused(&[wanted(1, 0)]), too_many(0));
    assert_eq!(refused(&[wanted(1, 30), wanted(1, 21)]), too_many(51));
    assert_eq!(refused(&[wanted(1, u32::MAX), wanted(1, u32::MAX)]), too_many(u64::from(u32::MAX)));
    assert_eq!(refused(&[wanted(4, 1)]), Refusal::UnknownProduct(id(4)));
    assert_eq!(refused(&[wanted(9, 1)]), Refusal::UnknownProduct(id(9)));
    assert_eq!(refused(&[wanted(1, 1), wanted(2, 1)]), Refusal::MixedCurrencies);
    assert_eq!(refused(&[wanted(3, 2)]), Refusal::TotalTooLarge);
    assert_eq!(refused(&[wanted(3, 1), wanted(1, 1)]), Refusal::TotalTooLarge);
}
