//! Token buckets: one for everybody together, one for each caller, one for each address that comes without a token.
//!
//! What holds: an empty bucket refuses at once and says when to come back; a rate of zero is no bucket at all. Full
//! buckets are forgotten by [`Limits::sweep`], so the keyed state does not grow with the number of callers ever seen.
//! Where several gateways share limits, who passes here is counted there too; everybody together is this process's own
//! affair, since that bucket protects the process.

use arc_swap::ArcSwap;
use axum::http::{HeaderName, HeaderValue};
use doos_app::Principal;
use doos_ports::rate_limits::Rate;
use governor::clock::{Clock as _, DefaultClock, Reference};
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::options::Options;
use crate::problem::{Problem, Result};
use crate::shared_limits::SharedBuckets;

pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type Keyed<K> =
    RateLimiter<K, governor::state::keyed::DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;
type Direct = RateLimiter<NotKeyed, InMemoryState, DefaultClock, NoOpMiddleware>;

pub struct Limits {
    clock: DefaultClock,
    buckets: ArcSwap<Buckets>,
    shared: Option<SharedBuckets>,
}

/// The buckets of one set of rates.
struct Buckets {
    rates: [u32; 6],
    global: Option<Direct>,
    principals: Option<Keyed<String>>,
    addresses: Option<Keyed<IpAddr>>,
    principal_rate: Rate,
    address_rate: Rate,
}

impl Buckets {
    fn new(options: &Options) -> Self {
        let global = quota(options.global_rate_per_s, options.global_burst);
        let principals = quota(options.principal_rate_per_s, options.principal_burst);
        let addresses = quota(options.address_rate_per_s, options.address_burst);
        Self {
            rates: rates(options),
            global: global.map(RateLimiter::direct),
            principals: principals.map(|quota| RateLimiter::keyed(quota).with_middleware()),
            addresses: addresses.map(|quota| RateLimiter::keyed(quota).with_middleware()),
            principal_rate: rate(options.principal_rate_per_s, options.principal_burst),
            address_rate: rate(options.address_rate_per_s, options.address_burst),
        }
    }
}

const fn rates(options: &Options) -> [u32; 6] {
    [
        options.global_rate_per_s,
        options.global_burst,
        options.principal_rate_per_s,
        options.principal_burst,
        options.address_rate_per_s,
        options.address_burst,
    ]
}

impl Limits {
    pub fn new(options: &Options, shared: Option<SharedBuckets>) -> Self {
        let buckets = ArcSwap::from_pointee(Buckets::new(options));
        Self { clock: DefaultClock::default(), buckets, shared }
    }

    /// Other rates from now on. The same ones change nothing, so that nobody's bucket is filled by the way.
    pub fn set(&self, options: &Options) {
        if self.buckets.load().rates != rates(options) {
            self.buckets.store(Arc::new(Buckets::new(options)));
        }
    }

    pub fn admit_any(&self) -> Result<()> {
        let buckets = self.buckets.load();
        let Some(global) = &buckets.global else { return Ok(()) };
        global.check().map_err(|until| self.refusal("global", &until))
    }

    /// Returns how many calls the bucket still holds, where there is one.
    pub fn admit_principal(&self, principal: &Principal) -> Result<Option<u32>> {
        let buckets = self.buckets.load();
        let Some(principals) = &buckets.principals else { return Ok(None) };
        let left = principals.check_key(&bucket_of(principal));
        left.map(|state| Some(state.remaining_burst_capacity())).map_err(|until| self.refusal("principal", &until))
    }

    /// The same over all gateways, for a caller that this one has let in.
    pub async fn admit_principal_everywhere(&self, principal: &Principal) -> Result<()> {
        let rate = self.buckets.load().principal_rate;
        let Some(shared) = self.shared.as_ref().filter(|_| rate.per_second > 0) else { return Ok(()) };
        let taken = shared.take(&format!("principal:{}", bucket_of(principal)), rate).await;
        taken.map_err(|wait| refused_for("principal", wait, rate))
    }

    pub async fn admit_address(&self, address: IpAddr) -> Result<()> {
        let network = network_of(address);
        let rate = {
            let buckets = self.buckets.load();
            let Some(addresses) = &buckets.addresses else { return Ok(()) };
            addresses.check_key(&network).map_err(|until| self.refusal("address", &until))?;
            buckets.address_rate
        };
        let Some(shared) = &self.shared else { return Ok(()) };
        let taken = shared.take(&format!("address:{network}"), rate).await;
        taken.map_err(|wait| refused_for("address", wait, rate))
    }

    /// Forgets the buckets that are full again.
    pub fn sweep(&self) {
        let buckets = self.buckets.load();
        if let Some(principals) = &buckets.principals {
            principals.retain_recent();
            principals.shrink_to_fit();
        }
        if let Some(addresses) = &buckets.addresses {
            addresses.retain_recent();
            addresses.shrink_to_fit();
        }
    }

    fn refusal<P: Reference>(&self, bucket: &str, until: &NotUntil<P>) -> Problem
    where
        DefaultClock: governor::clock::Clock<Instant = P>,
    {
        let wait = until.wait_time_from(self.clock.now());
        let quota = until.quota();
        told(bucket, wait, quota.burst_size().get(), quota.burst_size_replenished_in().as_secs())
    }
}

fn refused_for(bucket: &str, wait: Duration, rate: Rate) -> Problem {
    told(bucket, wait, rate.burst, u64::from(rate.burst / rate.per_second.max(1)))
}

fn told(bucket: &str, wait: Duration, burst: u32, window_s: u64) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let rate = format!("\"{bucket}\";r=0;t={seconds}");
    let policy = format!("\"{bucket}\";q={burst};w={}", window_s.max(1));
    let mut problem = Problem::new("rate_limited", "too many requests; come back a little later");
    for (name, value) in [(RATE_LIMIT, rate), (RATE_LIMIT_POLICY, policy)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            problem = problem.header(name, value);
        }
    }
    problem.retry_after(seconds)
}

fn rate(rate_per_s: u32, burst: u32) -> Rate {
    Rate { per_second: rate_per_s, burst: if burst == 0 { rate_per_s } else { burst } }
}

fn quota(rate_per_s: u32, burst: u32) -> Option<Quota> {
    let rate = NonZeroU32::new(rate_per_s)?;
    Some(Quota::per_second(rate).allow_burst(NonZeroU32::new(burst).unwrap_or(rate)))
}

fn bucket_of(principal: &Principal) -> String {
    match principal {
        Principal::Customer(user) => format!("customer:{user}"),
        other => other.scope(),
    }
}

/// Whoever has one IPv6 address has the 2^64 of its network.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    fn limits() -> Limits {
        // One token a second and no test takes a second: the burst alone counts.
        let options = Options {
            global_rate_per_s: 1,
            global_burst: 3,
            principal_rate_per_s: 1,
            principal_burst: 2,
            address_rate_per_s: 1,
            address_burst: 1,
            ..Options::default()
        };
        Limits::new(&options, None)
    }

    #[test]
    fn each_caller_has_a_bucket_of_its_own() {
        let limits = limits();
        let (amy, bob) = (Principal::Operator("amy".to_owned()), Principal::Operator("bob".to_owned()));
        assert_eq!(limits.admit_principal(&amy).unwrap(), Some(1));
        assert_eq!(limits.admit_principal(&amy).unwrap(), Some(0));
        let refused = limits.admit_principal(&amy).unwrap_err();
        assert_eq!((refused.code, refused.retry_after_s), ("rate_limited", Some(1)));
        assert!(limits.admit_principal(&bob).is_ok());
    }

    #[test]
    fn addresses_of_one_network_share_a_bucket() {
        let limits = limits();
        assert!(block_on(limits.admit_address("2001:db8::1".parse().unwrap())).is_ok());
        assert!(block_on(limits.admit_address("2001:db8::ffff:1".parse().unwrap())).is_err());
        assert!(block_on(limits.admit_address("2001:db8:0:1::1".parse().unwrap())).is_ok());
    }

    #[test]
    fn the_global_bucket_ends_and_a_sweep_keeps_what_is_in_use() {
        let limits = limits();
        assert_eq!((0..9).filter(|_| limits.admit_any().is_ok()).count(), 3);
        let amy = Principal::Operator("amy".to_owned());
        let taken = (0..2).all(|_| limits.admit_principal(&amy).is_ok());
        limits.sweep();
        assert!(taken && limits.admit_principal(&amy).is_err());
    }

    #[test]
    fn other_rates_hold_at_once_and_the_same_ones_fill_nobody_s_bucket() {
        let limits = limits();
        let amy = Principal::Operator("amy".to_owned());
        let options = Options { principal_rate_per_s: 1, principal_burst: 2, ..Options::default() };
        limits.set(&options);
        assert!((0..2).all(|_| limits.admit_principal(&amy).is_ok()) && limits.admit_principal(&amy).is_err());
        limits.set(&options);
        assert!(limits.admit_principal(&amy).is_err());
        limits.set(&Options::default());
        assert!((0..9).all(|_| limits.admit_principal(&amy).is_ok()));
    }

    #[test]
    fn a_rate_of_zero_never_bites() {
        let limits = Limits::new(&Options::default(), None);
        assert!((0..10_000).all(|_| limits.admit_any().is_ok()
            && limits.admit_principal(&Principal::Demo).is_ok()
            && block_on(limits.admit_address("1.1.1.1".parse().unwrap())).is_ok()));
    }
}
