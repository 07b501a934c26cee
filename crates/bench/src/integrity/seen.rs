//! Reads what is there after the load: orders, stock, the audit.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::api::Api;
use crate::notes::Acknowledged;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every order of the server, which is the run's own.
    Everything,
    /// The promised orders, one by one; others may be there.
    Own,
}

#[derive(Clone, Debug)]
pub struct SeenOrder {
    pub order_id: u64,
    pub user_id: u64,
    pub product_id: u64,
    pub quantity: u64,
    pub is_cancelled: bool,
}

/// A product's numbers of one instant, and what the run has given to it.
#[derive(Clone, Debug)]
pub struct Stock {
    pub product_id: u64,
    pub given: i64,
    pub received: i64,
    pub on_hand: i64,
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub scope: Scope,
    pub orders: Vec<SeenOrder>,
    pub stock: Vec<Stock>,
    pub audit_differences: Option<u64>,
}

impl Stock {
    pub fn balances(&self) -> bool {
        let whole = self.received == self.free + self.held + self.sold && self.on_hand == self.free + self.held;
        whole && self.free >= 0 && self.held >= 0 && self.sold >= 0
    }
}

/// An order as the interface shows it, as far as it matters here.
#[derive(Deserialize)]
struct Shown {
    order_id: String,
    user_id: String,
    status: String,
    items: Vec<ShownItem>,
}

#[derive(Deserialize)]
struct ShownItem {
    product_id: String,
    quantity: u64,
}

#[derive(Deserialize)]
struct Page {
    orders: Vec<Shown>,
    next_page_token: String,
}

/// `given` names the run's products with what each was given.
pub fn read(api: &mut Api, scope: Scope, own: &[Acknowledged], given: &[(u64, i64)]) -> Result<Seen> {
    let orders = match scope {
        Scope::Everything => list(api)?,
        Scope::Own => own.iter().filter_map(|promise| one(api, promise.order_id).transpose()).collect::<Result<_>>()?,
    };
    let stock = given.iter().map(|(product_id, given)| stock(api, *product_id, *given)).collect::<Result<_>>()?;
    let audit_differences = match scope {
        Scope::Everything => Some(api.get("/v1/admin/audit")?["differences_found"].as_u64().context("no audit")?),
        Scope::Own => None,
    };
    Ok(Seen { scope, orders, stock, audit_differences })
}

fn list(api: &mut Api) -> Result<Vec<SeenOrder>> {
    let mut orders = Vec::new();
    let mut token = String::new();
    loop {
        let reply = api.call("GET", &format!("/v1/orders?page_size=100&page_token={token}"), None)?;
        ensure!(reply.status == 200, "the list of orders answered {}", reply.status);
        let page: Page = serde_json::from_slice(&reply.body)?;
        ensure!(!page.orders.is_empty() || page.next_page_token.is_empty(), "an empty page that is not the last");
        for shown in page.orders {
            orders.push(shown.seen()?);
        }
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(orders);
        }
    }
}

/// None if it is not there.
fn one(api: &mut Api, order_id: u64) -> Result<Option<SeenOrder>> {
    let reply = api.call("GET", &format!("/v1/orders/{order_id}"), None)?;
    if reply.status == 404 {
        return Ok(None);
    }
    ensure!(reply.status == 200, "order {order_id} answered {}", reply.status);
    let shown: Shown = serde_json::from_slice(&reply.body)?;
    shown.seen().map(Some)
}

fn stock(api: &mut Api, product_id: u64, given: i64) -> Result<Stock> {
    let answer = api.get(&format!("/v1/stock/{product_id}"))?;
    let number = |name: &str| answer[name].as_i64().with_context(|| format!("no {name} in {answer}"));
    Ok(Stock {
        product_id,
        given,
        received: number("received")?,
        on_hand: number("on_hand")?,
        free: number("free")?,
        held: number("held")?,
        sold: number("sold")?,
    })
}

impl Shown {
    fn seen(self) -> Result<SeenOrder> {
        ensure!(self.items.len() == 1, "order {} has {} lines", self.order_id, self.items.len());
        Ok(SeenOrder {
            order_id: self.order_id.parse()?,
            user_id: self.user_id.parse()?,
            product_id: self.items[0].product_id.parse()?,
            quantity: self.items[0].quantity,
            is_cancelled: self.status == "cancelled",
        })
    }
}
