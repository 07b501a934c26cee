//! One month on one shard: looking through it, and putting its orders away.

use doos_domain::ids::OrderId;
use doos_domain::month::Month;
use doos_domain::order::Order;
use doos_ports::archive::{Judge, MonthReport, Obstacles, Progress, Step, Tell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::database::Database;
use crate::dialect::list;
use crate::error::Fault;
use crate::moves::write_in_parts;
use crate::partitions::Span;
use crate::rows::{ARCHIVED_COLUMNS, ARCHIVED_ORDERS, ORDER_COLUMNS, OrderRow, archived_values, json, order_of};
use crate::session::decode;
use crate::topology::OPEN;

/// Orders read at once while looking.
const WINDOW_ROWS: usize = 1_000;
/// Orders of one transaction. A reader of the change feed has all of it in memory, and whoever changes one of them waits.
const CHUNK_ROWS: usize = 250;

const NOT_SETTLED: &str = "month_not_over";
const BUCKET_AWAY: &str = "bucket_on_its_way";
const MESSAGES_OPEN: &str = "message_open";
const MESSAGES_WAITING: &str = "message_waiting";
const LETTERS: &str = "dead_letter";

pub(super) struct Shelf<'a> {
    pub number: usize,
    pub shard: &'a Arc<Database>,
    pub span: Span,
    pub judge: &'a Judge<'a>,
    pub tell: &'a Tell<'a>,
}

type Orders = BTreeMap<OrderId, Order>;

impl Shelf<'_> {
    /// Judges every order of the month that is in use, and what is under way about them.
    pub async fn look(&self, report: &mut MonthReport, is_settled: bool) -> Result<Obstacles, Fault> {
        let mut obstacles = Obstacles::default();
        let sql = format!("SELECT bucket FROM t_bucket WHERE state = {OPEN}");
        let open: Vec<(u16,)> = self.shard.read_text("t_bucket", &sql).await?;
        let open: BTreeSet<u16> = open.into_iter().map(|(bucket,)| bucket).collect();
        report.orders = 0;
        let mut after = None;
        loop {
            let sql = format!(
                "SELECT {ORDER_COLUMNS} FROM t_order WHERE {} ORDER BY id LIMIT {WINDOW_ROWS}",
                self.behind(after)
            );
            let window = orders_of(self.shard.read_text("t_order", &sql).await?)?;
            let Some((last, _)) = window.last_key_value() else { break };
            after = Some(*last);
            report.orders += window.len() as u64;
            for (id, order) in &window {
                let reason = if open.contains(&id.bucket().get()) { (self.judge)(order) } else { Some(BUCKET_AWAY) };
                if let Some(reason) = reason {
                    obstacles.add(reason, 1, Some(*id));
                }
            }
            self.told(Step::Looking, report.orders);
        }
        if report.orders > 0 {
            self.look_for_mail(&mut obstacles).await?;
        }
        obstacles.add(NOT_SETTLED, u64::from(!is_settled), None);
        Ok(obstacles)
    }

    /// A message that is not done with may yet move its order.
    async fn look_for_mail(&self, obstacles: &mut Obstacles) -> Result<(), Fault> {
        let Span { low, end, .. } = self.span;
        let within = |id: &str| format!("{id} >= {low} AND {id} < {end}");
        let places = [
            (
                MESSAGES_OPEN,
                "CAST(tx_id AS UNSIGNED)",
                "t_local_message FORCE INDEX (idx_status_next_retry)",
                "status IN (0, 1, 3) AND ",
            ),
            (MESSAGES_WAITING, "order_id", "t_waiting", ""),
            (LETTERS, "order_id", "t_dead_letter", ""),
        ];
        for (reason, id, table, also) in places {
            let sql = format!("SELECT COUNT(*), MIN({id}) FROM {table} WHERE {also}{}", within(id));
            let counted: Vec<(u64, Option<u64>)> = self.shard.read_text(table, &sql).await?;
            for (count, first) in counted {
                obstacles.add(reason, count, first.and_then(OrderId::new));
            }
        }
        Ok(())
    }

    /// Remembers that the month is worked on.
    pub async fn begin(&self) -> Result<(), Fault> {
        let sql = format!(
            "INSERT INTO t_archived_month (month, orders, began_at) VALUES ({}, 0, {}) \
             ON DUPLICATE KEY UPDATE ended_at = NULL",
            self.month(),
            self.shard.clock.now().as_millis()
        );
        self.shard.write_text(&sql).await.map(drop)
    }

    pub async fn end(&self) -> Result<(), Fault> {
        let now = self.shard.clock.now().as_millis();
        let sql = format!("UPDATE t_archived_month SET ended_at = {now} WHERE month = {}", self.month());
        self.shard.write_text(&sql).await.map(drop)
    }

    /// Puts the next orders away, in one transaction; those that are not closed any more stay. Returns the last one that
    /// was looked at, or `None` if there is none left.
    pub async fn put_away(&self, after: Option<OrderId>, report: &mut MonthReport) -> Result<Option<OrderId>, Fault> {
        let sql = format!("SELECT id, bucket FROM t_order WHERE {} ORDER BY id LIMIT {CHUNK_ROWS}", self.behind(after));
        let next: Vec<(u64, u16)> = self.shard.read_text("t_order", &sql).await?;
        let Some(last) = next.last().and_then(|(id, _)| OrderId::new(*id)) else { return Ok(None) };
        let ids = list(next.iter().map(|(id, _)| *id));
        let buckets: BTreeSet<u16> = next.iter().map(|(_, bucket)| *bucket).collect();
        let buckets = list(buckets.into_iter().map(u64::from));

        let mut session = self.shard.begin().await?;
        // In the order in which groups lock: a mover that wants one of these buckets waits, or is seen.
        let sql = format!(
            "SELECT bucket FROM t_bucket WHERE bucket IN ({buckets}) AND state = {OPEN} ORDER BY bucket \
             LOCK IN SHARE MODE"
        );
        let open: Vec<(u16,)> = decode("t_bucket", session.text(&sql).await?)?;
        let open: BTreeSet<u16> = open.into_iter().map(|(bucket,)| bucket).collect();
        let sql = format!("SELECT {ORDER_COLUMNS} FROM t_order WHERE id IN ({ids}) ORDER BY id FOR UPDATE");
        let mut closed = orders_of(decode("t_order", session.text(&sql).await?)?)?;
        closed.retain(|id, order| open.contains(&id.bucket().get()) && (self.judge)(order).is_none());
        if closed.is_empty() {
            session.rollback().await?;
            return Ok(Some(last));
        }
        let rows: Vec<_> = closed.values().map(archived_values).collect();
        write_in_parts(&mut session, &ARCHIVED_ORDERS, rows).await?;
        let ids = list(closed.keys().map(|id| id.get()));
        let sql = format!("SELECT {ARCHIVED_COLUMNS} FROM t_order_archive WHERE id IN ({ids})");
        let written: Vec<OrderRow> = decode("t_order_archive", session.text(&sql).await?)?;
        let bytes_after: usize = written.iter().map(|row| row.6.len()).sum();
        let written = orders_of(written)?;
        if let Some((id, _)) = closed.iter().find(|(id, order)| written.get(*id) != Some(*order)) {
            return Err(Fault::Refused(format!("order {id} is not read from the archive as it was written there")));
        }
        let taken = session.affected_by(&format!("DELETE FROM t_order WHERE id IN ({ids})"), Vec::new()).await?;
        if taken != closed.len() as u64 {
            return Err(Fault::Refused(format!("{taken} orders were taken out of use instead of {}", closed.len())));
        }
        let sql = format!("UPDATE t_archived_month SET orders = orders + {taken} WHERE month = {}", self.month());
        session.text(&sql).await?;
        // A lost reply leaves them put away or not; the next look says.
        session.commit().await?;
        report.archived += taken;
        report.bytes_before += closed.values().map(|order| json(order).len() as u64).sum::<u64>();
        report.bytes_after += bytes_after as u64;
        self.told(Step::PuttingAway, report.archived);
        Ok(Some(last))
    }

    fn behind(&self, after: Option<OrderId>) -> String {
        let Span { low, end, .. } = self.span;
        let after = after.map_or_else(String::new, |after| format!(" AND id > {after}"));
        format!("id >= {low} AND id < {end}{after}")
    }

    fn month(&self) -> i64 {
        number_of(self.span.month)
    }

    fn told(&self, step: Step, done: u64) {
        (self.tell)(&Progress { shard: self.number, month: self.span.month, step, done });
    }
}

/// A month as `t_archived_month` names it.
pub(super) fn number_of(month: Month) -> i64 {
    month.year * 100 + i64::from(month.month)
}

fn orders_of(rows: Vec<OrderRow>) -> Result<Orders, Fault> {
    rows.into_iter().map(|row| order_of(row).map(|order| (order.id, order))).collect()
}
