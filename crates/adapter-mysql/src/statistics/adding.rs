//! What a group of changes adds to the sums and takes away from them. The caller holds the standing's row, so nobody
//! else writes here.

use doos_domain::ids::ProductId;
use doos_domain::money::Currency;
use doos_domain::order::Order;
use doos_domain::statistics::{
    Calendar, Contribution, Figures, ProductFigures, ProductKey, SeriesKey, Step, Tally, contribution_from_bytes,
    contribution_to_bytes,
};
use mysql_async::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Stored;
use super::reading::{currency_of, figures_of, product_figures_of};
use crate::dialect::list;
use crate::error::Fault;
use crate::session::{Session, Statement, decode};

/// Rows asked for in one statement.
const KEYS_AT_ONCE: usize = 500;

/// Step, currency, start.
type SalesKey = (i64, Currency, i64);

const CONTRIBUTIONS: Statement = Statement {
    head: "INSERT INTO t_contribution (epoch, order_id, body)",
    columns: 3,
    tail: "ON DUPLICATE KEY UPDATE body = VALUES(body)",
};
const SALES: Statement = Statement {
    head: "INSERT INTO t_sales (epoch, step, currency, start, orders, paid_orders, units, sales_minor, refunded_minor)",
    columns: 9,
    tail: "ON DUPLICATE KEY UPDATE orders = VALUES(orders), paid_orders = VALUES(paid_orders), units = VALUES(units), \
           sales_minor = VALUES(sales_minor), refunded_minor = VALUES(refunded_minor)",
};
const PRODUCT_SALES: Statement = Statement {
    head: "INSERT INTO t_product_sales (epoch, day, product_id, currency, orders, units, sales_minor)",
    columns: 7,
    tail: "ON DUPLICATE KEY UPDATE orders = VALUES(orders), units = VALUES(units), sales_minor = VALUES(sales_minor)",
};
const STATES: Statement = Statement {
    head: "INSERT INTO t_state_count (epoch, status, orders)",
    columns: 3,
    tail: "ON DUPLICATE KEY UPDATE orders = orders + VALUES(orders)",
};

/// Adds the newest version of each order, and takes away the one that was counted before.
pub(super) async fn count(
    session: &mut Session,
    orders: &[Arc<Order>],
    calendar: Calendar,
    stored: &Stored,
) -> Result<(), Fault> {
    let mut newest: BTreeMap<u64, &Order> = BTreeMap::new();
    for order in orders {
        let slot = newest.entry(order.id.get()).or_insert(order);
        if slot.version < order.version {
            *slot = order;
        }
    }
    let epoch = stored.standing.epoch;
    let counted = counted(session, epoch, newest.keys().copied().collect()).await?;
    let mut tally = Tally::new(calendar);
    let mut rows = Vec::with_capacity(newest.len());
    for (id, order) in newest {
        if let Some(before) = counted.get(&id) {
            if before.version >= order.version {
                continue;
            }
            tally.subtract(before);
        }
        let now = Contribution::of(order);
        tally.add(&now);
        rows.push(vec![epoch.into(), id.into(), contribution_to_bytes(&now).into()]);
    }
    session.write_rows(&CONTRIBUTIONS, rows).await?;
    add_to_sales(session, stored, &tally).await?;
    add_to_products(session, epoch, &tally).await?;
    let states = tally.states.iter().filter(|(_, count)| **count != 0);
    let state = |(status, count): (&doos_domain::order::Status, &i64)| -> Vec<Value> {
        vec![epoch.into(), status.number().into(), (*count).into()]
    };
    session.write_rows(&STATES, states.map(state).collect()).await
}

/// What these orders have added so far.
pub(super) async fn counted(
    session: &mut Session,
    epoch: u64,
    ids: Vec<u64>,
) -> Result<BTreeMap<u64, Contribution>, Fault> {
    let mut counted = BTreeMap::new();
    for ids in ids.chunks(KEYS_AT_ONCE) {
        let ids = list(ids.iter().copied());
        let sql = format!("SELECT order_id, body FROM t_contribution WHERE epoch = {epoch} AND order_id IN ({ids})");
        for (id, body) in decode::<(u64, Vec<u8>)>("t_contribution", session.text(&sql).await?)? {
            let before = contribution_from_bytes(&body);
            counted.insert(id, before.ok_or_else(|| Fault::row("t_contribution", format!("order {id}")))?);
        }
    }
    Ok(counted)
}

/// Buckets that are no longer kept are neither added to nor taken from.
async fn add_to_sales(session: &mut Session, stored: &Stored, tally: &Tally) -> Result<(), Fault> {
    let is_kept = |key: &SeriesKey| match key.step {
        Some(Step::Minute) => key.start >= stored.minutes_from,
        Some(Step::Hour) => key.start >= stored.hours_from,
        Some(Step::Day) | None => true,
    };
    let changed = tally.series.iter().filter(|(key, figures)| !figures.is_zero() && is_kept(key));
    let mut sums: BTreeMap<SalesKey, Figures> = changed
        .map(|(key, figures)| ((key.step.map_or(0, Step::minutes), key.currency, key.start), *figures))
        .collect();
    let epoch = stored.standing.epoch;
    let place = |(step, currency, start): &SalesKey| format!("({epoch},{step},'{}',{start})", currency.code());
    let places: Vec<String> = sums.keys().map(place).collect();
    let columns = "step, currency, start, orders, paid_orders, units, sales_minor, refunded_minor";
    for places in places.chunks(KEYS_AT_ONCE) {
        let within = within("t_sales", "epoch, step, currency, start", places);
        let rows = session.text(&format!("SELECT {columns} {within}")).await?;
        for (step, code, start, orders, paid, units, sales, refunded) in
            decode::<(i64, String, i64, i64, i64, i64, i64, i64)>("t_sales", rows)?
        {
            let sum = sums.get_mut(&(step, currency_of(&code)?, start));
            let sum = sum.ok_or_else(|| Fault::row("t_sales", "a bucket that was not asked for"))?;
            sum.add(&figures_of((orders, paid, units, sales, refunded)));
        }
    }
    let (gone, kept): (Vec<_>, Vec<_>) = sums.into_iter().partition(|(_, sum)| sum.is_zero());
    let gone: Vec<String> = gone.iter().map(|(key, _)| place(key)).collect();
    for gone in gone.chunks(KEYS_AT_ONCE) {
        session.text(&format!("DELETE {}", within("t_sales", "epoch, step, currency, start", gone))).await?;
    }
    let row = |((step, currency, start), sum): (SalesKey, Figures)| -> Vec<Value> {
        let Figures { orders, paid_orders, units, sales_minor, refunded_minor } = sum;
        let key: [Value; 4] = [epoch.into(), step.into(), currency.code().into(), start.into()];
        let sums = [orders, paid_orders, units, sales_minor, refunded_minor].map(Value::from);
        key.into_iter().chain(sums).collect()
    };
    session.write_rows(&SALES, kept.into_iter().map(row).collect()).await
}

async fn add_to_products(session: &mut Session, epoch: u64, tally: &Tally) -> Result<(), Fault> {
    let changed = tally.products.iter().filter(|(_, figures)| !figures.is_zero());
    let mut sums: BTreeMap<ProductKey, ProductFigures> = changed.map(|(key, figures)| (*key, *figures)).collect();
    let place = |ProductKey { day, product_id, currency }: &ProductKey| {
        format!("({epoch},{day},{product_id},'{}')", currency.code())
    };
    let places: Vec<String> = sums.keys().map(place).collect();
    let columns = "day, product_id, currency, orders, units, sales_minor";
    for places in places.chunks(KEYS_AT_ONCE) {
        let within = within("t_product_sales", "epoch, day, product_id, currency", places);
        let rows = session.text(&format!("SELECT {columns} {within}")).await?;
        for (day, product, code, orders, units, sales) in
            decode::<(i64, u64, String, i64, i64, i64)>("t_product_sales", rows)?
        {
            let asked = ProductId::new(product).map(|product_id| (product_id, currency_of(&code)));
            let sum = match asked {
                Some((product_id, currency)) => sums.get_mut(&ProductKey { day, product_id, currency: currency? }),
                None => None,
            };
            let sum = sum.ok_or_else(|| Fault::row("t_product_sales", "a product that was not asked for"))?;
            sum.add(&product_figures_of((orders, units, sales)));
        }
    }
    let (gone, kept): (Vec<_>, Vec<_>) = sums.into_iter().partition(|(_, sum)| sum.is_zero());
    let gone: Vec<String> = gone.iter().map(|(key, _)| place(key)).collect();
    for gone in gone.chunks(KEYS_AT_ONCE) {
        session
            .text(&format!("DELETE {}", within("t_product_sales", "epoch, day, product_id, currency", gone)))
            .await?;
    }
    let row = |(key, sum): (ProductKey, ProductFigures)| -> Vec<Value> {
        let key: [Value; 4] = [epoch.into(), key.day.into(), key.product_id.get().into(), key.currency.code().into()];
        key.into_iter().chain([sum.orders, sum.units, sum.sales_minor].map(Value::from)).collect()
    };
    session.write_rows(&PRODUCT_SALES, kept.into_iter().map(row).collect()).await
}

/// The rows with these keys, written out.
fn within(table: &str, key: &str, places: &[String]) -> String {
    format!("FROM {table} WHERE ({key}) IN ({})", places.join(","))
}
