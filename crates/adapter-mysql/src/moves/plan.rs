//! Which buckets move. Pure: the owners in, moves out.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{BucketMove, MoveStep};

/// Buckets of one move: they are copied in one walk, and closed together.
const BUCKETS_MAX: usize = 64;

/// What is to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// These, wherever they are.
    Buckets(Vec<u16>),
    /// So many, from the fullest shards.
    Count(usize),
    /// As many as make the target as full as the others.
    Balance,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub to: usize,
    pub which: Which,
}

/// The moves that an ask comes to, none larger than a walk should be. `owners`: the shard of each bucket.
pub(super) fn moves(owners: &[usize], shards: usize, ask: &Ask, at_ms: i64) -> Result<Vec<BucketMove>, String> {
    if ask.to >= shards {
        return Err(format!("there is no shard {}: the configuration has shards 0 to {}", ask.to, shards - 1));
    }
    let chosen = match &ask.which {
        Which::Buckets(buckets) => named(owners, ask.to, buckets)?,
        Which::Count(count) => fullest_first(owners, shards, ask.to, *count)?,
        Which::Balance => {
            let have = owners.iter().filter(|owner| **owner == ask.to).count();
            fullest_first(owners, shards, ask.to, (owners.len() / shards).saturating_sub(have))?
        }
    };
    let mut by_source: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
    for bucket in chosen {
        by_source.entry(owners[usize::from(bucket)]).or_default().push(bucket);
    }
    let mut moves = Vec::new();
    for (source, buckets) in by_source {
        for buckets in buckets.chunks(BUCKETS_MAX) {
            moves.push(BucketMove {
                id: format!("{at_ms}-{source}-{}-{:03}", ask.to, moves.len()),
                source,
                target: ask.to,
                buckets: buckets.to_vec(),
                step: MoveStep::Planned,
                walk: 0,
                after: Vec::new(),
                rows_copied: 0,
                rows_verified: 0,
                closed_ms: None,
            });
        }
    }
    Ok(moves)
}

/// Those that are already there need not move.
fn named(owners: &[usize], to: usize, buckets: &[u16]) -> Result<BTreeSet<u16>, String> {
    if let Some(beyond) = buckets.iter().find(|bucket| usize::from(**bucket) >= owners.len()) {
        return Err(format!("there is no bucket {beyond}: buckets are 0 to {}", owners.len() - 1));
    }
    Ok(buckets.iter().copied().filter(|bucket| owners[usize::from(*bucket)] != to).collect())
}

fn fullest_first(owners: &[usize], shards: usize, to: usize, count: usize) -> Result<BTreeSet<u16>, String> {
    let mut of_shard: Vec<Vec<u16>> = vec![Vec::new(); shards];
    for (bucket, owner) in (0..).zip(owners) {
        of_shard[*owner].push(bucket);
    }
    let mut chosen = BTreeSet::new();
    for _ in 0..count {
        let fullest =
            (0..shards).filter(|shard| *shard != to).max_by_key(|shard| (of_shard[*shard].len(), usize::MAX - shard));
        let bucket = fullest.and_then(|shard| of_shard[shard].pop());
        chosen.insert(bucket.ok_or_else(|| format!("the other shards have only {} buckets", chosen.len()))?);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,024 buckets on two shards, as a cluster begins.
    fn owners() -> Vec<usize> {
        (0..1_024).map(|bucket| bucket % 2).collect()
    }

    fn count(moves: &[BucketMove], source: usize) -> usize {
        moves.iter().filter(|moving| moving.source == source).map(|moving| moving.buckets.len()).sum()
    }

    #[test]
    fn balancing_takes_evenly_from_the_others_in_walks_of_bounded_size() {
        let moves = moves(&owners(), 3, &Ask { to: 2, which: Which::Balance }, 7).unwrap();
        assert_eq!((count(&moves, 0), count(&moves, 1)), (171, 170));
        assert!(moves.iter().all(|moving| moving.buckets.len() <= BUCKETS_MAX && moving.target == 2));
        let ids: BTreeSet<&str> = moves.iter().map(|moving| moving.id.as_str()).collect();
        assert_eq!(ids.len(), moves.len());
        let mut after = owners();
        for bucket in moves.iter().flat_map(|moving| &moving.buckets) {
            after[usize::from(*bucket)] = 2;
        }
        let again = super::moves(&after, 3, &Ask { to: 2, which: Which::Balance }, 8).unwrap();
        assert!(again.is_empty(), "{again:?}");
    }

    #[test]
    fn named_buckets_come_from_wherever_they_are() {
        let ask = Ask { to: 0, which: Which::Buckets(vec![4, 5, 6, 7, 7]) };
        let moves = moves(&owners(), 2, &ask, 7).unwrap();
        assert_eq!(moves.len(), 1);
        assert_eq!((moves[0].source, &moves[0].buckets), (1, &vec![5, 7]));
    }

    #[test]
    fn what_is_not_there_is_refused_by_its_name() {
        let refused = |to, which| moves(&owners(), 2, &Ask { to, which }, 7).unwrap_err();
        assert!(refused(2, Which::Balance).contains("no shard 2"));
        assert!(refused(0, Which::Buckets(vec![1_024])).contains("no bucket 1024"));
        assert!(refused(0, Which::Count(513)).contains("only 512"));
    }
}
