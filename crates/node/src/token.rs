//! Bearer tokens from the command line.

use anyhow::{Context, Result};
use doos_app::Principal;
use doos_domain::ids::UserId;
use doos_ports::clock::Clock;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::secrets::Secrets;

pub fn customer(user: u64) -> Result<Principal> {
    UserId::new(user).map(Principal::Customer).context("a user is a number from 1 to 9223372036854775807")
}

pub fn service(name: String) -> Result<Principal> {
    named(name).map(Principal::Service)
}

pub fn operator(name: String) -> Result<Principal> {
    named(name).map(Principal::Operator)
}

fn named(name: String) -> Result<String> {
    let fits =
        !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c));
    anyhow::ensure!(fits, "a name has 1 to 64 letters, digits and -_.@");
    Ok(name)
}

/// How long a token may last, in seconds: up to a year, for it cannot be taken back.
pub const TTL_S: RangeInclusive<u64> = 1..=365 * 24 * 3_600;

pub fn issue(config: &Config, principal: &Principal, ttl_s: u64) -> Result<String> {
    let (least, most) = (TTL_S.start(), TTL_S.end());
    anyhow::ensure!(TTL_S.contains(&ttl_s), "a token lasts {least} to {most} seconds (365 days), not {ttl_s}");
    let secrets = Secrets::of(config)?;
    let clock = SystemClock::start();
    let ttl = Duration::from_secs(ttl_s);
    Ok(doos_gateway::issue_token(&secrets.token, principal, clock.now(), ttl, clock.random())?)
}
