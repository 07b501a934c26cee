//! Which shard has which bucket, as the shards themselves say.
//!
//! What holds: a bucket is at one place, the one with the highest epoch that serves it. Every group checks its buckets
//! in its own transaction, and every read looks behind itself, so a stale copy of this map costs one more look and never
//! a row in the wrong place or an old one.
//!
//! Where to read next: `router.rs` for how the map is kept, `moves` for who changes it.

use doos_domain::ids::{BUCKET_COUNT, Bucket};
use std::collections::{BTreeSet, HashMap};

use crate::error::Error;

/// The states of a bucket on a shard, as `t_bucket` stores them.
pub(crate) const OPEN: u8 = 0;
/// It has gone to another shard.
pub(crate) const MOVED: u8 = 1;
/// Being copied to here.
pub(crate) const COMING: u8 = 2;
/// Open, and copied to another shard: what is written here is noted.
pub(crate) const LEAVING: u8 = 3;
/// Read here, and written nowhere: the switch is under way.
pub(crate) const CLOSED: u8 = 4;
/// Complete here; it is open as soon as the shard before it says `MOVED`.
pub(crate) const READY: u8 = 5;

/// In these a shard's rows are the ones that count.
pub(crate) const fn is_served(state: u8) -> bool {
    matches!(state, OPEN | LEAVING | CLOSED)
}

pub(crate) const fn takes_writes(state: u8) -> bool {
    matches!(state, OPEN | LEAVING)
}

/// Bucket, epoch, state.
pub(crate) type BucketRow = (u16, u64, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub shard: usize,
    pub epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topology {
    places: Vec<Option<Place>>,
    /// For each shard the buckets of which it may have rows that do not count.
    foreign: Vec<BTreeSet<u16>>,
    /// Ready at their new shard, and given up by the old one: whoever sees that opens them.
    pub to_open: Vec<(u16, Place)>,
    /// Shards with buckets that are closed for a switch.
    pub closed: BTreeSet<usize>,
}

impl Topology {
    /// From every shard's rows. Shards are not read at one instant, so a bucket may be served by two for a moment: the
    /// higher epoch is the later one.
    pub fn read(rows_by_shard: &[Vec<BucketRow>]) -> Result<Self, Error> {
        let mut topology = Self {
            places: vec![None; usize::from(BUCKET_COUNT)],
            foreign: vec![BTreeSet::new(); rows_by_shard.len()],
            to_open: Vec::new(),
            closed: BTreeSet::new(),
        };
        let mut given_up: HashMap<u16, u64> = HashMap::new();
        for (shard, rows) in rows_by_shard.iter().enumerate() {
            for (bucket, epoch, state) in rows.iter().copied() {
                if bucket >= BUCKET_COUNT {
                    return Err(Error::Topology { bucket, what: "beyond the last bucket" });
                }
                if is_served(state) {
                    topology.serve(bucket, Place { shard, epoch })?;
                } else {
                    topology.foreign[shard].insert(bucket);
                }
                if state == CLOSED {
                    topology.closed.insert(shard);
                }
                if state == MOVED {
                    let last = given_up.entry(bucket).or_default();
                    *last = epoch.max(*last);
                }
            }
        }
        for (shard, rows) in rows_by_shard.iter().enumerate() {
            for (bucket, epoch, _) in rows.iter().copied().filter(|(_, _, state)| *state == READY) {
                let is_next = given_up.get(&bucket).is_some_and(|last| last + 1 == epoch);
                if is_next && topology.places[usize::from(bucket)].is_none_or(|place| place.epoch < epoch) {
                    topology.to_open.push((bucket, Place { shard, epoch }));
                }
            }
        }
        Ok(topology)
    }

    fn serve(&mut self, bucket: u16, place: Place) -> Result<(), Error> {
        let known = &mut self.places[usize::from(bucket)];
        match known {
            Some(other) if other.epoch == place.epoch => Err(Error::Topology { bucket, what: "open on two shards" }),
            Some(other) if other.epoch > place.epoch => Ok(()),
            known => {
                *known = Some(place);
                Ok(())
            }
        }
    }

    /// Refuses a map with a bucket that nobody serves.
    pub fn whole(self) -> Result<Self, Error> {
        match (0..).zip(&self.places).find(|(_, place)| place.is_none()) {
            Some((bucket, _)) => Err(Error::Topology { bucket, what: "open on no shard" }),
            None => Ok(self),
        }
    }

    pub fn place(&self, bucket: Bucket) -> Option<Place> {
        self.places[usize::from(bucket.get())]
    }

    /// Every bucket with its place.
    pub fn places(&self) -> impl Iterator<Item = (u16, Option<Place>)> + '_ {
        (0..).zip(self.places.iter().copied())
    }

    /// The condition that leaves out rows of buckets that a shard does not serve.
    pub fn without_foreign(&self, shard: usize) -> String {
        let foreign = &self.foreign[shard];
        if foreign.is_empty() {
            return String::new();
        }
        format!(" AND bucket NOT IN ({})", crate::dialect::list(foreign.iter().map(|bucket| u64::from(*bucket))))
    }

    /// Whether a shard's rows, read just before these, are still what this map says of it.
    pub fn agrees(&self, shard: usize, rows: &[BucketRow]) -> bool {
        let mut own = self.places.iter().filter(|place| place.is_some_and(|place| place.shard == shard)).count();
        for (bucket, epoch, state) in rows.iter().copied() {
            let is_ours = self.places[usize::from(bucket)] == Some(Place { shard, epoch });
            match (is_served(state), is_ours) {
                (true, true) => own -= 1,
                (false, false) if self.foreign[shard].contains(&bucket) => {}
                _ => return false,
            }
        }
        own == 0
    }
}

/// The buckets that a shard gets when the cluster is made.
pub(crate) fn first_buckets(shard: usize, shard_count: usize) -> impl Iterator<Item = u16> {
    (0..BUCKET_COUNT).filter(move |bucket| usize::from(*bucket) % shard_count == shard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use doos_domain::ids::UserId;

    fn rows(shard: usize, count: usize) -> Vec<BucketRow> {
        first_buckets(shard, count).map(|bucket| (bucket, 1, OPEN)).collect()
    }

    fn bucket(number: u16) -> Bucket {
        UserId::new(u64::from(number) + 1_024).unwrap().bucket()
    }

    fn shard_of(topology: &Topology, number: u16) -> Option<usize> {
        topology.place(bucket(number)).map(|place| place.shard)
    }

    #[test]
    fn at_first_even_users_are_on_shard_0_and_odd_ones_on_shard_1() {
        let topology = Topology::read(&[rows(0, 2), rows(1, 2)]).and_then(Topology::whole).unwrap();
        for number in 1..3_000 {
            let user = UserId::new(number).unwrap();
            assert_eq!(topology.place(user.bucket()).unwrap().shard as u64, number % 2);
        }
        assert!(topology.agrees(0, &rows(0, 2)) && !topology.agrees(1, &rows(0, 2)));
        assert_eq!(topology.without_foreign(0), "");
    }

    /// Bucket 6 from shard 0 to shard 1, in the states it goes through: source, target, whom the map names, and whether
    /// whoever reads it has to open the target.
    #[test]
    fn a_bucket_is_served_at_every_step_of_its_move() {
        for (source, target, place, opens) in [
            (OPEN, None, Some(0), false),
            (OPEN, Some(COMING), Some(0), false),
            (LEAVING, Some(COMING), Some(0), false),
            (CLOSED, Some(COMING), Some(0), false),
            (CLOSED, Some(READY), Some(0), false),
            (LEAVING, Some(READY), Some(0), false),
            (MOVED, Some(READY), None, true),
            (MOVED, Some(OPEN), Some(1), false),
            // The source was read before the switch, the target behind it.
            (CLOSED, Some(OPEN), Some(1), false),
        ] {
            let (mut from, mut to) = (rows(0, 2), rows(1, 2));
            from[3].2 = source;
            to.extend(target.map(|state| (6, 2, state)));
            let topology = Topology::read(&[from.clone(), to.clone()]).unwrap();
            assert_eq!(shard_of(&topology, 6), place, "{source} {target:?}");
            let expected: Vec<_> = opens.then_some((6, Place { shard: 1, epoch: 2 })).into_iter().collect();
            assert_eq!(topology.to_open, expected, "{source} {target:?}");
            let is_settled = place == Some(0) || source == MOVED;
            assert_eq!(topology.agrees(0, &from), is_settled, "{source} {target:?}");
        }
    }

    #[test]
    fn a_copy_that_came_after_the_map_was_read_is_noticed() {
        let topology = Topology::read(&[rows(0, 2), rows(1, 2)]).unwrap();
        let mut with_copy = rows(1, 2);
        with_copy.push((6, 2, COMING));
        assert!(!topology.agrees(1, &with_copy));
        let fresh = Topology::read(&[rows(0, 2), with_copy.clone()]).unwrap();
        assert!(fresh.agrees(1, &with_copy));
        assert_eq!(fresh.without_foreign(1), " AND bucket NOT IN (6)");
    }

    #[test]
    fn one_epoch_on_two_shards_and_none_at_all_are_refused() {
        let mut twice = rows(1, 2);
        twice.push((6, 1, OPEN));
        let broken = Topology::read(&[rows(0, 2), twice]);
        assert!(matches!(broken, Err(Error::Topology { bucket: 6, what: "open on two shards" })), "{broken:?}");
        let mut without = rows(0, 2);
        without.retain(|(bucket, ..)| *bucket != 6);
        let broken = Topology::read(&[without, rows(1, 2)]).and_then(Topology::whole);
        assert!(matches!(broken, Err(Error::Topology { bucket: 6, what: "open on no shard" })), "{broken:?}");
    }

    #[test]
    fn an_earlier_move_does_not_open_a_later_one() {
        // 6 went from 0 to 1 and is now going on to 2; shard 1 has not given it up.
        let (mut zero, mut one) = (rows(0, 2), rows(1, 2));
        zero[3].2 = MOVED;
        one.push((6, 2, CLOSED));
        let topology = Topology::read(&[zero, one, vec![(6, 3, READY)]]).unwrap();
        assert_eq!((shard_of(&topology, 6), topology.to_open.len()), (Some(1), 0));
    }
}
