//! Where minutes, hours and days begin. Minutes and hours are those of UTC; days are the shop's own, by one fixed
//! offset from UTC.
//!
//! Every point here is a whole number of minutes since 1970.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const MINUTE_MS: i64 = 60_000;
const HOUR_MINUTES: i64 = 60;
const DAY_MINUTES: i64 = 24 * 60;
/// The zones of the world lie between twelve hours behind and fourteen ahead.
const OFFSET_MINUTES: std::ops::RangeInclusive<i64> = -720..=840;

/// The length of one bucket of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Minute,
    Hour,
    Day,
}

impl Step {
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }

    pub const fn minutes(self) -> i64 {
        match self {
            Self::Minute => 1,
            Self::Hour => HOUR_MINUTES,
            Self::Day => DAY_MINUTES,
        }
    }
}

/// The days of one shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    utc_offset_minutes: i64,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an offset from UTC lies between -720 and 840 minutes, and {0} does not")]
pub struct InvalidOffset(i64);

impl Calendar {
    /// Days that begin `utc_offset_minutes` before those of UTC: 480 for China.
    pub fn try_new(utc_offset_minutes: i64) -> Result<Self, InvalidOffset> {
        if OFFSET_MINUTES.contains(&utc_offset_minutes) {
            Ok(Self { utc_offset_minutes })
        } else {
            Err(InvalidOffset(utc_offset_minutes))
        }
    }

    pub const fn utc_offset_minutes(self) -> i64 {
        self.utc_offset_minutes
    }

    /// The minute in which a point lies.
    pub const fn minute_of(at: Timestamp) -> i64 {
        at.as_millis().div_euclid(MINUTE_MS)
    }

    pub const fn time_of(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute.saturating_mul(MINUTE_MS))
    }

    /// The first minute of the bucket in which `minute` lies.
    pub const fn start_of(self, step: Step, minute: i64) -> i64 {
        let length = step.minutes();
        match step {
            Step::Minute => minute,
            Step::Hour => minute.div_euclid(length) * length,
            Step::Day => {
                let local = minute + self.utc_offset_minutes;
                local.div_euclid(length) * length - self.utc_offset_minutes
            }
        }
    }

    /// The first minute of the day that is `days` after 1970-01-01.
    pub const fn start_of_day(self, days: i64) -> i64 {
        days * DAY_MINUTES - self.utc_offset_minutes
    }

    /// Which day a minute belongs to, counted from 1970-01-01.
    pub const fn day_of(self, minute: i64) -> i64 {
        (minute + self.utc_offset_minutes).div_euclid(DAY_MINUTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 20_000 * DAY_MINUTES + 12 * HOUR_MINUTES + 34;

    #[test]
    fn a_bucket_begins_at_its_first_minute() {
        let calendar = Calendar::default();
        assert_eq!(calendar.start_of(Step::Minute, NOON), NOON);
        assert_eq!(calendar.start_of(Step::Hour, NOON), NOON - 34);
        assert_eq!(calendar.start_of(Step::Day, NOON), 20_000 * DAY_MINUTES);
        assert_eq!(calendar.start_of(Step::Hour, -1), -60, "also before 1970");
    }

    #[test]
    fn a_shop_in_the_east_has_its_days_earlier() {
        let china = Calendar::try_new(480).unwrap();
        let eight_in_the_evening = 20_000 * DAY_MINUTES + 20 * HOUR_MINUTES;
        assert_eq!(china.day_of(eight_in_the_evening), 20_001);
        assert_eq!(china.start_of(Step::Day, eight_in_the_evening), china.start_of_day(20_001));
        assert_eq!(china.start_of_day(20_001), 20_000 * DAY_MINUTES + 16 * HOUR_MINUTES);
        assert_eq!(china.day_of(china.start_of_day(20_001) - 1), 20_000);
    }

    #[test]
    fn an_offset_that_no_zone_has_is_refused() {
        for refused in [-721, 841] {
            assert_eq!(Calendar::try_new(refused), Err(InvalidOffset(refused)));
        }
    }
}
