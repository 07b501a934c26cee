//! Times as answers write them: `2026-03-01T09:30:00.000Z`.
//!
//! The calendar is the library's; its printer is for all formats that there are, and took a seventh of rendering an order.

use doos_domain::time::Timestamp;
use jiff::tz::Offset;
use serde::Serializer;

/// A time, written.
pub struct Written([u8; 24]);

impl Written {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it is ASCII")
    }
}

/// UTC with milliseconds.
pub fn written(at: Timestamp) -> Written {
    // Nothing here lies before 1970; a deadline that saturated is shown as the last time there is.
    let time = jiff::Timestamp::from_millisecond(at.as_millis().max(0)).unwrap_or(jiff::Timestamp::MAX);
    let time = Offset::UTC.to_datetime(time);
    let mut bytes = *b"0000-00-00T00:00:00.000Z";
    let mut put = |from: usize, len: usize, mut value: u16| {
        for place in bytes[from..from + len].iter_mut().rev() {
            *place = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, time.year().unsigned_abs());
    put(5, 2, time.month().unsigned_abs().into());
    put(8, 2, time.day().unsigned_abs().into());
    put(11, 2, time.hour().unsigned_abs().into());
    put(14, 2, time.minute().unsigned_abs().into());
    put(17, 2, time.second().unsigned_abs().into());
    put(20, 3, time.millisecond().unsigned_abs());
    Written(bytes)
}

/// The same as a text of its own.
pub fn rfc3339(at: Timestamp) -> String {
    written(at).as_str().to_owned()
}

/// For fields that are times.
pub fn as_time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(written(*at).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_shown_in_utc_with_milliseconds() {
        let shown = |millis| rfc3339(Timestamp::from_millis(millis));
        assert_eq!(shown(1_767_225_600_005), "2026-01-01T00:00:00.005Z");
        assert_eq!(shown(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(shown(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!((shown(i64::MIN), shown(i64::MAX)), (shown(0), "9999-12-30T22:00:00.999Z".to_owned()));
    }

    proptest! {
        #[test]
        fn a_time_is_what_the_library_s_printer_makes_of_it(millis in 0..=jiff::Timestamp::MAX.as_millisecond()) {
            let printed = format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap());
            prop_assert_eq!(rfc3339(Timestamp::from_millis(millis)), printed);
        }
    }
}
