//! Times as answers write them, put together on the stack: an order's answer has several, and a general formatter costs
//! more than all the rest of it.

use doos_domain::time::Timestamp;
use serde::Serializer;

const MILLIS_A_DAY: u64 = 86_400_000;
/// `9999-12-30T22:00:00.999Z`: what saturated is shown as the last time that all calendars can write.
const LAST_MILLIS: u64 = 253_402_207_200_999;

/// `2026-03-01T09:30:00.000Z`
pub struct Written([u8; 24]);

impl Written {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it is ASCII")
    }
}

/// UTC with milliseconds. Nothing here lies before 1970.
pub fn rfc3339(at: Timestamp) -> Written {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0).min(LAST_MILLIS);
    let (year, month, day) = civil(millis / MILLIS_A_DAY);
    let of_day = millis % MILLIS_A_DAY;
    let mut bytes = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, len: usize, mut value: u64| {
        for place in bytes[at..at + len].iter_mut().rev() {
            *place = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, of_day / 3_600_000);
    put(14, 2, of_day / 60_000 % 60);
    put(17, 2, of_day / 1_000 % 60);
    put(20, 3, of_day % 1_000);
    Written(bytes)
}

/// Year, month and day of the Gregorian calendar, so many days after 1970-01-01. Counted in years that begin in March,
/// so that a leap day is a year's last, and in eras of 400 years, all of which have the same number of days.
const fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_BEFORE_1970: u64 = 719_468;
    const DAYS_AN_ERA: u64 = 146_097;
    let days = days + DAYS_BEFORE_1970;
    let (era, of_era) = (days / DAYS_AN_ERA, days % DAYS_AN_ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on have 153 days, twice over.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// For fields that are times.
pub fn as_time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rfc3339(*at).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_shown_in_utc_with_milliseconds() {
        let shown = |millis| rfc3339(Timestamp::from_millis(millis)).as_str().to_owned();
        assert_eq!(shown(1_767_225_600_005), "2026-01-01T00:00:00.005Z");
        assert_eq!(shown(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(shown(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!((shown(i64::MIN), shown(i64::MAX)), (shown(0), "9999-12-30T22:00:00.999Z".to_owned()));
    }

    proptest! {
        #[test]
        fn a_time_is_what_a_calendar_makes_of_it(millis in 0..=LAST_MILLIS as i64) {
            let by_the_calendar = jiff::Timestamp::from_millisecond(millis).unwrap();
            let written = rfc3339(Timestamp::from_millis(millis));
            prop_assert_eq!(written.as_str(), format!("{by_the_calendar:.3}"));
        }
    }
}
