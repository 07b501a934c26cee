//! The second level of the cache in Redis: a hash for each entry, of version, bytes and the time it was put.
//!
//! What holds: an entry that was outdated leaves its version behind for a while, without bytes, so that a reader who
//! loaded before the change cannot put the old bytes back after it. With Redis away there is simply nothing in the cache.
//!
//! What must never happen: an error that a reader has to handle.

use async_trait::async_trait;
use doos_ports::cache::{Cached, Looked, REMEMBERED_MS, SharedCache};
use futures::future::join_all;
use redis::Script;
use std::sync::Arc;
use std::time::Duration;

use crate::link::Link;

/// Entries outdated by one script, or in a cluster, where each may be elsewhere, by scripts sent at once.
const OUTDATED_AT_ONCE: usize = 128;

const NOW: &str = "
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
";

/// KEYS: the entry.
const GET: &str = "
local entry = redis.call('HMGET', KEYS[1], 'version', 'bytes', 'at')
return {now, entry[1], entry[2], entry[3]}
";

/// KEYS: the entry. ARGV: version, ttl in ms, bytes, when the look was, how long a look is good for in ms.
const PUT: &str = "
if now - tonumber(ARGV[4]) > tonumber(ARGV[5]) then
  return 0
end
local known = tonumber(redis.call('HGET', KEYS[1], 'version') or -1)
if known > tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'bytes', ARGV[3], 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
";

/// KEYS: entries. ARGV: how long it is remembered in ms, then for each the version before which nothing counts any more.
const OUTDATE: &str = "
for place, key in ipairs(KEYS) do
  local version = ARGV[place + 1]
  local known = tonumber(redis.call('HGET', key, 'version') or -1)
  if known < tonumber(version) then
    redis.call('DEL', key)
    redis.call('HSET', key, 'version', version)
    redis.call('PEXPIRE', key, ARGV[1])
  end
end
return 1
";

pub struct RedisCache {
    link: Arc<Link>,
    get: Script,
    put: Script,
    outdate: Script,
}

impl RedisCache {
    pub fn new(link: Arc<Link>) -> Self {
        let timed = |script: &str| Script::new(&format!("{NOW}{script}"));
        Self { link, get: timed(GET), put: timed(PUT), outdate: Script::new(OUTDATE) }
    }

    fn place(&self, kind: &str, key: &str) -> String {
        self.link.key(&format!("cache:{kind}:{key}"), "entry")
    }

    async fn outdate_some(&self, kind: &str, newer: &[(String, u64)]) -> bool {
        let mut outdate = self.outdate.prepare_invoke();
        // Twice as long as a look is good for: two clocks that take turns after a failover differ.
        outdate.arg(2 * REMEMBERED_MS);
        for (key, version) in newer {
            outdate.key(self.place(kind, key)).arg(*version);
        }
        self.link.call::<u8>(&outdate).await.is_ok()
    }
}

#[async_trait]
impl SharedCache for RedisCache {
    async fn get(&self, kind: &str, key: &str) -> Looked {
        let mut get = self.get.prepare_invoke();
        get.key(self.place(kind, key));
        match self.link.call::<(u64, Option<u64>, Option<Vec<u8>>, Option<u64>)>(&get).await {
            Ok((at_ms, Some(version), Some(bytes), Some(put_at_ms))) => {
                Looked::There { cached: Cached { version, bytes }, put_at_ms, at_ms }
            }
            Ok((at_ms, ..)) => Looked::Missing { at_ms },
            Err(failure) => {
                tracing::debug!(cause = %failure, "the shared cache could not be asked");
                Looked::Away
            }
        }
    }

    async fn put(&self, kind: &str, key: &str, cached: &Cached, looked_at_ms: u64, ttl: Duration) -> bool {
        let mut put = self.put.prepare_invoke();
        put.key(self.place(kind, key)).arg(cached.version).arg(ttl_ms(ttl)).arg(&cached.bytes);
        put.arg(looked_at_ms).arg(REMEMBERED_MS);
        self.link.call::<u8>(&put).await.is_ok_and(|put| put == 1)
    }

    async fn outdate(&self, kind: &str, newer: &[(String, u64)]) -> bool {
        let mut all = true;
        for some in newer.chunks(OUTDATED_AT_ONCE) {
            all &= match self.link.is_cluster() {
                true => join_all(some.chunks(1).map(|one| self.outdate_some(kind, one))).await.iter().all(|done| *done),
                false => self.outdate_some(kind, some).await,
            };
        }
        all
    }
}

fn ttl_ms(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 40)
}
