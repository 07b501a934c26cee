//! How stored answers grow old: by a time of their own, made of the times that answers tell.
//!
//! What holds: this time never goes back, and from one answer to the next it goes on by what they lie apart, but never
//! by more than a bound. A clock that was far ahead for a while therefore costs each answer at most that bound of its
//! age, however many answers it stamped; and one that was set back does not stop anything from growing old. The price:
//! a stretch without any answer longer than the bound counts as the bound only, so a quiet shop keeps answers longer.
//!
//! Every so often the time is noted with the position reached. An answer's age is that of the first mark at or after
//! it, which it is filed under by its position alone; what it says itself does not matter any more.
//!
//! What must never happen: an answer forgotten because the machine's clock said so.

use rusqlite::{Connection, OptionalExtension, Result};

use super::schema::{ANSWER_NEWEST, ANSWER_TIME, meta_of, put_meta};
use crate::record::Record;

/// Marks within the time that answers are kept, at most: the last of them is how much too long one may be kept.
const MARKS: i64 = 128;

/// Which stored answers may be forgotten now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswersKept {
    pub kept_ms: i64,
    /// How much may pass from one answer to the next, at most.
    pub gap_max_ms: i64,
    /// At most so many in this transaction.
    pub count_max: usize,
}

/// The time by which answers grow old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AnswerTime {
    now_ms: i64,
    /// The highest time told, unless the clock was set back since.
    newest_ms: i64,
}

impl AnswerTime {
    fn tell(&mut self, at_ms: i64, gap_max_ms: i64) {
        let gap_ms = at_ms.saturating_sub(self.newest_ms);
        self.now_ms = self.now_ms.saturating_add(gap_ms.clamp(0, gap_max_ms));
        // Answers of one moment stand in any order; what lies further back is a clock that was set right.
        if gap_ms > 0 || gap_ms < -gap_max_ms {
            self.newest_ms = at_ms;
        }
    }
}

/// Lets time pass by the answers among the records, and forgets old ones, oldest first. Returns how many went.
pub(super) fn pass(connection: &Connection, records: &[(u64, Record<'_>)], kept: AnswersKept) -> Result<usize> {
    let before = AnswerTime {
        now_ms: meta_of(connection, ANSWER_TIME)?.cast_signed(),
        newest_ms: meta_of(connection, ANSWER_NEWEST)?.cast_signed(),
    };
    let mut time = before;
    let mut marked_ms = newest_mark(connection)?;
    for (position, record) in records {
        let Record::Answer(head, _) = record else { continue };
        time.tell(head.at_ms, kept.gap_max_ms);
        if marked_ms.is_none_or(|marked_ms| time.now_ms - marked_ms >= (kept.kept_ms / MARKS).max(1)) {
            put_mark(connection, time.now_ms, *position)?;
            marked_ms = Some(time.now_ms);
        }
    }
    if time != before {
        put_meta(connection, ANSWER_TIME, time.now_ms.cast_unsigned())?;
        put_meta(connection, ANSWER_NEWEST, time.newest_ms.cast_unsigned())?;
    }
    forget(connection, time.now_ms.saturating_sub(kept.kept_ms), kept.count_max)
}

fn newest_mark(connection: &Connection) -> Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT max(time_ms) FROM answer_marks")?;
    statement.query_row([], |row| row.get(0))
}

fn put_mark(connection: &Connection, time_ms: i64, position: u64) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO answer_marks (time_ms, position) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute((time_ms, position.cast_signed())).map(drop)
}

/// Forgets what was stored up to the newest mark before that time, and the marks before it.
fn forget(connection: &Connection, before_ms: i64, count_max: usize) -> Result<usize> {
    let sql = "SELECT time_ms, position FROM answer_marks WHERE time_ms < ?1 ORDER BY time_ms DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mark: Option<(i64, i64)> = statement.query_row([before_ms], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((time_ms, position)) = mark else { return Ok(0) };
    connection.prepare_cached("DELETE FROM answer_marks WHERE time_ms < ?1")?.execute([time_ms])?;
    let sql = "DELETE FROM answers WHERE position IN
               (SELECT position FROM answers WHERE position <= ?1 ORDER BY position LIMIT ?2)";
    let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.execute((position, count_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 24 * HOUR_MS;

    fn passed_ms(times: impl IntoIterator<Item = i64>) -> i64 {
        let mut time = AnswerTime { now_ms: 0, newest_ms: 0 };
        times.into_iter().for_each(|at_ms| time.tell(at_ms, HOUR_MS));
        time.now_ms
    }

    #[test]
    fn time_passes_as_answers_tell_whatever_order_those_of_one_moment_stand_in() {
        assert_eq!(passed_ms((0..=600).map(|minute| minute * 60_000)), 10 * HOUR_MS);
        let jittered = (0..=600_i64).map(|minute| minute * 60_000 - (minute % 3) * 70_000);
        let passed = passed_ms(jittered);
        assert!((10 * HOUR_MS - passed).abs() < 200_000, "{passed}");
    }

    #[test]
    fn a_clock_that_is_far_ahead_for_a_while_costs_one_gap() {
        let (right, ahead) =
            ((0..1_000).map(|second| second * 1_000), (0..1_000).map(|second| 9 * DAY_MS + second * 1_000));
        let right_again = (2_000..3_000).map(|second| second * 1_000);
        let passed = passed_ms(right.chain(ahead).chain(right_again));
        assert_eq!(passed, 999_000 + HOUR_MS + 999_000 + 999_000);
    }
}
