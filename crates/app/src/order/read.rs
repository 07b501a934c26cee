//! Reading orders: one by its id alone, or a page of a user's or of everybody's, newest first.

use doos_domain::ids::{OrderId, UserId};
use doos_domain::message::Message;
use doos_domain::order::{Order, Status};
use doos_ports::order_store::{MessageState, Query};
use std::sync::Arc;

use crate::{App, Error, Principal, Result};

pub struct OrderPage {
    pub orders: Vec<Arc<Order>>,
    pub next: Option<OrderId>,
}

impl App {
    pub async fn read_order(&self, principal: &Principal, id: OrderId) -> Result<Arc<Order>> {
        let order = self.ports.orders.read(id).await?.ok_or(Error::NotFound("order"))?;
        principal.check_sees(&order)?;
        Ok(order)
    }

    /// Without a user: a customer's own, for everybody else all.
    pub async fn list_orders(
        &self,
        principal: &Principal,
        user_id: Option<UserId>,
        statuses: Vec<Status>,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage> {
        let user_id = match (principal, user_id) {
            (Principal::Customer(own), None) => Some(*own),
            (Principal::Customer(own), Some(user)) if user != *own => {
                return Err(Error::Forbidden("a customer sees only its own orders"));
            }
            (Principal::Service(_), None) => {
                return Err(Error::InvalidUser("a service names the user whose orders it lists".to_owned()));
            }
            (_, user_id) => user_id,
        };
        let page = self.ports.orders.list(Query { user_id, statuses, before, limit }).await?;
        Ok(OrderPage { orders: page.orders, next: page.next })
    }

    pub async fn order_messages(&self, principal: &Principal, id: OrderId) -> Result<Vec<(Message, MessageState)>> {
        principal.check_operator()?;
        self.read_order(principal, id).await?;
        Ok(self.ports.orders.messages(id).await?)
    }
}
