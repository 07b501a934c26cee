//! Statistics: sums by bucket, by product and day, by state, and what each order has added to them.
//!
//! What holds: a group of changes is counted in memory first, so that a thousand changes touch a few rows. Buckets that
//! are no longer kept are neither added to nor taken from: their bound only moves forward, together with the rows.

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::money::Currency;
use doos_domain::order::{Order, Status};
use doos_domain::statistics::{
    Calendar, Contribution, Figures, ProductFigures, ProductKey, SeriesKey, Step, Tally, contribution_from_bytes,
    contribution_to_bytes,
};
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::projection::{Projection, Standing};
use doos_ports::statistics::{Bucket, ProductSales, SeriesQuery, Statistics, Totals};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::ProjectionOptions;
use super::file::{File, Shape, meta, put_meta};

const SHAPE: Shape = Shape {
    engine: "the statistics",
    file_name: "statistics.sqlite",
    schema: 1,
    // `step` is the bucket's length in minutes; 0 is all time.
    tables: "
CREATE TABLE contributions (order_id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE series (
  step INTEGER NOT NULL, currency TEXT NOT NULL, start INTEGER NOT NULL, orders INTEGER NOT NULL,
  paid_orders INTEGER NOT NULL, units INTEGER NOT NULL, sales_minor INTEGER NOT NULL, refunded_minor INTEGER NOT NULL,
  PRIMARY KEY (step, currency, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE products (
  day INTEGER NOT NULL, product_id INTEGER NOT NULL, currency TEXT NOT NULL, orders INTEGER NOT NULL,
  units INTEGER NOT NULL, sales_minor INTEGER NOT NULL, PRIMARY KEY (day, product_id, currency)
) STRICT, WITHOUT ROWID;
CREATE TABLE states (status INTEGER PRIMARY KEY, orders INTEGER NOT NULL) STRICT;",
};
const OFFSET: &str = "utc_offset_minutes";
/// Nothing before this minute is kept by the minute, and by the hour.
const MINUTES_FROM: &str = "minutes_from";
const HOURS_FROM: &str = "hours_from";
const SECONDS_A_MINUTE: i64 = 60;

pub struct SqliteStatistics {
    file: File,
    calendar: Calendar,
    minutes_kept: i64,
    hours_kept_minutes: i64,
}

impl SqliteStatistics {
    pub(super) fn open(dir: &Path, options: ProjectionOptions) -> crate::error::Result<Self> {
        let calendar = options.calendar()?;
        let settings = vec![(OFFSET, calendar.utc_offset_minutes())];
        Ok(Self {
            file: File::open(dir, &SHAPE, settings, options.read_connections_kept_max)?,
            calendar,
            minutes_kept: options.minute_rows_kept_s / SECONDS_A_MINUTE,
            hours_kept_minutes: options.hour_rows_kept_s / SECONDS_A_MINUTE,
        })
    }

    fn count(&self, connection: &Connection, orders: &[Arc<Order>]) -> rusqlite::Result<()> {
        let mut newest: BTreeMap<u64, &Order> = BTreeMap::new();
        for order in orders {
            let slot = newest.entry(order.id.get()).or_insert(order);
            if slot.version < order.version {
                *slot = order;
            }
        }
        let mut tally = Tally::new(self.calendar);
        let mut find = connection.prepare_cached("SELECT body FROM contributions WHERE order_id = ?1")?;
        let mut put =
            connection.prepare_cached("INSERT OR REPLACE INTO contributions (order_id, body) VALUES (?1, ?2)")?;
        for (id, order) in newest {
            let stored = find.query_row([id.cast_signed()], contribution).optional()?;
            if let Some(stored) = &stored {
                if stored.version >= order.version {
                    continue;
                }
                tally.subtract(stored);
            }
            let counted = Contribution::of(order);
            tally.add(&counted);
            put.execute((id.cast_signed(), contribution_to_bytes(&counted)))?;
        }
        store(connection, &tally)
    }
}

fn contribution(row: &Row<'_>) -> rusqlite::Result<Contribution> {
    let bytes = row.get_ref(0)?.as_blob()?;
    contribution_from_bytes(bytes).ok_or_else(|| unreadable("a contribution"))
}

fn unreadable(what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, format!("{what} cannot be read").into())
}

fn currency(code: &str) -> rusqlite::Result<Currency> {
    Currency::from_code(code).ok_or_else(|| unreadable("a currency"))
}

fn store(connection: &Connection, tally: &Tally) -> rusqlite::Result<()> {
    let minutes_from = meta(connection, MINUTES_FROM)?.unwrap_or(i64::MIN);
    let hours_from = meta(connection, HOURS_FROM)?.unwrap_or(i64::MIN);
    for (key, figures) in tally.series.iter().filter(|(_, figures)| !figures.is_zero()) {
        let is_kept = match key.step {
            Some(Step::Minute) => key.start >= minutes_from,
            Some(Step::Hour) => key.start >= hours_from,
            Some(Step::Day) | None => true,
        };
        if is_kept {
            add_to_bucket(connection, key, figures)?;
        }
    }
    for (key, figures) in tally.products.iter().filter(|(_, figures)| !figures.is_zero()) {
        add_to_product(connection, key, figures)?;
    }
    for (status, count) in tally.states.iter().filter(|(_, count)| **count != 0) {
        let mut statement = connection.prepare_cached(
            "INSERT INTO states (status, orders) VALUES (?1, ?2)
             ON CONFLICT (status) DO UPDATE SET orders = orders + excluded.orders",
        )?;
        statement.execute((status.number(), count))?;
    }
    Ok(())
}

/// Read, added in here, written back: sums saturate, where the database would turn them into floating point.
fn add_to_bucket(connection: &Connection, key: &SeriesKey, more: &Figures) -> rusqlite::Result<()> {
    let place = (step_minutes(key.step), key.currency.code(), key.start);
    let mut find = connection.prepare_cached(
        "SELECT orders, paid_orders, units, sales_minor, refunded_minor FROM series
         WHERE step = ?1 AND currency = ?2 AND start = ?3",
    )?;
    let mut sum = find.query_row(place, |row| figures(row, 0)).optional()?.unwrap_or_default();
    sum.add(more);
    if sum.is_zero() {
        let delete = "DELETE FROM series WHERE step = ?1 AND currency = ?2 AND start = ?3";
        return connection.prepare_cached(delete)?.execute(place).map(drop);
    }
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO series (step, currency, start, orders, paid_orders, units, sales_minor, refunded_minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let (step, code, start) = place;
    let Figures { orders, paid_orders, units, sales_minor, refunded_minor } = sum;
    put.execute((step, code, start, orders, paid_orders, units, sales_minor, refunded_minor)).map(drop)
}

fn add_to_product(connection: &Connection, key: &ProductKey, more: &ProductFigures) -> rusqlite::Result<()> {
    let place = (key.day, key.product_id.get().cast_signed(), key.currency.code());
    let mut find = connection.prepare_cached(
        "SELECT orders, units, sales_minor FROM products WHERE day = ?1 AND product_id = ?2 AND currency = ?3",
    )?;
    let mut sum = find.query_row(place, |row| product_figures(row, 0)).optional()?.unwrap_or_default();
    sum.add(more);
    if sum.is_zero() {
        let delete = "DELETE FROM products WHERE day = ?1 AND product_id = ?2 AND currency = ?3";
        return connection.prepare_cached(delete)?.execute(place).map(drop);
    }
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO products (day, product_id, currency, orders, units, sales_minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let (day, product, code) = place;
    put.execute((day, product, code, sum.orders, sum.units, sum.sales_minor)).map(drop)
}

fn figures(row: &Row<'_>, first: usize) -> rusqlite::Result<Figures> {
    Ok(Figures {
        orders: row.get(first)?,
        paid_orders: row.get(first + 1)?,
        units: row.get(first + 2)?,
        sales_minor: row.get(first + 3)?,
        refunded_minor: row.get(first + 4)?,
    })
}

fn product_figures(row: &Row<'_>, first: usize) -> rusqlite::Result<ProductFigures> {
    Ok(ProductFigures { orders: row.get(first)?, units: row.get(first + 1)?, sales_minor: row.get(first + 2)? })
}

fn step_minutes(step: Option<Step>) -> i64 {
    step.map_or(0, Step::minutes)
}

#[async_trait]
impl Projection for SqliteStatistics {
    fn name(&self) -> &'static str {
        "statistics"
    }

    async fn standing(&self) -> Result<Standing> {
        self.file.standing()
    }

    async fn apply(&self, orders: &[Arc<Order>], standing: Standing) -> Result<()> {
        self.file.apply(standing, |transaction| self.count(transaction, orders))
    }

    async fn begin_anew(&self, standing: Standing) -> Result<()> {
        self.file.begin_anew(standing)
    }

    async fn forget_old(&self, now: Timestamp) -> Result<()> {
        let minute = Calendar::minute_of(now);
        self.file.change(|transaction| {
            for (name, step, kept) in
                [(MINUTES_FROM, Step::Minute, self.minutes_kept), (HOURS_FROM, Step::Hour, self.hours_kept_minutes)]
            {
                let from = self.calendar.start_of(step, minute.saturating_sub(kept));
                if meta(transaction, name)?.is_none_or(|before| before < from) {
                    put_meta(transaction, name, from)?;
                    let mut delete = transaction.prepare_cached("DELETE FROM series WHERE step = ?1 AND start < ?2")?;
                    delete.execute((step.minutes(), from))?;
                }
            }
            Ok(())
        })
    }

    async fn versions(&self, orders: &[OrderId]) -> Result<Vec<Option<u32>>> {
        self.file.read(|transaction| {
            let mut find = transaction.prepare_cached("SELECT body FROM contributions WHERE order_id = ?1")?;
            let mut version = |id: &OrderId| {
                let found = find.query_row([id.get().cast_signed()], contribution).optional();
                found.map(|found| found.map(|contribution| contribution.version))
            };
            orders.iter().map(&mut version).collect()
        })
    }

    async fn order_count(&self) -> Result<u64> {
        self.file.read(|transaction| {
            transaction
                .query_row("SELECT COUNT(*) FROM contributions", [], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
        })
    }
}

#[async_trait]
impl Statistics for SqliteStatistics {
    fn calendar(&self) -> Calendar {
        self.calendar
    }

    async fn series(&self, query: SeriesQuery) -> Result<Vec<Bucket>> {
        self.file.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT currency, start, orders, paid_orders, units, sales_minor, refunded_minor FROM series
                 WHERE step = ?1 AND currency = ?2 AND start >= ?3 AND start < ?4 ORDER BY start",
            )?;
            let mut codes = Currency::ALL.map(Currency::code);
            codes.sort_unstable();
            let mut buckets = Vec::new();
            for code in codes {
                let mut rows = statement.query((query.step.minutes(), code, query.from, query.to))?;
                while let Some(row) = rows.next()? {
                    let currency = currency(row.get_ref(0)?.as_str()?)?;
                    buckets.push(Bucket { currency, start: row.get(1)?, figures: figures(row, 2)? });
                }
            }
            Ok(buckets)
        })
    }

    async fn totals(&self) -> Result<Totals> {
        self.file.read(|transaction| {
            let mut totals = Totals::default();
            let mut statement = transaction.prepare_cached(
                "SELECT currency, orders, paid_orders, units, sales_minor, refunded_minor FROM series WHERE step = 0",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                totals.all_time.insert(currency(row.get_ref(0)?.as_str()?)?, figures(row, 1)?);
            }
            let mut statement = transaction.prepare_cached("SELECT status, orders FROM states")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let status = Status::from_number(row.get(0)?).ok_or_else(|| unreadable("a status"))?;
                totals.states.insert(status, row.get(1)?);
            }
            Ok(totals)
        })
    }

    async fn top_products(&self, day: i64, limit: usize) -> Result<Vec<ProductSales>> {
        self.file.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT product_id, currency, orders, units, sales_minor FROM products WHERE day = ?1
                 ORDER BY units DESC, sales_minor DESC, product_id LIMIT ?2",
            )?;
            let mut rows = statement.query((day, i64::try_from(limit).unwrap_or(i64::MAX)))?;
            let mut top = Vec::new();
            while let Some(row) = rows.next()? {
                let product_id = ProductId::new(row.get::<_, i64>(0)?.cast_unsigned());
                top.push(ProductSales {
                    product_id: product_id.ok_or_else(|| unreadable("a product"))?,
                    currency: currency(row.get_ref(1)?.as_str()?)?,
                    figures: product_figures(row, 2)?,
                });
            }
            Ok(top)
        })
    }
}
