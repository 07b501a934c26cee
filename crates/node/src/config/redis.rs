//! Where Redis is: one connection of the process, for everybody here who uses it.
//!
//! What holds: the address is shown without its password, and refused with the reason when it cannot be used.

use doos_adapter_redis::{Address, InvalidAddress, Link};
use doos_ports::clock::Clock;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// `HOST:PORT`, `redis://…`, `redis-sentinel://…/MASTER` or `redis-cluster://…`; empty: none.
    #[serde(serialize_with = "without_password")]
    pub addr: String,
    /// Holds the password of an address that names none.
    pub password_file: PathBuf,
    #[serde(skip)]
    pub(super) password: Option<SecretString>,
    /// Of every key; shops that share a Redis have different ones.
    pub prefix: String,
    pub connect_timeout_ms: u64,
    /// After this a call counts as lost with its connection.
    pub response_timeout_ms: u64,
    /// So long a Redis that could not be reached is not asked again.
    pub away_pause_ms: u64,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            addr: String::new(),
            password_file: PathBuf::new(),
            password: None,
            prefix: "doos".to_owned(),
            connect_timeout_ms: 1_000,
            response_timeout_ms: 500,
            away_pause_ms: 200,
        }
    }
}

impl Redis {
    pub const fn is_there(&self) -> bool {
        !self.addr.is_empty()
    }

    /// As the adapter takes it. The address holds the password.
    pub(super) fn options(&self) -> Result<doos_adapter_redis::Options, InvalidAddress> {
        let mut options = doos_adapter_redis::Options::new(&self.addr)?;
        if let Some(password) = &self.password {
            options.address = options.address.or_password(password.expose_secret());
        }
        options.prefix.clone_from(&self.prefix);
        options.connect_timeout = Duration::from_millis(self.connect_timeout_ms);
        options.response_timeout = Duration::from_millis(self.response_timeout_ms);
        options.away_pause = Duration::from_millis(self.away_pause_ms);
        Ok(options)
    }

    /// The process's one connection, which connects with the first call; none without an address.
    pub fn link(&self, clock: &Arc<dyn Clock>) -> Result<Option<Arc<Link>>, InvalidAddress> {
        match self.is_there() {
            true => Link::new(self.options()?, Arc::clone(clock)).map(Some),
            false => Ok(None),
        }
    }
}

/// What is no address is not shown at all: nobody knows where its password would stand.
fn without_password<S: Serializer>(addr: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match addr.parse::<Address>() {
        _ if addr.is_empty() => serializer.serialize_str(""),
        Ok(address) => serializer.collect_str(&address),
        Err(_) => serializer.serialize_str("(not an address, not shown)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_is_taken_and_shown_without_its_password() {
        for (addr, shown) in [
            ("127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://:geheim@a:6379/2", "redis://a:6379"),
            ("redis-sentinel://:geheim@a:26379,b:26379/shop", "redis-sentinel://a:26379,b:26379/shop"),
            ("redis-cluster://:geheim@a:7000,b:7001", "redis-cluster://a:7000,b:7001"),
            ("geheim", "redis://geheim:6379"),
            ("redis//:geheim@a", "(not an address, not shown)"),
        ] {
            let redis = Redis { addr: addr.to_owned(), ..Redis::default() };
            assert_eq!(serde_json::to_value(&redis).unwrap()["addr"], shown, "{addr}");
        }
    }

    #[test]
    fn a_password_file_speaks_for_an_address_without_a_password() {
        let password = Some(SecretString::from("geheim".to_owned()));
        let redis = Redis { addr: "redis://a:1".to_owned(), password, ..Redis::default() };
        let Address::Single(server) = redis.options().unwrap().address else { panic!("that was one server's") };
        assert_eq!(server.redis_settings().password(), Some("geheim"));
        assert!(!format!("{redis:?}").contains("geheim"));
    }
}
