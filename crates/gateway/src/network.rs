//! Networks in CIDR notation, and whose address a request really comes from.
//!
//! What must never happen: a forwarded address believed because the caller wrote it. Only what a trusted proxy added is
//! read, from the right, up to the first address that is not itself a trusted proxy.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    base: IpAddr,
    prefix_bits: u8,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no network: expected an address such as 10.1.2.3 or a prefix such as 10.0.0.0/8")]
pub struct InvalidNetwork(String);

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix_bits);
                let keep = u32::MAX.checked_shl(shift).unwrap_or(0);
                u32::from(base) & keep == u32::from(address) & keep
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix_bits);
                let keep = u128::MAX.checked_shl(shift).unwrap_or(0);
                u128::from(base) & keep == u128::from(address) & keep
            }
            _ => false,
        }
    }
}

/// The client behind `peer`, given what proxies wrote into `X-Forwarded-For`.
pub fn client_address(peer: IpAddr, forwarded: Option<&str>, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    for entry in forwarded.unwrap_or_default().rsplit(',') {
        if !is_trusted(client) {
            break;
        }
        let Ok(before) = entry.trim().parse::<IpAddr>() else { break };
        client = before.to_canonical();
    }
    client
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.to_owned());
        let (base, prefix) = text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
        let base: IpAddr = base.parse().map_err(|_| invalid())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.map_or(Ok(most), |prefix| prefix.parse().map_err(|_| invalid()))?;
        if prefix_bits > most { Err(invalid()) } else { Ok(Self { base, prefix_bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_bits)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("192.168.1.0/24", "::ffff:192.168.1.9", "192.168.2.9"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(address(inside)), "{network} {inside}");
            assert!(!network.contains(address(outside)), "{network} {outside}");
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains(address("8.8.8.8")));
        for text in ["", "10.0.0.0/33", "10.0.0/8", "a/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_added() {
        let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap()];
        let client = |peer: &str, forwarded: Option<&str>| client_address(address(peer), forwarded, &trusted);
        assert_eq!(client("9.9.9.9", Some("1.1.1.1")), address("9.9.9.9"));
        assert_eq!(client("10.0.0.1", Some("6.6.6.6, 1.1.1.1, 10.0.0.2")), address("1.1.1.1"));
        assert_eq!(client("10.0.0.1", None), address("10.0.0.1"));
        assert_eq!(client("10.0.0.1", Some("nonsense")), address("10.0.0.1"));
    }
}
