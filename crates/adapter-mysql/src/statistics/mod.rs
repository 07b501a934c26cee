//! Statistics in a database of their own: sums by bucket, by product and day, by state, and what each order has added.
//!
//! What holds: a group of changes and the standing are one transaction, under the lock of the standing's row, so that of
//! two who follow the feed at once each counts on what the other has stored. Sums are added up here and written back:
//! they saturate, where the server would refuse the whole group. A beginning anew is an epoch of rows beside those that
//! are read; with the end of its walk it takes their place in one step, and theirs are removed bit by bit.
//!
//! What must never happen: rows of two epochs in one answer.
//!
//! Where to read next: `adding` for what a group writes, `reading` for the questions.

mod adding;
mod reading;

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::order::Order;
use doos_domain::statistics::{Calendar, Step};
use doos_domain::time::Timestamp;
use doos_ports::projection::{Projection, Standing, Walk};
use doos_ports::{Error, Result};
use mysql_async::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::database::Database;
use crate::error::Fault;
use crate::options::Options;
use crate::session::{Session, decode};

pub(crate) const ENGINE: &str = "the statistics";
const MINUTE_S: i64 = 60;
/// Rows removed in one statement, and statements in one go.
const ROWS_FORGOTTEN_AT_ONCE: u64 = 5_000;
const STATEMENTS_MAX: usize = 40;

const STANDING_COLUMNS: &str = "epoch, served, token, walk, walk_below, utc_offset_minutes, minutes_from, hours_from FROM t_standing WHERE one = 1";
type StandingColumns = (u64, u64, String, u8, u64, i64, i64, i64);

pub struct MySqlStatistics {
    database: Arc<Database>,
    calendar: Calendar,
    minutes_kept: i64,
    hours_kept_minutes: i64,
    /// Of how many orders, and one, statistics were that were filled and not believed; 0: none.
    doubted: AtomicU64,
}

/// The standing's row.
struct Stored {
    standing: Standing,
    served: u64,
    utc_offset_minutes: i64,
    minutes_from: i64,
    hours_from: i64,
}

impl MySqlStatistics {
    pub(crate) const fn new(database: Arc<Database>, calendar: Calendar, options: &Options) -> Self {
        Self {
            database,
            calendar,
            minutes_kept: options.minute_rows_kept_s / MINUTE_S,
            hours_kept_minutes: options.hour_rows_kept_s / MINUTE_S,
            doubted: AtomicU64::new(0),
        }
    }

    async fn stored(&self) -> Result<Stored, Fault> {
        let sql = format!("SELECT {STANDING_COLUMNS}");
        loop {
            let rows = self.database.read_text::<StandingColumns>("t_standing", &sql).await?;
            if let Some(row) = rows.into_iter().next() {
                return stored_of(row);
            }
            let first = format!(
                "INSERT IGNORE INTO t_standing (one, epoch, served, token, walk, walk_below, utc_offset_minutes, \
                 minutes_from, hours_from) VALUES (1, 1, 1, '', 0, 0, {}, {min}, {min})",
                self.calendar.utc_offset_minutes(),
                min = i64::MIN,
            );
            self.database.write_text(&first).await?;
        }
    }

    /// Begins a transaction that holds the standing's row.
    async fn hold(&self) -> Result<(Session, Stored), Fault> {
        self.stored().await?;
        let mut session = self.database.begin().await?;
        let rows = session.text(&format!("SELECT {STANDING_COLUMNS} FOR UPDATE")).await?;
        let row = decode::<StandingColumns>("t_standing", rows)?.into_iter().next();
        let row = row.ok_or_else(|| Fault::Away("its standing was removed in the same moment".to_owned()))?;
        Ok((session, stored_of(row)?))
    }

    /// Writes the standing; with the end of its walk an epoch is the one that is read.
    async fn put(&self, session: &mut Session, standing: &Standing, served: u64) -> Result<(), Fault> {
        let (walk, below) = match standing.walk {
            Walk::Done => (0_u64, 0),
            Walk::Below(None) => (1, 0),
            Walk::Below(Some(id)) => (2, id.get()),
        };
        let served = if standing.walk == Walk::Done { standing.epoch } else { served };
        let sql = "UPDATE t_standing SET epoch = ?, served = ?, token = ?, walk = ?, walk_below = ?, \
                   utc_offset_minutes = ? WHERE one = 1";
        let row: Vec<Value> = vec![
            standing.epoch.into(),
            served.into(),
            standing.token.as_str().into(),
            walk.into(),
            below.into(),
            self.calendar.utc_offset_minutes().into(),
        ];
        session.exec(sql, row).await.map(drop)
    }

    /// Everything before the COMMIT; `false` if the standing is of another epoch.
    async fn try_apply(&self, orders: &[Arc<Order>], standing: &Standing) -> Result<Option<Session>, Fault> {
        let (mut session, stored) = self.hold().await?;
        if stored.standing.epoch != standing.epoch {
            session.rollback().await?;
            return Ok(None);
        }
        if stored.utc_offset_minutes != self.calendar.utc_offset_minutes() {
            tracing::warn!("the shop's days begin at another hour than before; the statistics are counted anew");
            let anew = Standing { epoch: standing.epoch + 1, token: String::new(), walk: Walk::Below(None) };
            self.put(&mut session, &anew, stored.served).await?;
            session.commit().await?;
            return Ok(None);
        }
        adding::count(&mut session, orders, self.calendar, &stored).await?;
        let is_filled = stored.standing.walk != Walk::Done && standing.walk == Walk::Done;
        if is_filled && self.lacks_orders(&mut session, standing.epoch, stored.served).await? {
            let anew = Standing { epoch: standing.epoch + 1, token: standing.token.clone(), walk: Walk::Below(None) };
            self.put(&mut session, &anew, stored.served).await?;
            session.commit().await?;
            return Ok(None);
        }
        self.put(&mut session, standing, stored.served).await?;
        Ok(Some(session))
    }

    /// Whether rows that have been filled are of fewer orders than those that are read. No order ever leaves the shards,
    /// so then something went wrong, here or before: they are filled once more, and believed if they come to the same.
    async fn lacks_orders(&self, session: &mut Session, epoch: u64, served: u64) -> Result<bool, Fault> {
        if epoch == served {
            return Ok(false);
        }
        let mut counts = [0_u64; 2];
        for (count, epoch) in counts.iter_mut().zip([epoch, served]) {
            let sql = format!("SELECT COUNT(*) FROM t_contribution WHERE epoch = {epoch}");
            let rows = decode::<(u64,)>("t_contribution", session.text(&sql).await?)?;
            *count = rows.first().map_or(0, |(count,)| *count);
        }
        let [filled, before] = counts;
        if filled >= before {
            tracing::info!(orders = filled, orders_before = before, "new statistics are filled");
            return Ok(false);
        }
        let is_the_same = self.doubted.swap(filled.saturating_add(1), Ordering::AcqRel) == filled.saturating_add(1);
        tracing::error!(
            orders = filled,
            orders_before = before,
            believed = is_the_same,
            "new statistics are of fewer orders than those that are read"
        );
        Ok(!is_the_same)
    }

    async fn try_begin_anew(&self, standing: &Standing) -> Result<Option<Session>, Fault> {
        let (mut session, stored) = self.hold().await?;
        if standing.epoch <= stored.standing.epoch {
            session.rollback().await?;
            return Ok(None);
        }
        self.put(&mut session, standing, stored.served).await?;
        Ok(Some(session))
    }

    /// Small buckets that are too old: no row of theirs is added to any more, and those that are there go.
    async fn forget_buckets(&self, step: Step, kept: i64, now: Timestamp) -> Result<(), Fault> {
        let column = if step == Step::Minute { "minutes_from" } else { "hours_from" };
        let from = self.calendar.start_of(step, Calendar::minute_of(now).saturating_sub(kept));
        let sql = format!("UPDATE t_standing SET {column} = {from} WHERE one = 1 AND {column} < {from}");
        if self.database.write_text(&sql).await? == 0 {
            return Ok(());
        }
        let step = step.minutes();
        self.remove(&format!("DELETE FROM t_sales WHERE step = {step} AND start < {from}")).await
    }

    async fn remove(&self, delete: &str) -> Result<(), Fault> {
        let sql = format!("{delete} LIMIT {ROWS_FORGOTTEN_AT_ONCE}");
        for _ in 0..STATEMENTS_MAX {
            if self.database.write_text(&sql).await? < ROWS_FORGOTTEN_AT_ONCE {
                break;
            }
        }
        Ok(())
    }

    /// Rows of epochs that are neither read nor filled.
    async fn remove_earlier(&self) -> Result<(), Fault> {
        let stored = self.stored().await?;
        let (epoch, served) = (stored.standing.epoch, stored.served);
        for table in ["t_contribution", "t_sales", "t_product_sales", "t_state_count"] {
            self.remove(&format!("DELETE FROM {table} WHERE epoch < {epoch} AND epoch <> {served}")).await?;
        }
        Ok(())
    }
}

fn stored_of(
    (epoch, served, token, walk, below, utc_offset_minutes, minutes_from, hours_from): StandingColumns,
) -> Result<Stored, Fault> {
    let walk = match walk {
        0 => Walk::Done,
        2 => Walk::Below(OrderId::new(below)),
        // Whatever else stands there: everything is walked, which costs time and loses nothing.
        _ => Walk::Below(None),
    };
    Ok(Stored { standing: Standing { epoch, token, walk }, served, utc_offset_minutes, minutes_from, hours_from })
}

fn begun_anew() -> Error {
    Error::Unavailable { engine: ENGINE, cause: "it has begun anew meanwhile".to_owned() }
}

#[async_trait]
impl Projection for MySqlStatistics {
    fn name(&self) -> &'static str {
        "statistics"
    }

    async fn standing(&self) -> Result<Standing> {
        Ok(self.stored().await.map_err(|fault| fault.undone(ENGINE))?.standing)
    }

    async fn apply(&self, orders: &[Arc<Order>], standing: Standing) -> Result<()> {
        let applied = self.try_apply(orders, &standing).await.map_err(|fault| fault.undone(ENGINE))?;
        let mut session = applied.ok_or_else(begun_anew)?;
        session.commit().await.map_err(|fault| fault.unknown(ENGINE))
    }

    /// What there was is read until the walk is done.
    async fn begin_anew(&self, standing: Standing) -> Result<()> {
        match self.try_begin_anew(&standing).await.map_err(|fault| fault.undone(ENGINE))? {
            Some(mut session) => session.commit().await.map_err(|fault| fault.unknown(ENGINE)),
            None => Ok(()),
        }
    }

    async fn forget_old(&self, now: Timestamp) -> Result<()> {
        let forget = async {
            self.stored().await?;
            self.forget_buckets(Step::Minute, self.minutes_kept, now).await?;
            self.forget_buckets(Step::Hour, self.hours_kept_minutes, now).await?;
            self.remove_earlier().await
        };
        forget.await.map_err(|fault: Fault| fault.undone(ENGINE))
    }

    async fn versions(&self, orders: &[OrderId]) -> Result<Vec<Option<u32>>> {
        let ask = async {
            let served = self.stored().await?.served;
            let mut session = self.database.session().await?;
            adding::counted(&mut session, served, orders.iter().map(|id| id.get()).collect()).await
        };
        let counted = ask.await.map_err(|fault: Fault| fault.undone(ENGINE))?;
        Ok(orders.iter().map(|id| counted.get(&id.get()).map(|contribution| contribution.version)).collect())
    }

    async fn order_count(&self) -> Result<u64> {
        let ask = async {
            let served = self.stored().await?.served;
            let sql = format!("SELECT COUNT(*) FROM t_contribution WHERE epoch = {served}");
            let rows = self.database.read_text::<(u64,)>("t_contribution", &sql).await?;
            Ok(rows.first().map_or(0, |(count,)| *count))
        };
        ask.await.map_err(|fault: Fault| fault.undone(ENGINE))
    }
}
