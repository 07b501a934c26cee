//! How many orders and changes there were in each of the last seconds, as the change feed tells it.
//!
//! It is for looking at only: nothing is decided by it, and it begins with nothing at each start.

use doos_domain::time::Timestamp;
use doos_ports::bus::Position;
use doos_ports::change_feed::Changed;
use std::sync::{Mutex, PoisonError};

const SECONDS_KEPT: usize = 32;
/// Rates are means over so many whole seconds.
const WINDOW_SECONDS: i64 = 5;

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: i64,
    orders: u64,
    changes: u64,
}

#[derive(Default)]
struct Beats {
    seconds: [Second; SECONDS_KEPT],
    /// What came up to here has been counted.
    counted: Position,
}

#[derive(Default)]
pub struct Pulse {
    beats: Mutex<Beats>,
}

/// Means over the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub orders_per_s: f64,
    pub changes_per_s: f64,
}

const fn second_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1_000)
}

fn slot(number: i64) -> usize {
    usize::try_from(number.rem_euclid((SECONDS_KEPT) as i64)).unwrap_or(0)
}

impl Pulse {
    pub(crate) fn beat(&self, changes: &[Changed], now: Timestamp) {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let Beats { seconds, counted } = &mut *beats;
        for change in changes.iter().filter(|change| change.position > *counted) {
            let number = second_of(change.order.updated_at);
            if (second_of(now) - number).unsigned_abs() >= (SECONDS_KEPT) as u64 {
                continue;
            }
            let second = &mut seconds[slot(number)];
            if second.number != number {
                *second = Second { number, ..Second::default() };
            }
            second.changes += 1;
            second.orders += u64::from(change.order.version == 1);
        }
        *counted = changes.last().map_or(*counted, |last| last.position.max(*counted));
    }

    pub fn rates(&self, now: Timestamp) -> Rates {
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let end = second_of(now);
        let window = end - WINDOW_SECONDS..end;
        let counted = beats.seconds.iter().filter(|second| window.contains(&second.number));
        let (orders, changes) =
            counted.fold((0, 0), |(orders, changes), it| (orders + it.orders, changes + it.changes));
        let mean = |count: u64| count as f64 / WINDOW_SECONDS as f64;
        Rates { orders_per_s: mean(orders), changes_per_s: mean(changes) }
    }
}
