//! A lock between processes: `SET NX PX` with a random token, given back by a script that compares it, and a fence.
//!
//! What holds: several names are taken by one script, all or none, so nobody waits in a circle. The fence is higher than
//! any before it: it is the server's time in microseconds, or one more than the last. Whoever finds a name taken comes
//! again after a few milliseconds, with jitter.
//!
//! What must never happen: trust. Redis may forget a lock on failover and let two in; the fence is what keeps the second
//! one's word above the first one's.

use async_trait::async_trait;
use doos_ports::fenced_lock::{FencedLock, Held};
use doos_ports::{Error, Result};
use redis::Script;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::link::Link;

const ENGINE: &str = "the redis lock";

/// KEYS: the fence, then a key a name. ARGV: token, how long in ms.
const TAKE: &str = "
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 and redis.call('GET', KEYS[i]) ~= ARGV[1] then
    return '0'
  end
end
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2])
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local fence = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', fence))
return string.format('%.0f', fence)
";

/// KEYS: a key a name. ARGV: token.
const GIVE_BACK: &str = "
for i = 1, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[1] then
    redis.call('DEL', KEYS[i])
  end
end
return 'ok'
";

#[derive(Clone, Debug)]
pub struct LockOptions {
    /// After so long a lock goes by itself; longer than what is done under it, shorter than anybody's patience.
    pub lease: Duration,
    /// Whoever has not got it by then is refused as busy.
    pub wait_max: Duration,
    /// Pause between two looks: from the first to twice the last, with jitter.
    pub pause_min: Duration,
    pub pause_max: Duration,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(5),
            wait_max: Duration::from_secs(2),
            pause_min: Duration::from_millis(1),
            pause_max: Duration::from_millis(20),
        }
    }
}

pub struct RedisLock {
    link: Arc<Link>,
    options: LockOptions,
    take: Script,
    give_back: Script,
    taken: AtomicU64,
}

impl RedisLock {
    pub fn new(link: Arc<Link>, options: LockOptions) -> Self {
        let (take, give_back) = (Script::new(TAKE), Script::new(GIVE_BACK));
        Self { link, options, take, give_back, taken: AtomicU64::new(0) }
    }

    fn keys<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = String> + 'a {
        names.iter().map(|name| self.link.key("lock", &format!("of:{name}")))
    }

    /// Random, and other than every one that this process has made.
    fn token(&self) -> String {
        let clock = self.link.clock();
        let count = self.taken.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{:x}-{count:x}", clock.random(), clock.now().as_millis())
    }

    fn pause(&self, tries: u32) -> Duration {
        let longest = self.options.pause_min.saturating_mul(1 << tries.min(10)).min(self.options.pause_max);
        longest.mul_f64(0.5 + (self.link.clock().random() % 1_024) as f64 / 1_024.0)
    }
}

#[async_trait]
impl FencedLock for RedisLock {
    async fn take(&self, names: &[String]) -> Result<Held> {
        let token = self.token();
        let keys: Vec<String> = std::iter::once(self.link.key("lock", "fence")).chain(self.keys(names)).collect();
        let args = [token.clone(), self.options.lease.as_millis().to_string()];
        let until = self.link.clock().monotonic() + self.options.wait_max;
        for tries in 0.. {
            // A taking whose reply was lost goes with its lease.
            let said = self.link.script(&self.take, &keys, &args).await;
            let said: String = said.map_err(|failure| failure.undone(ENGINE))?;
            match said.parse() {
                Ok(0) if self.link.clock().monotonic() >= until => return Err(Error::Busy { engine: ENGINE }),
                Ok(0) => self.link.clock().sleep(self.pause(tries)).await,
                Ok(fence) => return Ok(Held { names: names.to_vec(), token, fence }),
                Err(_) => return Err(Error::Broken { engine: ENGINE, cause: format!("`{said}` is no fence") }),
            }
        }
        unreachable!("tries end with the wait")
    }

    async fn give_back(&self, held: Held) -> Result<()> {
        let keys: Vec<String> = self.keys(&held.names).collect();
        self.link.script(&self.give_back, &keys, &[held.token]).await.map_err(|failure| failure.undone(ENGINE))
    }
}
