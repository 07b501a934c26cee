//! Finding orders for the console: by what somebody typed, and by user, product, states and times.
//!
//! A text may mean an order's number, a user by number or log-in name, a product by its name, or words of the order's
//! own address and parcel numbers; an order that fits any of these is found. The index says which orders; what is shown
//! is loaded from the order store.

use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::order::Order;
use doos_domain::search::terms;
use doos_domain::stock::Movement;
use doos_ports::search::{Meanings, SearchQuery};
use std::sync::Arc;

use crate::order::OrderPage;
use crate::{App, Error, Principal, Result};

pub const TEXT_CHARS_MAX: usize = 200;
/// Products that a text may mean by their names.
const PRODUCTS_MEANT_MAX: usize = 50;

impl App {
    /// All that is given must hold. What `typed` may mean is found out here and takes the place of the query's text.
    pub async fn search_orders(
        &self,
        principal: &Principal,
        typed: Option<&str>,
        query: SearchQuery,
    ) -> Result<OrderPage> {
        principal.check_operator_or_demo()?;
        let text = match typed {
            Some(typed) if typed.chars().count() > TEXT_CHARS_MAX => {
                return Err(Error::Invalid(format!("a text to search for has at most {TEXT_CHARS_MAX} characters")));
            }
            Some(typed) => Some(self.meanings_of(typed).await?),
            None => None,
        };
        let query = SearchQuery { text, ..query };
        let hits = self.ports.search.search(&query).await?;
        let mut orders: Vec<Arc<Order>> = Vec::with_capacity(hits.orders.len());
        for id in hits.orders {
            // What the index does not know yet: that it has moved on.
            let order = self.ports.orders.read(id).await?;
            let is_asked_for = |order: &Arc<Order>| query.statuses.is_empty() || query.statuses.contains(&order.status);
            orders.extend(order.filter(is_asked_for));
        }
        Ok(OrderPage { orders, next: hits.next })
    }

    async fn meanings_of(&self, text: &str) -> Result<Meanings> {
        let text = text.trim();
        let number = text.parse::<u64>().ok();
        let user_id = match number {
            Some(number) => UserId::new(number),
            None => self.ports.identities.resolve(text).await?,
        };
        Ok(Meanings {
            terms: terms(text),
            order_id: number.and_then(OrderId::new),
            user_id,
            products: self.products_named(text),
        })
    }

    /// Products in whose name every word appears, also those no longer on sale.
    fn products_named(&self, text: &str) -> Vec<ProductId> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        if words.is_empty() || text.parse::<u64>().is_ok() {
            return Vec::new();
        }
        let products = self.catalog.all();
        let named = products.values().filter(|product| words.iter().all(|word| product.name.contains_folded(word)));
        named.map(|product| product.id).take(PRODUCTS_MEANT_MAX).collect()
    }

    /// What an order has moved in the stock ledger, its return included, oldest first.
    pub async fn order_movements(&self, principal: &Principal, id: OrderId) -> Result<Vec<Movement>> {
        principal.check_operator_or_demo()?;
        self.read_order(principal, id).await?;
        let mut movements = self.ports.ledger.movements_of(&id.to_string()).await?;
        movements.extend(self.ports.ledger.movements_of(doos_domain::ids::ReturnId::of(id).as_str()).await?);
        Ok(movements)
    }
}
