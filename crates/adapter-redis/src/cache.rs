//! The second level of the cache: bytes by key, shared by all processes, with a version and a time to live.
//!
//! What holds: a newer version replaces an older one and never the other way round, whoever comes last. An invalidation
//! leaves its version behind, so that a reader who loaded before the change cannot put the old bytes back after it. With
//! Redis away there is simply nothing in the cache.
//!
//! What must never happen: an error that a reader has to handle. The store behind the cache is always there to be asked.

use redis::Script;
use std::sync::Arc;
use std::time::Duration;

use crate::link::Link;

/// KEYS: the entry, a hash of version and, unless it was invalidated, bytes. ARGV: version, ttl in ms, bytes.
const PUT: &str = "
local known = tonumber(redis.call('HGET', KEYS[1], 'version') or -1)
if known > tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'bytes', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
";

/// ARGV: the version before which nothing counts any more, how long that is remembered in ms.
const INVALIDATE: &str = "
local known = tonumber(redis.call('HGET', KEYS[1], 'version') or -1)
if known >= tonumber(ARGV[1]) then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    pub version: u64,
    pub bytes: Vec<u8>,
}

pub struct SharedCache {
    link: Arc<Link>,
    put: Script,
    invalidate: Script,
    /// So long a reader may take from the store to the cache.
    remembered: Duration,
}

impl SharedCache {
    pub fn new(link: Arc<Link>) -> Self {
        let (put, invalidate) = (Script::new(PUT), Script::new(INVALIDATE));
        Self { link, put, invalidate, remembered: Duration::from_secs(60) }
    }

    /// `kind` keeps the caches of one process apart: orders, products.
    fn place(&self, kind: &str, key: &str) -> String {
        self.link.key(&format!("cache:{kind}:{key}"), "entry")
    }

    pub async fn get(&self, kind: &str, key: &str) -> Option<Cached> {
        let mut get = redis::cmd("HMGET");
        get.arg(self.place(kind, key)).arg("version").arg("bytes");
        match self.link.command::<(Option<u64>, Option<Vec<u8>>)>(&get).await {
            Ok((Some(version), Some(bytes))) => Some(Cached { version, bytes }),
            Ok(_) => None,
            Err(failure) => {
                tracing::debug!(cause = %failure, "the shared cache could not be asked");
                None
            }
        }
    }

    /// Keeps the bytes for so long, unless a newer version is there or has been invalidated. Returns whether it did.
    pub async fn put(&self, kind: &str, key: &str, cached: &Cached, ttl: Duration) -> bool {
        let mut put = self.put.prepare_invoke();
        put.key(self.place(kind, key)).arg(cached.version).arg(ttl_ms(ttl)).arg(&cached.bytes);
        self.link.call::<u8>(&put).await.is_ok_and(|put| put == 1)
    }

    /// Forgets everything older than this version. Returns whether Redis has heard of it; if not, what is there stays
    /// until its time to live ends.
    pub async fn invalidate(&self, kind: &str, key: &str, version: u64) -> bool {
        let mut invalidate = self.invalidate.prepare_invoke();
        invalidate.key(self.place(kind, key)).arg(version).arg(ttl_ms(self.remembered));
        self.link.call::<u8>(&invalidate).await.is_ok()
    }
}

fn ttl_ms(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 40)
}
