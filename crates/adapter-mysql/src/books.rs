//! What every context has stored, for whoever proves the books.
//!
//! What holds: nothing is locked and nothing is changed. Each database is read at an instant of its own, so what is
//! moving may look wrong from here; the caller looks again before believing it.

use doos_domain::audit::{MovementSums, OrderRecords};
use doos_domain::ids::OrderId;
use doos_domain::message::Message;
use doos_domain::stock::StockRow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::database::Database;
use crate::dialect::list;
use crate::error::{Error, Fault};
use crate::ledger::{
    DECISION_COLUMNS, DecisionColumns, MOVEMENT_COLUMNS, MovementColumns, STOCK_COLUMNS, StockColumns,
};
use crate::ledger::{decision_of, kind_of, movement_of, stock_of};
use crate::orders::reading::orders_by_id;
use crate::payment_book::{COLUMNS as MONEY_COLUMNS, Columns as MoneyColumns, entry_of};
use crate::rows::parse;
use crate::session::decode;

/// The books of one cluster.
pub struct Books {
    pub(crate) shards: Vec<Arc<Database>>,
    pub(crate) inventory: Arc<Database>,
    pub(crate) payment: Arc<Database>,
    pub(crate) shipping: Arc<Database>,
}

type Records = BTreeMap<OrderId, OrderRecords>;

impl Books {
    /// Every product's row with the sums of its movements, all of one instant.
    pub async fn stock(&self) -> Result<Vec<(StockRow, MovementSums)>, Error> {
        self.read_stock().await.map_err(|fault| failed(&self.inventory, &fault))
    }

    async fn read_stock(&self) -> Result<Vec<(StockRow, MovementSums)>, Fault> {
        let mut session = self.inventory.own_session().await?;
        // Read committed sees each statement's own instant; this one needs both of the same.
        session.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        session.text("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
        let rows = session.text(&format!("SELECT {STOCK_COLUMNS} FROM t_stock ORDER BY product_id")).await?;
        let sums = "SELECT product_id, kind, CAST(SUM(qty) AS SIGNED) FROM t_stock_ledger GROUP BY product_id, kind";
        let sums: Vec<(u64, String, i64)> = decode("t_stock_ledger", session.text(sums).await?)?;
        session.text("COMMIT").await?;
        let mut by_product: BTreeMap<u64, MovementSums> = BTreeMap::new();
        for (product, kind, qty) in sums {
            by_product.entry(product).or_default().add(kind_of(&kind)?, qty);
        }
        let rows = decode::<StockColumns>("t_stock", rows)?.into_iter().map(stock_of);
        rows.map(|row| row.map(|row| (by_product.remove(&row.product_id.get()).unwrap_or_default(), row)))
            .map(|pair| pair.map(|(sums, row)| (row, sums)))
            .collect()
    }

    /// The next orders that any context has something about, oldest first, and whether there are more.
    pub async fn ids(&self, after: Option<OrderId>, limit: usize) -> Result<(Vec<OrderId>, bool), Error> {
        let after = after.map_or(0, OrderId::get);
        let in_use = self.shards.iter().map(|shard| (shard, "t_order", "id"));
        let archived = self.shards.iter().map(|shard| (shard, "t_order_archive", "id"));
        let others = [(&self.inventory, "t_decision", "order_id"), (&self.payment, "t_money", "order_id")];
        let (mut ids, mut bound) = (Vec::new(), u64::MAX);
        for (database, table, column) in in_use.chain(archived).chain(others) {
            let sql = format!(
                "SELECT DISTINCT {column} FROM {table} WHERE {column} > {after} ORDER BY {column} LIMIT {limit}"
            );
            let found: Vec<(u64,)> = database.read_text(table, &sql).await.map_err(|fault| failed(database, &fault))?;
            if found.len() == limit {
                bound = bound.min(found.last().map_or(bound, |(id,)| *id));
            }
            ids.extend(found.into_iter().map(|(id,)| id));
        }
        ids.retain(|id| *id <= bound);
        ids.sort_unstable();
        ids.dedup();
        Ok((ids.into_iter().filter_map(OrderId::new).collect(), bound < u64::MAX))
    }

    /// What each context has stored about these orders.
    pub async fn records(&self, ids: &[OrderId]) -> Result<Records, Error> {
        let mut records: Records = ids.iter().map(|id| (*id, OrderRecords::default())).collect();
        if ids.is_empty() {
            return Ok(records);
        }
        for shard in &self.shards {
            let found = orders_by_id(shard, ids.to_vec()).await.map_err(|fault| failed(shard, &fault))?;
            for (id, order) in found {
                let known = &mut records.entry(id).or_default().order;
                // A bucket on its way is on two shards, and the older copy does not count.
                if known.as_ref().is_none_or(|known| known.version < order.version) {
                    *known = Some((*order).clone());
                }
            }
        }
        self.stock_of(ids, &mut records).await.map_err(|fault| failed(&self.inventory, &fault))?;
        self.money_of(ids, &mut records).await.map_err(|fault| failed(&self.payment, &fault))?;
        for database in self.mailboxes() {
            let flying = flying(database, ids).await.map_err(|fault| failed(database, &fault))?;
            for message in flying {
                records.entry(message.order_id).or_default().in_flight.push(message);
            }
        }
        Ok(records)
    }

    async fn stock_of(&self, ids: &[OrderId], records: &mut Records) -> Result<(), Fault> {
        let numbers = list(ids.iter().map(|id| id.get()));
        let sql = format!("SELECT {DECISION_COLUMNS} FROM t_decision WHERE order_id IN ({numbers})");
        for row in self.inventory.read_text::<DecisionColumns>("t_decision", &sql).await? {
            let decision = decision_of(row)?;
            let slot = records.entry(decision.order_id).or_default();
            slot.decision = Some(decision);
        }
        let orders = list(ids.iter().flat_map(|id| [id.to_string(), format!("ret_{id}")]));
        let sql = format!("SELECT {MOVEMENT_COLUMNS} FROM t_stock_ledger WHERE reference IN ({orders})");
        for row in self.inventory.read_text::<MovementColumns>("t_stock_ledger", &sql).await? {
            let movement = movement_of(row)?;
            let order = movement.reference.strip_prefix("ret_").unwrap_or(&movement.reference).parse();
            if let Ok(order) = order {
                records.entry(order).or_default().movements.push(movement);
            }
        }
        Ok(())
    }

    async fn money_of(&self, ids: &[OrderId], records: &mut Records) -> Result<(), Fault> {
        let numbers = list(ids.iter().map(|id| id.get()));
        let sql = format!("SELECT {MONEY_COLUMNS} FROM t_money WHERE order_id IN ({numbers}) ORDER BY id");
        for row in self.payment.read_text::<MoneyColumns>("t_money", &sql).await? {
            let entry = entry_of(row)?;
            records.entry(entry.order_id).or_default().money.push(entry);
        }
        Ok(())
    }

    fn mailboxes(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.shards.iter().chain([&self.inventory, &self.payment, &self.shipping])
    }

    /// Messages that nobody has settled, in every context.
    pub async fn open_messages(&self) -> Result<u64, Error> {
        let mut open = 0;
        for database in self.mailboxes() {
            let sql = "SELECT (SELECT COUNT(*) FROM t_local_message WHERE status IN (0, 1, 3)) \
                       + (SELECT COUNT(*) FROM t_waiting) + (SELECT COUNT(*) FROM t_dead_letter)";
            let count: Vec<(u64,)> =
                database.read_text("messages", sql).await.map_err(|fault| failed(database, &fault))?;
            open += count.first().map_or(0, |(count,)| *count);
        }
        Ok(open)
    }
}

/// Messages of these orders that are not done with: unread, waiting, or parked.
async fn flying(database: &Arc<Database>, ids: &[OrderId]) -> Result<Vec<Message>, Fault> {
    let (texts, numbers) = (list(ids.iter().map(ToString::to_string)), list(ids.iter().map(|id| id.get())));
    let sql = format!(
        "SELECT payload FROM t_local_message FORCE INDEX (idx_status_next_retry) \
         WHERE status IN (0, 1, 3) AND tx_id IN ({texts}) \
         UNION ALL SELECT payload FROM t_waiting WHERE order_id IN ({numbers}) \
         UNION ALL SELECT payload FROM t_dead_letter WHERE order_id IN ({numbers})"
    );
    let rows: Vec<(Vec<u8>,)> = database.read_text("messages", &sql).await?;
    rows.iter().map(|(payload,)| parse("a message", payload)).collect()
}

fn failed(database: &Database, fault: &Fault) -> Error {
    Error::Database { database: database.name.clone(), cause: fault.to_string() }
}
