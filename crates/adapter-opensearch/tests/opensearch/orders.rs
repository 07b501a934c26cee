//! Orders to be indexed.

use doos_adapter_opensearch::OpenSearchIndex;
use doos_domain::actor::{Actor, Cause};
use doos_domain::ids::{Generator, OrderId, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::Order;
use doos_domain::pricing::{Line, Quote};
use doos_domain::time::Timestamp;
use doos_ports::projection::{Projection, Standing};
use doos_ports::search::{SearchIndex, SearchQuery};
use std::sync::Arc;

const START_MS: i64 = 1_790_000_000_000;

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + millis)
}

/// Orders of three users at so many addresses, one every millisecond.
pub fn some(count: u64) -> Vec<Arc<Order>> {
    let ids = Generator::new(1, at(0), at(86_400_000));
    (0..count).map(|number| placed(&ids, number)).collect()
}

fn placed(ids: &Generator, number: u64) -> Arc<Order> {
    let user = UserId::new(number % 3 + 1).unwrap();
    let when = at(i64::try_from(number).unwrap());
    let line = Line {
        product_id: ProductId::new(number % 5 + 1).unwrap(),
        quantity: 1,
        unit_price: Money::new(100, Currency::Cny),
    };
    let quote = Quote { lines: vec![line], total: Money::new(100, Currency::Cny) };
    let cause = Cause::new(when, Actor::Operator("amy".to_owned()));
    let address = Some(format!("{number} Harbour Street, 上海市静安区"));
    Arc::new(Order::place(ids.next(user.bucket(), when).unwrap(), user, quote, address, &cause).order)
}

/// The next version of it.
pub fn cancelled(order: &Order) -> Arc<Order> {
    let mut next = order.clone();
    next.version += 1;
    next.status = doos_domain::order::Status::Cancelled;
    Arc::new(next)
}

pub fn everything(limit: usize) -> SearchQuery {
    SearchQuery { limit, ..SearchQuery::default() }
}

pub async fn found(index: &OpenSearchIndex) -> Vec<OrderId> {
    let mut all = Vec::new();
    let mut query = everything(500);
    loop {
        let hits = index.search(&query).await.expect("an index can be searched");
        all.extend(hits.orders);
        query.before = hits.next;
        if query.before.is_none() {
            return all;
        }
    }
}

/// Applies them where the index stands.
pub async fn apply(index: &OpenSearchIndex, orders: &[Arc<Order>], token: &str) -> doos_ports::Result<()> {
    let standing = index.standing().await?;
    index.apply(orders, Standing { token: token.to_owned(), ..standing }).await
}

pub fn ids(orders: &[Arc<Order>]) -> Vec<OrderId> {
    orders.iter().rev().map(|order| order.id).collect()
}
