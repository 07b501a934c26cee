//! Rate limits that several gateways share: one token bucket a key, in a script.
//!
//! What holds: time is the server's, so all gateways have one clock. A bucket that is full again is forgotten. With Redis
//! away nobody is refused here and nobody waits: the caller is told so, and its own local limit is what applies.
//!
//! What must never happen: a request that fails because the limiter does.

use async_trait::async_trait;
use doos_ports::rate_limits::{Rate, SharedLimits, Taken};
use redis::Script;
use std::sync::Arc;
use std::time::Duration;

use crate::link::Link;

/// KEYS: the bucket. ARGV: tokens a second, size, how many are wanted. Answers 0, or ms until there are so many.
const TAKE: &str = "
local rate, size, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1]) or size
local at = tonumber(bucket[2]) or now
tokens = math.min(size, tokens + math.max(0, now - at) * rate / 1000000)
local wait = 0
if tokens >= wanted then
  tokens = tokens - wanted
else
  wait = math.ceil((wanted - tokens) * 1000 / rate)
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((size - tokens) * 1000 / rate) + 1000)
return wait
";

pub struct RedisLimits {
    link: Arc<Link>,
    take: Script,
}

impl RedisLimits {
    pub fn new(link: Arc<Link>) -> Self {
        Self { link, take: Script::new(TAKE) }
    }
}

#[async_trait]
impl SharedLimits for RedisLimits {
    async fn take(&self, key: &str, rate: Rate, tokens: u32) -> Taken {
        let Rate { per_second, burst } = rate;
        let bucket = [self.link.key(&format!("limit:{key}"), "bucket")];
        let args = [per_second.max(1), burst.max(1), tokens].map(|number| number.to_string());
        match self.link.script::<u64>(&self.take, &bucket, &args).await {
            Ok(0) => Taken::Granted,
            Ok(wait_ms) => Taken::Refused { retry_after: Duration::from_millis(wait_ms) },
            Err(failure) => {
                tracing::debug!(cause = %failure, "the shared limit could not be asked");
                Taken::Away
            }
        }
    }
}
