//! A buyer who never gives up: every call is repeated under its key until there is a definite answer.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::client::{Answer, Client};
use super::goods::{Glance, Goods};

const THINK_MS_MAX: u64 = 30;
const BACK_OFF: Duration = Duration::from_millis(20);
/// The longest that a call may be without a definite answer, over any number of kills.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Where the shop is, whether it is closing, and what it has.
pub struct Shop {
    pub address: watch::Receiver<SocketAddr>,
    pub closing: watch::Receiver<bool>,
    pub goods: Arc<Goods>,
}

/// One key and what came of it.
pub struct Purchase {
    pub user: u64,
    pub key: String,
    pub body: Value,
    lines: Vec<(usize, i64)>,
    /// `None`: refused for stock.
    pub order: Option<String>,
    items: Value,
    total: Value,
    after: After,
}

/// What the buyer did with the order, as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Left,
    Cancelled,
    Paid,
    /// Refused, because it had moved on.
    TooLate,
}

pub struct Buyer {
    user: u64,
    random: fastrand::Rng,
    client: Client,
    shop: Shop,
    keys: u64,
}

impl Buyer {
    pub fn new(user: u64, random: fastrand::Rng, shop: Shop) -> Self {
        let client = Client::new(*shop.address.borrow());
        Self { user, random, client, shop, keys: 0 }
    }

    pub async fn buy_until_closing(mut self) -> Vec<Purchase> {
        let mut purchases = Vec::new();
        while !*self.shop.closing.borrow() {
            let mut purchase = self.place().await;
            if let Some(order) = purchase.order.clone() {
                purchase.after = self.follow_up(&order).await;
            }
            purchases.push(purchase);
            // A person thinks; nothing is waited for.
            sleep(Duration::from_millis(self.random.u64(..THINK_MS_MAX))).await;
        }
        purchases
    }

    async fn place(&mut self) -> Purchase {
        let (lines, body) = self.choose();
        let key = self.next_key();
        self.shop.goods.begin(&lines);
        let (answer, before) = self.insist("/v1/orders", &body, &key).await;
        let (order, items, total) = match (answer.status, answer.code()) {
            (201, _) => {
                let order = answer.json["order_id"].as_str().unwrap().to_owned();
                (Some(order), answer.json["items"].clone(), answer.json["total"].clone())
            }
            (409, "out_of_stock") => {
                self.shop.goods.refuse(&lines, &short_products(&answer.json), &before);
                (None, Value::Null, Value::Null)
            }
            _ => panic!("placing under {key}: {} {}", answer.status, answer.text),
        };
        let purchase = Purchase { user: self.user, key, body, lines, order, items, total, after: After::Left };
        purchase.expect_the_servers_sums(&self.shop.goods);
        purchase
    }

    /// One or two different products, one to three pieces each.
    fn choose(&mut self) -> (Vec<(usize, i64)>, Value) {
        let goods = &self.shop.goods;
        let first = self.random.usize(..goods.len());
        let mut lines = vec![(first, self.random.i64(1..=3))];
        if self.random.bool() {
            let step = self.random.usize(1..goods.len());
            lines.push(((first + step) % goods.len(), self.random.i64(1..=3)));
        }
        let items: Vec<_> = lines
            .iter()
            .map(|(index, quantity)| json!({"product_id": goods.product(*index), "quantity": quantity}))
            .collect();
        (lines, json!({"user_id": self.user.to_string(), "items": items}))
    }

    async fn follow_up(&mut self, order: &str) -> After {
        let (verb, done) = match self.random.u8(..4) {
            0 => ("cancel", After::Cancelled),
            1 => ("pay", After::Paid),
            _ => return After::Left,
        };
        let key = self.next_key();
        let (answer, _) = self.insist(&format!("/v1/orders/{order}:{verb}"), &json!({}), &key).await;
        match (answer.status, answer.code()) {
            (200 | 202, _) => done,
            (409, "illegal_move" | "already_paid") => After::TooLate,
            _ => panic!("{verb} of {order}: {} {}", answer.status, answer.text),
        }
    }

    fn next_key(&mut self) -> String {
        self.keys += 1;
        format!("u{}-{}", self.user, self.keys)
    }

    /// Repeats the call until it has a definite answer; also what was known right before the last repeat.
    async fn insist(&mut self, path: &str, body: &Value, key: &str) -> (Answer, Glance) {
        let mut last = None;
        let insisting = async {
            loop {
                let here = self.client.at(*self.shop.address.borrow());
                let before = self.shop.goods.glance();
                match here.post(path, body).key(key).try_send().await {
                    Ok(answer) if answer.status != 503 && answer.code() != "in_progress" => return (answer, before),
                    // Nobody knows, or not yet.
                    unclear => last = Some(unclear),
                }
                sleep(BACK_OFF).await;
            }
        };
        let answered = timeout(GIVE_UP, insisting).await.ok();
        answered.unwrap_or_else(|| panic!("{path} under {key}: no definite answer in {GIVE_UP:?}, last {last:?}"))
    }
}

/// The products of the lines that a refusal for stock names.
fn short_products(problem: &Value) -> Vec<String> {
    let lines = problem["lines"].as_array().unwrap_or_else(|| panic!("no lines in {problem}"));
    lines.iter().map(|line| line["product_id"].as_str().unwrap().to_owned()).collect()
}

impl Purchase {
    fn expect_the_servers_sums(&self, goods: &Goods) {
        if self.order.is_some() {
            let total: i64 = self.lines.iter().map(|(index, quantity)| goods.price_minor(*index) * quantity).sum();
            assert_eq!(self.total["amount_minor"], total, "key {}", self.key);
        }
    }

    /// The order as it is found now is the one that was acknowledged, and what was done to it was not undone.
    pub fn expect_kept(&self, found: &Value) {
        assert_eq!(found["items"], self.items, "key {}: {found}", self.key);
        assert_eq!(found["total"], self.total, "key {}: {found}", self.key);
        let is_cancelled = found["status"] == "cancelled";
        match self.after {
            After::Cancelled => assert!(is_cancelled, "key {}: its cancel is lost: {found}", self.key),
            // Nobody else cancels, and stock that was held is there.
            After::Paid | After::Left => assert!(!is_cancelled, "key {}: it was cancelled: {found}", self.key),
            After::TooLate => {}
        }
    }
}
