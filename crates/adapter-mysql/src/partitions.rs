//! Months of orders: each has a partition of its own, made ahead of time.
//!
//! An order id carries its time in its highest bits, so a month is a range of ids. What is not covered yet falls into
//! the last partition, which has no upper end; it stays empty as long as months are made ahead of the clock.

use doos_domain::ids::OrderId;
use doos_domain::time::Timestamp;
use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::migrate;

pub const MONTHS_AHEAD: u32 = 3;
const REST: &str = "p_rest";
const DAY_MS: i64 = 86_400_000;

/// A month of the common calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    pub year: i64,
    pub month: u32,
}

impl Month {
    /// The month in which this instant lies, in UTC.
    pub fn of(at: Timestamp) -> Self {
        // Counted from the first of March of year 0, so that a leap day is the last day of its year.
        let days = at.as_millis().div_euclid(DAY_MS) + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let (month, later) = if from_march < 10 { (from_march + 3, 0) } else { (from_march - 9, 1) };
        Self { year: era * 400 + year + later, month: u32::try_from(month).expect("months are 1 to 12") }
    }

    pub const fn next(self) -> Self {
        if self.month == 12 { Self { year: self.year + 1, month: 1 } } else { Self { month: self.month + 1, ..self } }
    }

    pub fn start(self) -> Timestamp {
        let (year, from_march) = if self.month > 2 {
            (self.year, i64::from(self.month) - 3)
        } else {
            (self.year - 1, i64::from(self.month) + 9)
        };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * from_march + 2) / 5;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
        Timestamp::from_millis(days * DAY_MS)
    }

    pub fn partition(self) -> String {
        format!("p{:04}{:02}", self.year, self.month)
    }
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
        format!("PARTITION {} VALUES LESS THAN ({end})", month.partition())
    };
    let parts: Vec<String> = missing.iter().map(part).collect();
    let sql = format!(
        "ALTER TABLE t_order REORGANIZE PARTITION {REST} INTO ({}, PARTITION {REST} VALUES LESS THAN MAXVALUE)",
        parts.join(", ")
    );
    session.text(&sql).await?;
    Ok(missing.into_iter().map(Month::partition).collect())
}

async fn existing(database: &Arc<Database>) -> Result<Vec<String>, Fault> {
    let sql = "SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() \
               AND TABLE_NAME = 't_order' AND PARTITION_NAME IS NOT NULL ORDER BY PARTITION_ORDINAL_POSITION";
    database.read("the partitions", sql, Vec::new()).await
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
    wanted.retain(|month| last.is_none_or(|last| month.partition() > *last));
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(year: i64, month: u32) -> Month {
        Month { year, month }
    }

    #[test]
    fn an_instant_lies_in_its_month() {
        for (millis, expected) in [
            (0, month(1970, 1)),
            (1_767_225_600_000, month(2026, 1)),
            (1_767_225_599_999, month(2025, 12)),
            (1_772_323_199_999, month(2026, 2)),
            (1_772_323_200_000, month(2026, 3)),
            (1_835_395_199_999, month(2028, 2)),
        ] {
            assert_eq!(Month::of(Timestamp::from_millis(millis)), expected, "{millis}");
        }
    }

    #[test]
    fn months_follow_each_other_without_gap_or_overlap() {
        let mut month = month(2026, 1);
        for _ in 0..1_200 {
            let next = month.next();
            let last = next.start().plus_millis(-1);
            assert_eq!((Month::of(month.start()), Month::of(last)), (month, month));
            assert!(next.partition() > month.partition());
            month = next;
        }
    }

    #[test]
    fn only_what_is_missing_behind_the_last_is_made() {
        let now = month(2026, 11).start();
        let names = |months: Vec<Month>| months.into_iter().map(Month::partition).collect::<Vec<_>>();
        assert_eq!(names(missing(&[REST.to_owned()], now)), ["p202611", "p202612", "p202701", "p202702"]);
        let some = ["p202610", "p202611", "p202612", REST].map(str::to_owned);
        assert_eq!(names(missing(&some, now)), ["p202701", "p202702"]);
        let all = ["p202703", REST].map(str::to_owned);
        assert!(missing(&all, now).is_empty());
    }
}
