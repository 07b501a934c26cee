//! Where Redis is: one server, a Sentinel's master, or a cluster.
//!
//! | written as | means |
//! |---|---|
//! | `HOST:PORT`, `redis://[USER:PASSWORD@]HOST:PORT[/DB]` | one server |
//! | `redis-sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/MASTER[/DB]` | the master that these Sentinels name |
//! | `redis-cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT` | a cluster, found through any of these nodes |
//!
//! User and password are those of the servers with the data. Sentinels with a password of their own take it as
//! `?sentinel_password=…`. Without TLS: an address that asks for it is refused, not silently served without.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use std::fmt;

#[derive(Clone)]
pub enum Address {
    Single(ConnectionInfo),
    Sentinel { sentinels: Vec<ConnectionInfo>, master: String, server: RedisConnectionInfo },
    Cluster { nodes: Vec<ConnectionInfo>, server: RedisConnectionInfo },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the address of a Redis: {cause}; expected redis://[USER:PASSWORD@]HOST:PORT[/DB], redis-sentinel:// or redis-cluster://"
)]
pub struct InvalidAddress {
    cause: String,
}

pub(crate) fn invalid(cause: impl Into<String>) -> InvalidAddress {
    InvalidAddress { cause: cause.into() }
}

/// Without the password, which the cause of an error must not show either.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &[ConnectionInfo]| -> String {
            nodes.iter().map(|node| node.addr().to_string()).collect::<Vec<_>>().join(",")
        };
        match self {
            Self::Single(server) => write!(f, "redis://{}", server.addr()),
            Self::Sentinel { sentinels, master, .. } => write!(f, "redis-sentinel://{}/{master}", list(sentinels)),
            Self::Cluster { nodes, .. } => write!(f, "redis-cluster://{}", list(nodes)),
        }
    }
}

impl Address {
    /// With this password for the servers with the data, if it names none.
    #[must_use]
    pub fn or_password(self, password: &str) -> Self {
        let with = |server: RedisConnectionInfo| match server.password() {
            Some(_) => server,
            None => server.set_password(password),
        };
        let at = |node: ConnectionInfo| {
            let server = with(node.redis_settings().clone());
            node.set_redis_settings(server)
        };
        match self {
            Self::Single(server) => Self::Single(at(server)),
            Self::Sentinel { sentinels, master, server } => Self::Sentinel { sentinels, master, server: with(server) },
            Self::Cluster { nodes, server } => {
                Self::Cluster { nodes: nodes.into_iter().map(at).collect(), server: with(server) }
            }
        }
    }
}

impl std::str::FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        match text.split_once("://") {
            None => single(&format!("redis://{text}")),
            Some(("redis", _)) => single(text),
            Some(("redis-sentinel", rest)) => sentinel(rest),
            Some(("redis-cluster", rest)) => cluster(rest),
            Some(("rediss", _)) => Err(invalid("it asks for TLS, which this program does not speak with Redis")),
            Some((scheme, _)) => Err(invalid(format!("it begins with {scheme}://"))),
        }
    }
}

fn single(url: &str) -> Result<Address, InvalidAddress> {
    url.into_connection_info().map(Address::Single).map_err(|error| invalid(error.to_string()))
}

/// Credentials, nodes, and what stands behind the first slash.
fn parts(rest: &str) -> Result<(RedisConnectionInfo, Vec<ConnectionAddr>, &str), InvalidAddress> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, nodes) = authority.rsplit_once('@').map_or((None, authority), |(who, nodes)| (Some(who), nodes));
    // The library decodes the credentials, so that a password is written the same way in every kind of address.
    let server = match credentials {
        None => RedisConnectionInfo::default(),
        Some(credentials) => {
            let url = format!("redis://{credentials}@localhost");
            url.into_connection_info().map_err(|error| invalid(error.to_string()))?.redis_settings().clone()
        }
    };
    let nodes = nodes.split(',').map(node).collect::<Result<_, _>>()?;
    Ok((server, nodes, path))
}

fn node(text: &str) -> Result<ConnectionAddr, InvalidAddress> {
    if text.is_empty() {
        return Err(invalid("a node is missing"));
    }
    let info = format!("redis://{text}").into_connection_info().map_err(|error| invalid(error.to_string()))?;
    Ok(info.addr().clone())
}

fn at(node: ConnectionAddr, server: &RedisConnectionInfo) -> Result<ConnectionInfo, InvalidAddress> {
    let info = node.into_connection_info().map_err(|error| invalid(error.to_string()))?;
    Ok(info.set_redis_settings(server.clone()))
}

fn sentinel(rest: &str) -> Result<Address, InvalidAddress> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (server, nodes, path) = parts(rest)?;
    let (master, db) = path.split_once('/').unwrap_or((path, "0"));
    if master.is_empty() {
        return Err(invalid("it names no master behind the Sentinels"));
    }
    let db = db.parse().map_err(|_| invalid(format!("`{db}` is no database's number")))?;
    let own = match query.split_once('=') {
        None if query.is_empty() => RedisConnectionInfo::default(),
        Some(("sentinel_password", password)) => RedisConnectionInfo::default().set_password(password),
        _ => return Err(invalid("behind the question mark only sentinel_password is known")),
    };
    let sentinels = nodes.into_iter().map(|node| at(node, &own)).collect::<Result<_, _>>()?;
    Ok(Address::Sentinel { sentinels, master: master.to_owned(), server: server.set_db(db) })
}

fn cluster(rest: &str) -> Result<Address, InvalidAddress> {
    let (server, nodes, path) = parts(rest)?;
    if !path.is_empty() {
        return Err(invalid("a cluster has no numbered databases"));
    }
    let nodes = nodes.into_iter().map(|node| at(node, &server)).collect::<Result<_, _>>()?;
    Ok(Address::Cluster { nodes, server })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn each_kind_of_address_is_read_and_shown_without_its_password() {
        for (written, shown) in [
            ("127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://default:secret@localhost:6380/2", "redis://localhost:6380"),
            ("redis-sentinel://doos:secret@a:26379,b:26380/shop/1", "redis-sentinel://a:26379,b:26380/shop"),
            ("redis-cluster://:secret@a:7000,b:7001,c", "redis-cluster://a:7000,b:7001,c:6379"),
        ] {
            let address = parse(written);
            assert_eq!((format!("{address}"), format!("{address:?}")), (shown.to_owned(), shown.to_owned()));
        }
    }

    #[test]
    fn credentials_and_database_reach_the_servers_with_the_data() {
        let Address::Sentinel { sentinels, server, master } =
            parse("redis-sentinel://doos:p%40ss@a:1,b:2/shop/3?sentinel_password=watch")
        else {
            panic!("that was a Sentinel's address")
        };
        assert_eq!(
            (master.as_str(), server.db(), server.username(), server.password()),
            ("shop", 3, Some("doos"), Some("p@ss"))
        );
        assert_eq!(sentinels.len(), 2);
        assert!(sentinels.iter().all(|sentinel| sentinel.redis_settings().password() == Some("watch")));
        let Address::Cluster { nodes, .. } = parse("redis-cluster://u:p@a:1") else { panic!("that was a cluster's") };
        assert_eq!(nodes[0].redis_settings().password(), Some("p"));
    }

    #[test]
    fn a_password_from_elsewhere_reaches_the_servers_that_name_none() {
        let Address::Single(own) = parse("redis://:own@a:1").or_password("other") else { panic!("one server's") };
        assert_eq!(own.redis_settings().password(), Some("own"));
        let Address::Single(one) = parse("a:1").or_password("other") else { panic!("one server's") };
        assert_eq!(one.redis_settings().password(), Some("other"));
        let Address::Sentinel { sentinels, server, .. } = parse("redis-sentinel://a:1,b:2/shop").or_password("other")
        else {
            panic!("that was a Sentinel's address")
        };
        assert_eq!(server.password(), Some("other"));
        assert!(sentinels.iter().all(|sentinel| sentinel.redis_settings().password().is_none()));
        let Address::Cluster { nodes, server } = parse("redis-cluster://a:1,b:2").or_password("other") else {
            panic!("that was a cluster's")
        };
        assert_eq!(server.password(), Some("other"));
        assert!(nodes.iter().all(|node| node.redis_settings().password() == Some("other")));
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        for wrong in [
            "rediss://a:1",
            "http://a:1",
            "redis-sentinel://a:1",
            "redis-sentinel://a:1/shop/x",
            "redis-sentinel://a:1,,b:2/shop",
            "redis-sentinel://a:1/shop?password=x",
            "redis-cluster://a:1/2",
            "redis-cluster://",
            "redis://a:port",
        ] {
            let parsed = wrong.parse::<Address>();
            assert!(parsed.is_err(), "{wrong}: {parsed:?}");
        }
    }
}
