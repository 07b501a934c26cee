//! What is on the shelf, and what could have been taken from it at any time.
//!
//! What holds: a refusal for stock can be right only if, at some moment of its call, less was free than it wanted. A key
//! holds at most its own quantity, from its first call on, and nothing any more once it was refused for good. So what
//! all others could hold during a call is bounded from above by what had been begun when the call was answered, less
//! what had been refused for good before it was sent. If that bound, with the call's own quantity, does not exceed what
//! had been received, the refusal was wrong.

use serde_json::json;
use std::sync::atomic::{AtomicI64, Ordering};

use super::client::Client;
use super::shop;
use super::wait::until;

/// Units at first, and those that come after each kill. The last one never runs out.
const SHELF: [(u32, u32); 4] = [(60, 25), (120, 50), (200, 100), (10_000_000, 1)];
const PRICES_MINOR: [i64; 4] = [999, 1_250, 33, 10_000];

pub struct Goods {
    lots: Vec<Lot>,
}

struct Lot {
    product: String,
    restock: u32,
    received: AtomicI64,
    /// Wanted by keys that have been begun.
    begun: AtomicI64,
    /// Of these, by keys that were refused for good.
    refused: AtomicI64,
}

/// What had been refused and received before a call was sent.
pub struct Glance(Vec<(i64, i64)>);

impl Goods {
    pub async fn put_on_the_shelf(operator: &Client) -> Self {
        let mut lots = Vec::new();
        for ((units, restock), price_minor) in SHELF.into_iter().zip(PRICES_MINOR) {
            let product = shop::new_product(operator, price_minor, units).await;
            let received = AtomicI64::new(i64::from(units));
            lots.push(Lot { product, restock, received, begun: AtomicI64::new(0), refused: AtomicI64::new(0) });
        }
        Self { lots }
    }

    pub fn len(&self) -> usize {
        self.lots.len()
    }

    pub fn product(&self, index: usize) -> &str {
        &self.lots[index].product
    }

    pub fn products(&self) -> impl Iterator<Item = &str> {
        self.lots.iter().map(|lot| lot.product.as_str())
    }

    pub fn price_minor(&self, index: usize) -> i64 {
        PRICES_MINOR[index]
    }

    pub fn received(&self, product: &str) -> i64 {
        let lot = self.lots.iter().find(|lot| lot.product == product).unwrap();
        lot.received.load(Ordering::SeqCst)
    }

    pub fn begin(&self, lines: &[(usize, i64)]) {
        for (index, quantity) in lines {
            self.lots[*index].begun.fetch_add(*quantity, Ordering::SeqCst);
        }
    }

    pub fn glance(&self) -> Glance {
        let read = |lot: &Lot| (lot.refused.load(Ordering::SeqCst), lot.received.load(Ordering::SeqCst));
        Glance(self.lots.iter().map(read).collect())
    }

    /// The key was refused for good: because of `short`, after a call that was sent right after `before`.
    pub fn refuse(&self, lines: &[(usize, i64)], short: &[String], before: &Glance) {
        assert!(!short.is_empty(), "a refusal names the lines that are short");
        for product in short {
            let index = self.lots.iter().position(|lot| lot.product == *product).unwrap();
            assert!(lines.iter().any(|(line, _)| *line == index), "it names a line that was not asked for");
            let (refused, received) = before.0[index];
            let most_taken = self.lots[index].begun.load(Ordering::SeqCst) - refused;
            assert!(
                most_taken > received,
                "product {product} was refused though at most {most_taken} of {received} were taken"
            );
        }
        for (index, quantity) in lines {
            self.lots[*index].refused.fetch_add(*quantity, Ordering::SeqCst);
        }
    }

    /// The law of every instant holds right after the start; then more units come in, under a key, once each.
    pub async fn look_and_restock(&self, operator: &Client) {
        for lot in &self.lots {
            let now = shop::stock(operator, &lot.product).await;
            assert_eq!(now.received, lot.received.load(Ordering::SeqCst), "product {}", lot.product);
            let body = json!({ "quantity": lot.restock });
            let key = format!("delivery-{}", now.received);
            let path = format!("/v1/stock/{}:receive", lot.product);
            let deliver = async || {
                let answer = operator.post(&path, &body).key(&key).send().await;
                if answer.status == 503 { Err(answer.text) } else { Ok(answer) }
            };
            until("the delivery is booked", deliver).await.expect(200);
            lot.received.fetch_add(i64::from(lot.restock), Ordering::SeqCst);
        }
    }
}
