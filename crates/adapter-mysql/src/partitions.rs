//! Months of orders: each has a partition of its own, made ahead of time.
//!
//! An order id carries its time in its highest bits, so a month is a range of ids. What is not covered yet falls into
//! the last partition, which has no upper end; it stays empty as long as months are made ahead of the clock.

use doos_domain::ids::OrderId;
use doos_domain::month::Month;
use doos_domain::time::Timestamp;
use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::migrate;

pub const MONTHS_AHEAD: u32 = 3;
const REST: &str = "p_rest";
pub(crate) fn name(month: Month) -> String {
    format!("p{:04}{:02}", month.year, month.month)
}

fn month_of(partition: &str) -> Option<Month> {
    let (year, month) = partition.strip_prefix('p')?.split_at_checked(4)?;
    Month::try_new(year.parse().ok()?, month.parse().ok()?)
}

/// Makes the partitions of this month and of those ahead that are missing. Returns their names.
pub(crate) async fn ensure(database: &Arc<Database>, now: Timestamp) -> Result<Vec<String>, Fault> {
    if missing(&existing(database).await?, now).is_empty() {
        return Ok(Vec::new());
    }
    let mut session = database.own_session().await?;
    if !migrate::lock(&mut session, "doos_partitions").await? {
        return Err(Fault::Contended("somebody else is making partitions".to_owned()));
    }
    let missing = missing(&existing(database).await?, now);
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let part = |month: &Month| {
        let end = OrderId::floor_at(month.next().start());
        format!("PARTITION {} VALUES LESS THAN ({end})", name(*month))
    };
    let parts: Vec<String> = missing.iter().map(part).collect();
    let sql = format!(
        "ALTER TABLE t_order REORGANIZE PARTITION {REST} INTO ({}, PARTITION {REST} VALUES LESS THAN MAXVALUE)",
        parts.join(", ")
    );
    session.text(&sql).await?;
    Ok(missing.into_iter().map(name).collect())
}

async fn existing(database: &Arc<Database>) -> Result<Vec<String>, Fault> {
    let sql = "SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() \
               AND TABLE_NAME = 't_order' AND PARTITION_NAME IS NOT NULL ORDER BY PARTITION_ORDINAL_POSITION";
    database.read("the partitions", sql, Vec::new()).await
}

/// A month's partition and the ids that lie in it. The first one has all below it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub month: Month,
    pub low: u64,
    /// The first id behind it.
    pub end: u64,
}

/// The months that have partitions, oldest first.
pub(crate) async fn spans(database: &Arc<Database>) -> Result<Vec<Span>, Fault> {
    let sql = "SELECT PARTITION_NAME, CAST(PARTITION_DESCRIPTION AS UNSIGNED) FROM information_schema.PARTITIONS \
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't_order' AND PARTITION_DESCRIPTION <> 'MAXVALUE' \
               ORDER BY PARTITION_ORDINAL_POSITION";
    let rows: Vec<(String, u64)> = database.read_text("the partitions", sql).await?;
    let mut low = 0;
    let mut spans = Vec::with_capacity(rows.len());
    for (name, end) in rows {
        let month = month_of(&name).ok_or_else(|| Fault::row("the partitions", format!("{name} is no month")))?;
        spans.push(Span { month, low, end });
        low = end;
    }
    Ok(spans)
}

/// Only months after the last one that exists can be cut off the rest.
fn missing(existing: &[String], now: Timestamp) -> Vec<Month> {
    let last = existing.iter().rev().find(|name| *name != REST);
    let mut month = Month::of(now);
    let mut wanted = Vec::new();
    for _ in 0..=MONTHS_AHEAD {
        wanted.push(month);
        month = month.next();
    }
    wanted.retain(|month| last.is_none_or(|last| name(*month) > *last));
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(year: i64, month: u32) -> Month {
        Month::try_new(year, month).unwrap()
    }

    #[test]
    fn only_what_is_missing_behind_the_last_is_made() {
        let now = month(2026, 11).start();
        let names = |months: Vec<Month>| months.into_iter().map(name).collect::<Vec<_>>();
        assert_eq!(names(missing(&[REST.to_owned()], now)), ["p202611", "p202612", "p202701", "p202702"]);
        let some = ["p202610", "p202611", "p202612", REST].map(str::to_owned);
        assert_eq!(names(missing(&some, now)), ["p202701", "p202702"]);
        let all = ["p202703", REST].map(str::to_owned);
        assert!(missing(&all, now).is_empty());
    }
}
