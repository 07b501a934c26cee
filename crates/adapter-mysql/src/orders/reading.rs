//! Reading orders: by id, newest first, oldest first, and those that inventory has not decided about.
//!
//! Every shard is asked at once for as many rows as the whole page may have, and the answers are merged. A filter by
//! status walks that status's index, one walk for each status.

use doos_domain::answer::Answer;
use doos_domain::ids::{BUCKET_COUNT, Bucket, OrderId, UserId};
use doos_domain::message::Message;
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use doos_ports::order_store::{MessageState, Page, Query};
use futures::future::try_join_all;
use mysql_async::Row;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use super::{MySqlOrderStore, Seen};
use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::outbox::state_of;
use crate::router::{BUCKETS, Patience, buckets_behind};
use crate::rows::{
    ANSWER_COLUMNS, ARCHIVED_COLUMNS, AnswerRow, ORDER_COLUMNS, OrderRow, answer_of, hash_literal, order_of, parse,
};
use crate::session::decode;
use crate::topology::{Place, Topology, is_served};

/// Rows of one statement where many ids are asked for.
const IDS_AT_ONCE: usize = 256;
/// Stands for the buckets that a shard has copies of.
const FOREIGN: &str = "/*foreign*/";
/// An id may have been issued so long before or after its order was created, clocks that leap included.
const ISSUE_SLACK_MS: i64 = 120_000;

/// The orders that this condition finds, in use or archived.
fn everywhere(condition: &str) -> String {
    format!(
        "(SELECT {ORDER_COLUMNS} FROM t_order {condition}) \
         UNION ALL (SELECT {ARCHIVED_COLUMNS} FROM t_order_archive {condition})"
    )
}

pub(crate) async fn orders_by_id(
    database: &Arc<Database>,
    ids: Vec<OrderId>,
) -> Result<HashMap<OrderId, Arc<Order>>, Fault> {
    let sql = everywhere(&format!("WHERE id IN ({})", list(ids.into_iter().map(OrderId::get))));
    orders_of(database.read_text("t_order", &sql).await?)
}

fn orders_of(rows: Vec<OrderRow>) -> Result<HashMap<OrderId, Arc<Order>>, Fault> {
    let mut orders: HashMap<OrderId, Arc<Order>> = HashMap::with_capacity(rows.len());
    for row in rows {
        let order = order_of(row)?;
        if orders.get(&order.id).is_none_or(|known| known.version < order.version) {
            orders.insert(order.id, Arc::new(order));
        }
    }
    Ok(orders)
}

/// Orders that a shard has, as long as it has their buckets at the place that the map says.
pub(super) async fn orders_here(
    database: &Arc<Database>,
    map: Arc<Topology>,
    shard: usize,
    ids: Vec<OrderId>,
) -> Result<HashMap<OrderId, Seen<Arc<Order>>>, Fault> {
    let condition = |ids: &[OrderId]| format!("WHERE id IN ({})", list(ids.iter().map(|id| id.get())));
    let read = async |rows: String, ids: &[OrderId]| {
        let asked = ids.iter().map(|id| (*id, id.bucket())).collect();
        rows_here(database, &map, shard, &rows, asked, |rows| orders_of(decode("t_order", rows)?)).await
    };
    let in_use = format!("SELECT {ORDER_COLUMNS} FROM t_order {}", condition(&ids));
    let mut seen = read(in_use, &ids).await?;
    // Nearly all that is asked for is in use; what is not costs a second look, at both tables, since it may have come
    // back meanwhile.
    let missing: Vec<OrderId> = ids.into_iter().filter(|id| !seen.contains_key(id)).collect();
    if !missing.is_empty() {
        seen.extend(read(everywhere(&condition(&missing)), &missing).await?);
    }
    Ok(seen)
}

/// As [`orders_here`], for answers under the keys of users.
pub(super) async fn answers_here(
    database: &Arc<Database>,
    map: Arc<Topology>,
    shard: usize,
    keys: Vec<([u8; 16], u16)>,
) -> Result<HashMap<([u8; 16], u16), Seen<Answer>>, Fault> {
    let hashes: Vec<String> = keys.iter().map(|(hash, _)| hash_literal(hash)).collect();
    let rows = format!("SELECT {ANSWER_COLUMNS} FROM t_answer WHERE id IN ({})", hashes.join(","));
    let buckets: HashMap<[u8; 16], u16> = keys.iter().copied().collect();
    let asked = keys.into_iter().map(|key| (key, bucket_numbered(key.1)));
    rows_here(database, &map, shard, &rows, asked.collect(), |sets| {
        let rows: Vec<AnswerRow> = decode("t_answer", sets)?;
        let known = |(hash, answer)| buckets.get(&hash).map(|bucket| ((hash, *bucket), answer));
        Ok(rows.into_iter().map(answer_of).filter_map(known).collect())
    })
    .await
}

/// Rows, and behind them, in the same packet, whether their buckets were here: a bucket that is here under the epoch
/// that the map knew before was here all the time.
async fn rows_here<K: Eq + Hash, V>(
    database: &Arc<Database>,
    map: &Topology,
    shard: usize,
    rows: &str,
    asked: Vec<(K, Bucket)>,
    read: impl FnOnce(Vec<Row>) -> Result<HashMap<K, V>, Fault>,
) -> Result<HashMap<K, Seen<V>>, Fault> {
    let buckets: BTreeSet<u16> = asked.iter().map(|(_, bucket)| bucket.get()).collect();
    let buckets = list(buckets.into_iter().map(u64::from));
    let mut sets = database.read_texts(&format!("{rows}; {BUCKETS} WHERE bucket IN ({buckets})")).await?;
    let behind = buckets_behind(&mut sets)?;
    let served: HashMap<u16, u64> =
        behind.into_iter().filter_map(|(bucket, epoch, state)| is_served(state).then_some((bucket, epoch))).collect();
    let mut found = read(sets.pop().unwrap_or_default())?;
    let mut seen = HashMap::with_capacity(asked.len());
    for (key, bucket) in asked {
        let expected = map.place(bucket).filter(|place| place.shard == shard).map(|place| place.epoch);
        let is_here = expected.is_some() && served.get(&bucket.get()).copied() == expected;
        match found.remove_entry(&key) {
            _ if !is_here => drop(seen.insert(key, Seen::Elsewhere)),
            Some((key, row)) => drop(seen.insert(key, Seen::Here(row))),
            None => {}
        }
    }
    Ok(seen)
}

/// Whether a shard still serves what the map says, after something was read there; or [`Fault::Moved`].
pub(super) async fn confirm(database: &Arc<Database>, map: &Topology, shard: usize) -> Result<(), Fault> {
    let rows = database.read_text("t_bucket", BUCKETS).await?;
    if map.agrees(shard, &rows) { Ok(()) } else { Err(Fault::Moved) }
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
                    format!("FORCE INDEX (idx_status) WHERE status = {}{before}{FOREIGN} {end}", status.number())
                };
                statuses.iter().map(walk).collect()
            }
            (None, None) => vec![format!("WHERE id > 0{before}{FOREIGN} {end}")],
        };
        let mut orders = self.gather(query.user_id.map(UserId::bucket), &conditions).await?;
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
        let walk = |status: &Status| {
            format!("FORCE INDEX (idx_status) WHERE status = {} AND {bounds}{FOREIGN} {end}", status.number())
        };
        let conditions: Vec<String> = statuses.iter().map(walk).collect();
        let mut orders = self.gather(None, &conditions).await?;
        orders.sort_by_key(|order| order.id);
        orders.truncate(limit);
        Ok(orders)
    }

    /// Walks of one bucket's shard, or of all shards. Whoever finds a bucket on its way begins anew, so that no order is
    /// missing or there twice.
    async fn gather(&self, bucket: Option<Bucket>, conditions: &[String]) -> Result<Vec<Arc<Order>>, Fault> {
        if let Some(bucket) = bucket {
            let only = |place| Some((bucket, place));
            return self.at_place(bucket, |place, map| self.walk(place.shard, map, only(place), conditions)).await;
        }
        self.at_all_places(|shard, map| self.walk(shard, map, None, conditions)).await
    }

    /// Reads from every shard while no bucket moves.
    async fn at_all_places<T, F>(&self, read: impl Fn(usize, Arc<Topology>) -> F) -> Result<Vec<T>, Fault>
    where
        F: Future<Output = Result<Vec<T>, Fault>>,
    {
        let mut patience = Patience::default();
        loop {
            let map = self.router.map();
            let lost = map.places().find(|(_, place)| place.is_none());
            let read = match lost {
                Some(_) => Err(Fault::Moved),
                None => try_join_all((0..self.shards.len()).map(|shard| read(shard, Arc::clone(&map)))).await,
            };
            match read {
                Err(Fault::Moved) if patience.wait(&self.shards[0].database).await => self.router.reload(&map).await?,
                read => return Ok(read?.into_iter().flatten().collect()),
            }
        }
    }

    async fn walk(
        &self,
        shard: usize,
        map: Arc<Topology>,
        only: Option<(Bucket, Place)>,
        conditions: &[String],
    ) -> Result<Vec<Arc<Order>>, Fault> {
        let foreign = map.without_foreign(shard);
        let mut sql = String::new();
        for condition in conditions {
            sql += &format!("{}; ", everywhere(&condition.replace(FOREIGN, &foreign)));
        }
        let mut sets = self.router.shard(shard).read_texts(&(sql + BUCKETS)).await?;
        let behind = buckets_behind(&mut sets)?;
        let is_settled = match only {
            // What moves besides is of no interest.
            Some((bucket, place)) => behind
                .iter()
                .any(|(number, epoch, state)| (*number, *epoch) == (bucket.get(), place.epoch) && is_served(*state)),
            None => map.agrees(shard, &behind),
        };
        if !is_settled {
            return Err(Fault::Moved);
        }
        let rows: Vec<OrderRow> = decode("t_order", sets.into_iter().flatten().collect())?;
        let orders = rows.into_iter().map(|row| order_of(row).map(Arc::new));
        let mut found: Vec<Arc<Order>> = orders.collect::<Result<_, _>>()?;
        // An order that moved on between two walks was seen twice.
        found.sort_by_key(|order| (order.id, std::cmp::Reverse(order.version)));
        found.dedup_by_key(|order| order.id);
        Ok(found)
    }

    pub(crate) async fn list_undecided_on(&self, shard: usize) -> Result<Vec<Arc<Order>>, Fault> {
        let database = self.router.shard(shard);
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
        let of_shard = |shard: usize, map: Arc<Topology>| async move {
            let found = self.list_undecided_on(shard).await?;
            confirm(self.router.shard(shard), &map, shard).await?;
            Ok::<_, Fault>(found)
        };
        let mut all = self.at_all_places(of_shard).await?;
        all.sort_by_key(|order| order.id);
        Ok(all)
    }
}

fn bucket_numbered(number: u16) -> Bucket {
    UserId::new(u64::from(number) + u64::from(BUCKET_COUNT)).expect("above zero").bucket()
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
