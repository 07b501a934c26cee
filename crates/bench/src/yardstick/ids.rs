//! Issues order ids as fast as the generator gives them.
//!
//! What holds: each id is issued under a clock that was read for it, and below a mark that is raised as the shop does;
//! storing the mark costs a sync every second or so and is left out.

use doos_domain::ids::{BUCKET_COUNT, EPOCH_MILLIS, Exhausted, Generator, UserId};
use doos_domain::time::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;

/// Ids between two looks at the end.
const CHUNK: u64 = 4_096;
/// Where the generator's time starts; any time after its epoch would do.
const START_MS: i64 = EPOCH_MILLIS + 1_000_000;
const LEAD_MS: i64 = 3_000;

#[derive(Clone, Copy, Debug)]
pub struct IdLoad {
    pub threads: usize,
    /// How many of the buckets are asked; all of them by default.
    pub buckets: Option<u64>,
    pub seconds: f64,
}

pub fn ids_per_s(load: IdLoad) -> f64 {
    let clock = Clock::start();
    let now = || Timestamp::from_millis(START_MS + (clock.now_ns() / 1_000_000) as i64);
    let generator = Generator::new(1, now(), now().plus_millis(LEAD_MS));
    let issued = AtomicU64::new(0);
    let buckets = load.buckets.unwrap_or_else(|| u64::from(BUCKET_COUNT)).max(1);
    if load.buckets.is_some() {
        // The second that may be borrowed is spent before: what counts is what is given for as long as one likes.
        let bucket = |user| UserId::new(user).expect("users count from one").bucket();
        for user in 1..=buckets {
            while !matches!(generator.next(bucket(user), now()), Err(Exhausted::Ahead)) {}
        }
    }
    let begun_s = clock.seconds();
    std::thread::scope(|scope| {
        for thread in 0..load.threads {
            let (generator, issued, now) = (&generator, &issued, &now);
            scope.spawn(move || {
                // Threads begin at different buckets, as different users do.
                let mut user = thread as u64 * buckets / load.threads.max(1) as u64;
                while clock.seconds() < begun_s + load.seconds {
                    let mut own = 0;
                    for _ in 0..CHUNK {
                        user = (user + 1) % buckets;
                        let bucket = UserId::new(user + 1).expect("it is not zero").bucket();
                        match generator.next(bucket, now()) {
                            Ok(id) => own += u64::from(std::hint::black_box(id).get() > 0),
                            Err(Exhausted::MarkReached) => generator.raise_mark(now().plus_millis(LEAD_MS)),
                            // A millisecond later it has more.
                            Err(Exhausted::Ahead) => std::thread::yield_now(),
                        }
                    }
                    issued.fetch_add(own, Ordering::Relaxed);
                }
            });
        }
    });
    issued.load(Ordering::Relaxed) as f64 / (clock.seconds() - begun_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bucket_gives_what_its_sequence_allows_and_all_give_more() {
        let one = ids_per_s(IdLoad { threads: 1, buckets: Some(1), seconds: 0.2 });
        // 64 a millisecond and not more; a machine that is busy with other things gives less.
        assert!(one > 1_000.0 && one < 65_000.0, "{one}");
        assert!(ids_per_s(IdLoad { threads: 2, buckets: None, seconds: 0.2 }) > one);
    }
}
