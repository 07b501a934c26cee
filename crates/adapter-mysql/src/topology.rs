//! Which shard has which bucket, as the shards themselves say.
//!
//! What holds: a bucket is open on one shard. Every group checks its buckets in its own transaction, so a stale copy of
//! this map costs one more look and never a row in the wrong place.

use doos_domain::ids::{BUCKET_COUNT, Bucket};

use crate::error::Error;

/// The state of a bucket on a shard, as `t_bucket` stores it.
pub(crate) const OPEN: u8 = 0;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topology {
    shards: Vec<u16>,
}

impl Topology {
    /// From every shard's rows of (bucket, epoch, state).
    pub fn read(rows_by_shard: &[Vec<(u16, u64, u8)>]) -> Result<Self, Error> {
        let mut shards: Vec<Option<u16>> = vec![None; usize::from(BUCKET_COUNT)];
        for (shard, rows) in (0_u16..).zip(rows_by_shard) {
            for (bucket, _, _) in rows.iter().filter(|(_, _, state)| *state == OPEN) {
                let place = shards
                    .get_mut(usize::from(*bucket))
                    .ok_or(Error::Topology { bucket: *bucket, what: "beyond the last bucket" })?;
                if place.replace(shard).is_some() {
                    return Err(Error::Topology { bucket: *bucket, what: "open on two shards" });
                }
            }
        }
        let found: Option<Vec<u16>> = shards.iter().copied().collect();
        match found {
            Some(shards) => Ok(Self { shards }),
            None => {
                let bucket = shards.iter().position(Option::is_none).unwrap_or_default();
                Err(Error::Topology { bucket: bucket as u16, what: "open on no shard" })
            }
        }
    }

    pub fn shard_of(&self, bucket: Bucket) -> usize {
        usize::from(self.shards[usize::from(bucket.get())])
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

    fn rows(shard: usize, count: usize) -> Vec<(u16, u64, u8)> {
        first_buckets(shard, count).map(|bucket| (bucket, 1, OPEN)).collect()
    }

    #[test]
    fn at_first_even_users_are_on_shard_0_and_odd_ones_on_shard_1() {
        let topology = Topology::read(&[rows(0, 2), rows(1, 2)]).unwrap();
        for number in 1..3_000 {
            let user = UserId::new(number).unwrap();
            assert_eq!(topology.shard_of(user.bucket()) as u64, number % 2);
        }
    }

    #[test]
    fn a_bucket_that_moved_is_where_it_is_open() {
        let (mut source, mut target) = (rows(0, 2), rows(1, 2));
        source[3].2 = 1;
        let bucket = source[3].0;
        let broken = Topology::read(&[source.clone(), target.clone()]);
        assert!(matches!(broken, Err(Error::Topology { what: "open on no shard", .. })), "{broken:?}");
        target.push((bucket, 2, OPEN));
        let topology = Topology::read(&[source, target.clone()]).unwrap();
        let moved = UserId::new(u64::from(bucket)).unwrap().bucket();
        assert_eq!(topology.shard_of(moved), 1);
        let twice = Topology::read(&[rows(0, 2), target]);
        assert!(matches!(twice, Err(Error::Topology { what: "open on two shards", .. })), "{twice:?}");
    }
}
