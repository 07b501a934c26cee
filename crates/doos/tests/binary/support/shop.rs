//! What people do in the shop: products, stock, orders.

use serde_json::{Value, json};

use super::client::Client;
use super::wait::until;

/// The numbers of one product at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    pub received: i64,
    pub written_off: i64,
    pub on_hand: i64,
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

impl Stock {
    /// The law of every instant.
    pub fn balances(&self) -> bool {
        let whole = self.received - self.written_off == self.free + self.held + self.sold;
        whole && self.on_hand == self.free + self.held && self.free >= 0 && self.held >= 0 && self.sold >= 0
    }
}

/// A new product with this price and stock; its id.
pub async fn new_product(operator: &Client, price_minor: i64, units: u32) -> String {
    let body = json!({"name": "Kettle", "price": {"amount_minor": price_minor, "currency": "CNY"}});
    let made = operator.post("/v1/products", &body).send().await.expect(201);
    let product = made["product_id"].as_str().unwrap().to_owned();
    if units > 0 {
        receive(operator, &product, units).await;
    }
    product
}

pub async fn receive(operator: &Client, product: &str, units: u32) {
    let path = format!("/v1/stock/{product}:receive");
    operator.post(path, &json!({ "quantity": units })).send().await.expect(200);
}

pub async fn stock(client: &Client, product: &str) -> Stock {
    let answer = told(client, &format!("/v1/stock/{product}")).await;
    let read = |name: &str| answer[name].as_i64().unwrap_or_else(|| panic!("no {name} in {answer}"));
    let stock = Stock {
        received: read("received"),
        written_off: read("written_off"),
        on_hand: read("on_hand"),
        free: read("free"),
        held: read("held"),
        sold: read("sold"),
    };
    assert!(stock.balances(), "product {product}: {stock:?}");
    stock
}

/// Waits until free, held and sold are these.
pub async fn await_stock(client: &Client, product: &str, (free, held, sold): (i64, i64, i64)) {
    until("free, held and sold", async || {
        let now = stock(client, product).await;
        if (now.free, now.held, now.sold) == (free, held, sold) { Ok(()) } else { Err(now) }
    })
    .await;
}

pub fn order_of(user: &str, product: &str, quantity: u32) -> Value {
    json!({"user_id": user, "items": [{"product_id": product, "quantity": quantity}]})
}

/// Places an order and returns its id.
pub async fn place(client: &Client, user: &str, product: &str, quantity: u32) -> String {
    let order = client.post("/v1/orders", &order_of(user, product, quantity)).send().await.expect(201);
    order["order_id"].as_str().unwrap().to_owned()
}

pub async fn read(client: &Client, order: &str) -> Value {
    told(client, &format!("/v1/orders/{order}")).await
}

/// What is read at a path; asked again while what it needs is away (503).
pub async fn told(client: &Client, path: &str) -> Value {
    let answer = until("an answer that is not 503", async || {
        let answer = client.get(path).send().await;
        if answer.status == 503 { Err(answer.text) } else { Ok(answer) }
    });
    answer.await.expect(200)
}

/// Waits until the order is in this state; the order as it is then.
pub async fn await_status(client: &Client, order: &str, status: &str) -> Value {
    until(&format!("order {order} is {status}"), async || {
        let found = read(client, order).await;
        if found["status"] == status { Ok(found) } else { Err(found["history"].clone()) }
    })
    .await
}

/// `POST /v1/orders/ORDER:VERB`.
pub async fn ask(client: &Client, order: &str, verb: &str) -> super::client::Answer {
    client.post(format!("/v1/orders/{order}:{verb}"), &json!({})).send().await
}

/// The states an order went through, oldest first.
pub fn path_of(order: &Value) -> Vec<String> {
    let history = order["history"].as_array().unwrap();
    history.iter().map(|entry| entry["to"].as_str().unwrap().to_owned()).collect()
}

/// Every order of a user (or of everybody), page by page, newest first.
pub async fn list(client: &Client, user: Option<&str>) -> Vec<Value> {
    let mut orders = Vec::new();
    let mut page_token = String::new();
    loop {
        let mut path = format!("/v1/orders?page_size=100&page_token={page_token}");
        if let Some(user) = user {
            path.push_str(&format!("&user_id={user}"));
        }
        let page = told(client, &path).await;
        orders.extend(page["orders"].as_array().unwrap().iter().cloned());
        page_token = page["next_page_token"].as_str().unwrap().to_owned();
        if page_token.is_empty() {
            return orders;
        }
    }
}
