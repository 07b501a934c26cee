//! Months of the common calendar, in UTC: how old orders are told apart.
//!
//! What holds: months follow each other without gap or overlap. Plain arithmetic, no library and no time zone.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

use crate::time::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// A month of the common calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    pub year: i64,
    pub month: u32,
}

impl Month {
    pub fn try_new(year: i64, month: u32) -> Option<Self> {
        ((0..=9_999).contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

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
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a month; write it as 2026-09")]
pub struct NotAMonth(String);

impl FromStr for Month {
    type Err = NotAMonth;

    fn from_str(text: &str) -> Result<Self, NotAMonth> {
        let read = || {
            let (year, month) = text.split_once('-').filter(|(year, month)| (year.len(), month.len()) == (4, 2))?;
            let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            if !is_digits(year) || !is_digits(month) {
                return None;
            }
            Self::try_new(year.parse().ok()?, month.parse().ok()?)
        };
        read().ok_or_else(|| NotAMonth(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(year: i64, month: u32) -> Month {
        Month::try_new(year, month).unwrap()
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
            assert!(next > month && next.to_string() > month.to_string());
            month = next;
        }
    }

    #[test]
    fn a_month_is_read_as_it_is_written() {
        for text in ["2026-01", "1999-12", "0000-07"] {
            assert_eq!(text.parse::<Month>().unwrap().to_string(), text);
        }
        for wrong in ["", "2026", "2026-1", "2026-13", "2026-00", "26-01", "+026-01", "2026-01-01", "2026/01"] {
            assert_eq!(wrong.parse::<Month>(), Err(NotAMonth(wrong.to_owned())));
        }
    }
}
