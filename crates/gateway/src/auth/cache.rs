//! Verified tokens, so that a busy client's signature is checked once and not with every request.
//!
//! What holds: an entry counts until its token expires; the cache never has more than its limit. It is two
//! generations: what is used moves to the young one, and when that is full the old one, used least, goes as a whole.
//!
//! What must never happen: a refused token in here; callers could fill it at will.

use doos_domain::time::Timestamp;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use super::token::Bearer;

/// So that requests on different cores seldom meet.
const SHARDS: usize = 16;

pub struct TokenCache {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    generation_len_max: usize,
}

#[derive(Default)]
struct Shard {
    young: HashMap<Box<str>, Bearer>,
    old: HashMap<Box<str>, Bearer>,
    /// Tokens of ended sessions, by when they would have expired.
    revoked: HashMap<Box<str>, Timestamp>,
}

impl TokenCache {
    pub fn new(len_max: usize) -> Self {
        let generation_len_max = (len_max / 2 / SHARDS).max(1);
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new(), generation_len_max }
    }

    pub fn find(&self, token: &str, now: Timestamp) -> Option<Bearer> {
        let mut shard = self.shard(token);
        let known = match shard.young.get(token) {
            Some(bearer) => bearer.clone(),
            None => {
                let (key, bearer) = shard.old.remove_entry(token)?;
                shard.store(key, bearer.clone(), self.generation_len_max);
                bearer
            }
        };
        if now >= known.expires_at {
            shard.young.remove(token);
            return None;
        }
        Some(known)
    }

    /// Makes the token nobody's until it expires. Kept in memory, so it ends with the process.
    pub fn revoke(&self, token: &str, expires_at: Timestamp) {
        let mut shard = self.shard(token);
        shard.young.remove(token);
        shard.old.remove(token);
        if shard.revoked.len() >= self.generation_len_max {
            shard.forget_revoked();
        }
        shard.revoked.insert(token.into(), expires_at);
    }

    pub fn is_revoked(&self, token: &str) -> bool {
        self.shard(token).revoked.contains_key(token)
    }

    pub fn store(&self, token: &str, bearer: Bearer) {
        self.shard(token).store(token.into(), bearer, self.generation_len_max);
    }

    fn shard(&self, token: &str) -> std::sync::MutexGuard<'_, Shard> {
        let place = self.hasher.hash_one(token) as usize % SHARDS;
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap();
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(count).sum()
    }
}

impl Shard {
    /// Room for one more: the one that would expire first is the least loss.
    fn forget_revoked(&mut self) {
        let first = self.revoked.iter().min_by_key(|(_, expires_at)| **expires_at).map(|(token, _)| token.clone());
        if let Some(first) = first {
            self.revoked.remove(&first);
        }
    }

    fn store(&mut self, token: Box<str>, bearer: Bearer, len_max: usize) {
        if self.young.len() >= len_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, bearer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doos_app::Principal;

    fn bearer(expires_ms: i64) -> Bearer {
        Bearer { principal: Principal::Demo, expires_at: Timestamp::from_millis(expires_ms) }
    }

    #[test]
    fn an_entry_counts_until_its_token_expires() {
        let cache = TokenCache::new(100);
        cache.store("a", bearer(10));
        assert!(cache.find("a", Timestamp::from_millis(9)).is_some());
        assert!(cache.find("a", Timestamp::from_millis(10)).is_none());
        assert!(cache.find("b", Timestamp::from_millis(0)).is_none());
    }

    #[test]
    fn a_revoked_token_is_known_as_such_within_the_limit() {
        let cache = TokenCache::new(320);
        cache.store("a", bearer(10));
        cache.revoke("a", Timestamp::from_millis(10));
        assert!(cache.is_revoked("a") && cache.find("a", Timestamp::from_millis(0)).is_none());
        assert!(!cache.is_revoked("b"));
        for number in 0..10_000 {
            cache.revoke(&number.to_string(), Timestamp::from_millis(number));
            assert!(cache.is_revoked(&number.to_string()));
        }
        let kept: usize = cache.shards.iter().map(|shard| shard.lock().unwrap().revoked.len()).sum();
        assert!(kept <= 320, "{kept}");
    }

    #[test]
    fn it_stays_within_its_limit_and_keeps_what_is_used() {
        let cache = TokenCache::new(320);
        cache.store("kept", bearer(1));
        for number in 0..10_000 {
            cache.store(&number.to_string(), bearer(1));
            assert!(cache.find("kept", Timestamp::default()).is_some(), "lost after {number}");
        }
        assert!(cache.len() <= 320, "{}", cache.len());
    }
}
