//! Reading orders: by id, newest first, oldest first, and those that inventory has not decided about.
//!
//! Every shard is asked at once for as many rows as the whole page may have, and the answers are merged. A filter by
//! status walks that status's index, one walk for each status.

use doos_domain::ids::OrderId;
use doos_domain::message::Message;
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use doos_ports::order_store::{MessageState, Page, Query};
use futures::future::try_join_all;
use std::collections::HashMap;
use std::sync::Arc;

use super::MySqlOrderStore;
use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::outbox::state_of;
use crate::rows::{ORDER_COLUMNS, OrderRow, order_of, parse};

/// Rows of one statement where many ids are asked for.
const IDS_AT_ONCE: usize = 256;
/// An id may have been issued so long before or after its order was created, clocks that leap included.
const ISSUE_SLACK_MS: i64 = 120_000;

async fn orders(database: &Arc<Database>, condition: &str) -> Result<Vec<Arc<Order>>, Fault> {
    let sql = format!("SELECT {ORDER_COLUMNS} FROM t_order {condition}");
    let rows: Vec<OrderRow> = database.read_text("t_order", &sql).await?;
    rows.into_iter().map(|row| order_of(row).map(Arc::new)).collect()
}

pub(crate) async fn orders_by_id(
    database: &Arc<Database>,
    ids: Vec<OrderId>,
) -> Result<HashMap<OrderId, Arc<Order>>, Fault> {
    let found = orders(database, &format!("WHERE id IN ({})", list(ids.into_iter().map(OrderId::get)))).await?;
    Ok(found.into_iter().map(|order| (order.id, order)).collect())
}

/// Messages that an order has sent, in the order of sending: their ids begin with the order's.
pub(super) async fn messages_of(database: &Arc<Database>, id: OrderId) -> Result<Vec<(Message, MessageState)>, Fault> {
    let sql = format!(
        "SELECT payload, status FROM t_local_message WHERE message_id > '{id}.' AND message_id < '{id}/' ORDER BY id"
    );
    let rows: Vec<(Vec<u8>, u8)> = database.read_text("t_local_message", &sql).await?;
    rows.into_iter().map(|(payload, status)| Ok((parse("t_local_message", &payload)?, state_of(status)))).collect()
}

impl MySqlOrderStore {
    pub(super) async fn list_all(&self, query: Query) -> Result<Page, Fault> {
        let shards: Vec<usize> = match query.user_id {
            Some(user) => vec![self.topology().shard_of(user.bucket())],
            None => (0..self.shards.len()).collect(),
        };
        let before = query.before.map_or_else(String::new, |before| format!(" AND id < {before}"));
        let end = format!("ORDER BY id DESC LIMIT {}", query.limit);
        let conditions: Vec<String> = match (query.user_id, walks(&query.statuses)) {
            (Some(user), walks) => {
                let within = walks.map_or_else(String::new, |statuses| {
                    format!(" AND status IN ({})", list(statuses.iter().map(|status| u64::from(status.number()))))
                });
                vec![format!("FORCE INDEX (idx_user_id) WHERE user_id = {user}{before}{within} {end}")]
            }
            (None, Some(statuses)) => {
                let walk = |status: &Status| {
                    format!("FORCE INDEX (idx_status) WHERE status = {}{before} {end}", status.number())
                };
                statuses.iter().map(walk).collect()
            }
            (None, None) => vec![format!("WHERE id > 0{before} {end}")],
        };
        let mut orders = self.gather(&shards, &conditions).await?;
        orders.sort_by_key(|order| std::cmp::Reverse(order.id));
        orders.truncate(query.limit);
        let full = orders.len() == query.limit;
        let next = orders.last().filter(|_| full).map(|order| order.id);
        Ok(Page { orders, next })
    }

    pub(super) async fn sweep(
        &self,
        statuses: &[Status],
        created_before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>, Fault> {
        // The bound on the id keeps a sweep with little to do from reading all that came later.
        let below = OrderId::floor_at(created_before.plus_millis(ISSUE_SLACK_MS));
        let created = created_before.as_millis();
        let bounds = format!("created_at < {created} AND id < {below} AND id > {}", after.map_or(0, OrderId::get));
        let end = format!("ORDER BY id LIMIT {limit}");
        let walk =
            |status: &Status| format!("FORCE INDEX (idx_status) WHERE status = {} AND {bounds} {end}", status.number());
        let conditions: Vec<String> = statuses.iter().map(walk).collect();
        let mut orders = self.gather(&(0..self.shards.len()).collect::<Vec<_>>(), &conditions).await?;
        orders.sort_by_key(|order| order.id);
        orders.truncate(limit);
        Ok(orders)
    }

    async fn gather(&self, shards: &[usize], conditions: &[String]) -> Result<Vec<Arc<Order>>, Fault> {
        let walk = async |shard: &usize| {
            let mut found = Vec::new();
            for condition in conditions {
                found.extend(orders(&self.shards[*shard].database, condition).await?);
            }
            // An order that moved on between two walks was seen twice.
            found.sort_by_key(|order| (order.id, std::cmp::Reverse(order.version)));
            found.dedup_by_key(|order| order.id);
            Ok::<_, Fault>(found)
        };
        Ok(try_join_all(shards.iter().map(walk)).await?.concat())
    }

    pub(crate) async fn list_undecided_on(&self, shard: usize) -> Result<Vec<Arc<Order>>, Fault> {
        let database = &self.shards[shard].database;
        let sql = "SELECT message_id FROM t_local_message FORCE INDEX (idx_status_next_retry) \
                   WHERE status IN (0, 1, 3) AND message_id LIKE '%.DeductStock'";
        let ids: Vec<(String,)> = database.read_text("t_local_message", sql).await?;
        let ids: Vec<OrderId> = ids.iter().filter_map(|(id,)| crate::rows::order_in_id(id)).collect();
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(IDS_AT_ONCE) {
            found.extend(orders_by_id(database, some.to_vec()).await?.into_values());
        }
        Ok(found)
    }

    pub(super) async fn list_undecided(&self) -> Result<Vec<Arc<Order>>, Fault> {
        let shards = (0..self.shards.len()).map(|shard| self.list_undecided_on(shard));
        let mut all = try_join_all(shards).await?.concat();
        all.sort_by_key(|order| order.id);
        Ok(all)
    }
}

/// The statuses to walk, each once; `None` for all there are.
fn walks(statuses: &[Status]) -> Option<Vec<Status>> {
    if statuses.is_empty() {
        return None;
    }
    let mut statuses = statuses.to_vec();
    statuses.sort_unstable();
    statuses.dedup();
    Some(statuses)
}
